import t from 'tap'
import type { Message } from '../../src/base/effect.ts'
import type { ActorId } from '../../src/base/ids.ts'
import { LocalRuntime } from '../../src/runtime/local-runtime.ts'
import { ActorState } from '../../src/runtime/placement.ts'
import type { ActorSpec, Placer, Program } from '../../src/runtime/program.ts'
import { VirtualScheduler } from './virtual-scheduler.ts'

interface RecorderSpec extends ActorSpec { readonly note: string }

t.test('a whole program on one thread under virtual time', async t => {
  const order: string[] = []
  const placers: Placer[] = []
  const program: Program<string> = {
    codecs: [],
    open: async ({ init, threads, placer }) => {
      order.push(`open ${init} ${threads}`)
      placers.push(placer)
      return {
        factories: {
          network: async () => ({ receive: () => {}, close: async () => { order.push('network closes') } }),
          recorder: async (spec: RecorderSpec) => ({
            started: out => { out.timer(60_000, { kind: 'minute' }) },
            receive: (message: Message) => { order.push(`${spec.note} ${message.kind}`) }
          })
        },
        drain: async () => { order.push('drain') },
        close: async () => { order.push('close') }
      }
    }
  }
  const scheduler = new VirtualScheduler()
  const runtime = await LocalRuntime.start({ program, init: 'x', edge: { type: 'network' }, scheduler })
  t.equal(runtime.system.stateOf(0 as ActorId), ActorState.running)
  const id = await placers[0]!.place('first', { type: 'recorder', note: 'a' } as RecorderSpec)
  t.equal(await runtime.place('first', { type: 'recorder', note: 'b' } as RecorderSpec), id, 'there already')
  await scheduler.advance(60_000)
  await runtime.remove('first')
  await runtime.remove('first')
  t.equal(runtime.system.stateOf(id), ActorState.dead)
  t.equal(await runtime.place('first', { type: 'recorder', note: 'c' } as RecorderSpec), id, 'ids are permanent')
  runtime.system.tell(id, { kind: 'hello' })
  await runtime.close()
  t.same(order, ['open x 1', 'a minute', 'c hello', 'drain', 'network closes', 'close'])
  await t.rejects(runtime.place('z', { type: 'nothing' }))
})
