/** Two systems with a ring each way: what is too large for it harms nobody. */
import t from 'tap'
import type { Message } from '../../src/base/effect.ts'
import type { ActorId, ThreadIndex } from '../../src/base/ids.ts'
import type { Actor } from '../../src/runtime/actor.ts'
import { ActorSystem } from '../../src/runtime/actor-system.ts'
import { createPlacement, Placement } from '../../src/runtime/placement.ts'
import { createRing } from '../../src/runtime/ring.ts'
import { createThreadWords } from '../../src/runtime/thread-words.ts'

t.setTimeout(30_000)

const asker = 1 as ActorId
const giver = 2 as ActorId
const messageBytesMax = 10_000

interface Ask extends Message { readonly correlation: number, readonly replyTo: ActorId, readonly wanted: number }

t.test('a message that is too large crosses to no other thread: who asked is told, and nobody crashes', async t => {
  const placement = new Placement(createPlacement(16))
  const [there, back] = [createRing(4096), createRing(4096)]
  const words = [createThreadWords(), createThreadWords()] as const
  const systemOf = (thread: 0 | 1): ActorSystem => new ActorSystem({
    thread: thread as ThreadIndex,
    placement,
    words: words[thread],
    limits: { messageBytesMax },
    links: [{ thread: 1 - thread as ThreadIndex, outgoing: thread === 0 ? there : back, incoming: thread === 0 ? back : there, peer: words[1 - thread as 0 | 1] }]
  })
  const systems = [systemOf(0), systemOf(1)] as const
  t.teardown(async () => await Promise.all(systems.map(async system => await system.close())))
  const answers: unknown[] = []
  const hear: Actor = { receive: message => { answers.push([message.kind, (message as Ask).correlation, (message as Message & { reason?: string }).reason]) } }
  const give: Actor<Ask> = {
    receive: ({ correlation, replyTo, wanted }, out) => out.tell(replyTo, { kind: 'given', correlation, bytes: new Uint8Array(wanted) } as Message)
  }
  await systems[0].start(asker, async () => hear)
  await systems[1].start(giver, async () => give as Actor)
  const ask = (correlation: number, bytes: number, wanted: number): void => {
    systems[0].ask(giver, { kind: 'give', correlation, replyTo: asker, bytes: new Uint8Array(bytes), wanted } as Message as Ask, 20_000)
  }
  const answered = async (count: number): Promise<void> => { while (answers.length < count) await new Promise(resolve => setTimeout(resolve, 1)) }
  ask(1, messageBytesMax, 0)
  t.strictSame(answers, [['undeliverable', 1, 'mailbox-full']])
  ask(2, 0, messageBytesMax)
  await answered(2)
  ask(3, messageBytesMax - 200, messageBytesMax - 200)
  await answered(3)
  t.strictSame(answers.slice(1), [['undeliverable', 2, 'mailbox-full'], ['given', 3, undefined]])
  t.strictSame(systems.map(system => system.stats().crashes), [0, 0])
})
