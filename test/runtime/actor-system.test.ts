import t from 'tap'
import type { Message } from '../../src/base/effect.ts'
import type { ActorId } from '../../src/base/ids.ts'
import type { Actor, Outbox, Request } from '../../src/runtime/actor.ts'
import { ActorSystem } from '../../src/runtime/actor-system.ts'
import { ActorState } from '../../src/runtime/placement.ts'
import type { RuntimeEvent } from '../../src/runtime/runtime-event.ts'
import type { ActorSystemOptions } from '../../src/runtime/system-options.ts'
import { VirtualScheduler } from './virtual-scheduler.ts'

const id = (n: number): ActorId => n as ActorId

/** Does with each message what the test says, and remembers them all. */
class Probe implements Actor {
  readonly seen: Message[] = []
  readonly #react: (message: any, out: Outbox, now: number) => void
  closed = 0

  constructor (react: (message: any, out: Outbox, now: number) => void = () => {}) {
    this.#react = react
  }

  receive (message: Message, out: Outbox, now: number): void {
    this.seen.push(message)
    this.#react(message, out, now)
  }

  async close (): Promise<void> {
    this.closed++
  }

  kinds (): string[] {
    return this.seen.map(message => message.kind)
  }
}

interface Setup { system: ActorSystem, scheduler: VirtualScheduler, events: RuntimeEvent[], start: (n: number, probe: Probe) => Promise<Probe> }

function setup (options: ActorSystemOptions = {}): Setup {
  const scheduler = new VirtualScheduler()
  const events: RuntimeEvent[] = []
  const system = new ActorSystem({ scheduler, onEvent: event => events.push(event), ...options })
  const start = async (n: number, probe: Probe): Promise<Probe> => {
    await system.start(id(n), async () => probe)
    await scheduler.settle()
    return probe
  }
  return { system, scheduler, events, start }
}

const echo = (message: Request, out: Outbox): void => {
  if (message.kind === 'ping') out.tell(message.replyTo, { kind: 'pong', correlation: message.correlation } as Message)
}

t.test('a message from outside is received, with all that follows, before tell returns', async t => {
  const { system, start } = setup()
  const last = await start(3, new Probe())
  await start(2, new Probe((message, out) => out.tell(id(3), message)))
  await start(1, new Probe((message, out) => out.tell(id(2), message)))
  system.tell(id(1), { kind: 'a' })
  t.same(last.kinds(), ['a'])
})

t.test('order per sender and receiver is kept, and receive is never entered twice', async t => {
  const { system, start } = setup()
  let depth = 0
  const receiver = await start(2, new Probe())
  await start(1, new Probe((_message, out) => {
    t.equal(++depth, 1)
    for (let i = 0; i < 5; i++) out.tell(id(2), { kind: `m${i}` })
    t.equal(receiver.seen.length, 0, 'told messages wait until receive has returned')
    depth--
  }))
  system.tell(id(1), { kind: 'go' })
  t.same(receiver.kinds(), ['m0', 'm1', 'm2', 'm3', 'm4'])
})

t.test('now is one value per turn', async t => {
  const { system, scheduler, start } = setup()
  const times: number[] = []
  await start(1, new Probe((_message, _out, now) => times.push(now)))
  system.tell(id(1), { kind: 'a' })
  scheduler.now += 5
  system.tell(id(1), { kind: 'b' })
  await scheduler.settle()
  system.tell(id(1), { kind: 'c' })
  t.same(times, [1000, 1000, 1005])
})

t.test('an ask is answered, and its deadline then means nothing', async t => {
  const { system, scheduler, start } = setup()
  await start(2, new Probe(echo))
  const asker = await start(1, new Probe((message, out) => {
    if (message.kind === 'go') out.ask(id(2), { kind: 'ping', replyTo: out.self, correlation: 7 }, 100)
  }))
  system.tell(id(1), { kind: 'go' })
  await scheduler.advance(1000)
  t.same(asker.seen, [{ kind: 'go' }, { kind: 'pong', correlation: 7 }])
  t.equal(system.stats().openAsks, 0)
})

t.test('an ask without an answer ends at its deadline, and a later answer is dropped', async t => {
  const { system, scheduler, start } = setup()
  const slow = await start(2, new Probe((message, out) => {
    if (message.kind === 'ping') out.timer(200, { kind: 'answer', replyTo: message.replyTo, correlation: message.correlation } as Message)
    if (message.kind === 'answer') out.tell(message.replyTo, { kind: 'pong', correlation: message.correlation } as Message)
  }))
  const asker = await start(1, new Probe((message, out) => {
    if (message.kind === 'go') out.ask(id(2), { kind: 'ping', replyTo: out.self, correlation: 7 }, 100)
  }))
  system.tell(id(1), { kind: 'go' })
  await scheduler.advance(99)
  t.equal(asker.seen.length, 1)
  await scheduler.advance(1)
  t.same(asker.seen[1], { kind: 'undeliverable', correlation: 7, reason: 'expired' })
  await scheduler.advance(500)
  t.equal(slow.seen.length, 2)
  t.equal(asker.seen.length, 2)
})

t.test('requests to nobody, to a starting and to a stopped actor are answered', async t => {
  const { system, scheduler, start } = setup()
  const asker = await start(1, new Probe((message, out) => {
    if (message.kind === 'go') out.tell(message.to, { kind: 'ping', replyTo: out.self, correlation: message.to } as Message)
  }))
  const go = (to: number): void => system.tell(id(1), { kind: 'go', to } as Message)
  go(50)
  let ready = (_actor: Actor): void => {}
  const started = system.start(id(51), async () => await new Promise<Actor>(resolve => { ready = resolve }))
  go(51)
  ready(new Probe(echo))
  await started
  go(51)
  await system.stop(id(51))
  go(51)
  await scheduler.settle()
  t.same(asker.seen.filter(message => message.kind !== 'go'), [
    { kind: 'undeliverable', correlation: 50, reason: 'dead' },
    { kind: 'undeliverable', correlation: 51, reason: 'restarting' },
    { kind: 'pong', correlation: 51 },
    { kind: 'undeliverable', correlation: 51, reason: 'dead' }
  ])
})

t.test('a full mailbox refuses requests and takes replies', async t => {
  const { system, start } = setup({ limits: { mailboxRequestsMax: 4, mailboxMax: 16 } })
  const answers = await start(3, new Probe())
  const busy = await start(2, new Probe())
  await start(1, new Probe((_message, out) => {
    for (let i = 0; i < 6; i++) out.tell(id(2), { kind: 'ping', replyTo: id(3), correlation: i } as Message)
    out.tell(id(2), { kind: 'pong', correlation: 99 } as Message)
  }))
  system.tell(id(1), { kind: 'go' })
  t.equal(busy.seen.length, 5)
  t.same(answers.seen, [4, 5].map(correlation => ({ kind: 'undeliverable', correlation, reason: 'mailbox-full' })))
})

t.test('timers fire in order, can be cancelled, and are never early', async t => {
  const { system, scheduler, start } = setup()
  const probe = await start(1, new Probe((message, out) => {
    if (message.kind !== 'go') return
    out.timer(30, { kind: 'thirty' })
    const cancelled = out.timer(20, { kind: 'twenty' })
    out.timer(10, { kind: 'ten' })
    out.cancel(cancelled)
    out.cancel(cancelled)
  }))
  system.tell(id(1), { kind: 'go' })
  await scheduler.advance(9)
  t.same(probe.kinds(), ['go'])
  await scheduler.advance(1)
  t.same(probe.kinds(), ['go', 'ten'])
  await scheduler.advance(100)
  t.same(probe.kinds(), ['go', 'ten', 'thirty'])
})

t.test('turn-end comes once a turn, after all messages, and to the network actor last', async t => {
  const { system, scheduler, start } = setup()
  const order: string[] = []
  const ask = (name: string) => (message: Message, out: Outbox): void => {
    order.push(`${name} ${message.kind}`)
    if (message.kind === 'turn-end') { if (name === 'partition') out.tell(id(0), { kind: 'answer' }) } else out.turnEnd()
  }
  await start(0, new Probe(ask('network')))
  await start(1, new Probe(ask('partition')))
  system.tell(id(0), { kind: 'a' })
  system.tell(id(1), { kind: 'b' })
  system.tell(id(1), { kind: 'c' })
  t.same(order.length, 3)
  await scheduler.settle()
  t.same(order, ['network a', 'partition b', 'partition c', 'partition turn-end', 'network answer', 'network turn-end'])
})

t.test('an actor that asks for every turn\'s end keeps neither the network actor nor the turn from ending', async t => {
  const { system, scheduler, start } = setup({ limits: { turnEndRoundsMax: 4 } })
  let ends = 0
  let flushes = 0
  await start(0, new Probe((message, out) => { if (message.kind === 'turn-end') flushes++; else out.turnEnd() }))
  await start(1, new Probe((_message, out) => { if (ends++ < 9) out.turnEnd() }))
  system.tell(id(0), { kind: 'a' })
  system.tell(id(1), { kind: 'b' })
  const turns = system.stats().turns
  await scheduler.settle()
  t.same({ ends, flushes, turns: system.stats().turns - turns }, { ends: 10, flushes: 1, turns: 3 })
})

t.test('effects run after receive, and what they post comes back', async t => {
  const { system, start } = setup()
  const order: string[] = []
  await start(1, new Probe((message, out) => {
    order.push(message.kind)
    if (message.kind !== 'go') return
    out.effect({ run: post => { order.push('effect'); post({ kind: 'done' }); order.push('posted') } })
    order.push('receive ends')
  }))
  system.tell(id(1), { kind: 'go' })
  t.same(order, ['go', 'receive ends', 'effect', 'posted', 'done'])
})

t.test('an actor that throws comes back; its callers are told; its neighbours keep running', async t => {
  const { system, scheduler, events, start } = setup({ limits: { restartFirstMs: 20 } })
  const incarnations: Probe[] = []
  const contexts: number[] = []
  let latePost = (_message: Message): void => {}
  await system.start(id(2), async context => {
    contexts.push(context.life)
    const probe = new Probe((message, out) => {
      if (message.kind === 'timed') out.timer(5, { kind: 'forgotten' })
      if (message.kind === 'write') out.effect({ run: post => { latePost = post } })
      if (message.kind === 'boom') throw new Error('boom')
      echo(message, out)
    })
    incarnations.push(probe)
    return probe
  })
  const neighbour = await start(3, new Probe())
  const asker = await start(1, new Probe((message, out) => {
    if (message.kind === 'ask') out.ask(id(2), { kind: message.what, replyTo: out.self, correlation: message.n } as Request, 10_000)
  }))
  const ask = (what: string, n: number): void => system.tell(id(1), { kind: 'ask', what, n } as Message)
  const answers = (): Message[] => asker.seen.filter(message => message.kind !== 'ask')
  system.tell(id(2), { kind: 'timed' })
  system.tell(id(2), { kind: 'write' })
  ask('parked', 1)
  ask('parked', 2)
  t.same(answers(), [])
  system.tell(id(2), { kind: 'boom' })
  t.same(answers(), [1, 2].map(correlation => ({ kind: 'undeliverable', correlation, reason: 'restarting' })), 'who waited is told at once')
  ask('ping', 3)
  t.same(answers()[2], { kind: 'undeliverable', correlation: 3, reason: 'restarting' })
  system.tell(id(3), { kind: 'hello' })
  t.same(neighbour.kinds(), ['hello'])
  await scheduler.settle()
  t.equal(incarnations[0]!.closed, 1)
  t.equal(system.stateOf(id(2)), ActorState.restarting)
  await scheduler.advance(20)
  t.equal(system.stateOf(id(2)), ActorState.running)
  latePost({ kind: 'written' })
  ask('ping', 4)
  await scheduler.advance(100)
  t.same(answers()[3], { kind: 'pong', correlation: 4 })
  t.same(incarnations[1]!.kinds(), ['ping'], 'timers and results of the earlier incarnation are forgotten')
  t.equal(new Set(contexts).size, 2, 'each life has a number of its own')
  t.same(events.map(event => event.kind).filter(kind => kind === 'actor-crashed'), ['actor-crashed'])
})

t.test('back-off grows, is bounded, and ends', async t => {
  const { system, scheduler, events } = setup({ limits: { restartFirstMs: 10, restartMsMax: 40, restartAttemptsMax: 4 } })
  const started = system.start(id(1), async () => { throw new Error('no disk') })
  started.catch(() => {})
  await scheduler.advance(1000)
  await t.rejects(started, { message: 'no disk' })
  t.same(events.filter(event => event.kind === 'actor-crashed').map(event => event.restartMs), [10, 20, 40, 40])
  t.equal(events.at(-1)!.kind, 'actor-given-up')
  t.equal(system.stateOf(id(1)), ActorState.dead)
})

t.test('actors that tell each other without end are stopped by a limit', async t => {
  const { system, scheduler, events, start } = setup({ limits: { receivesPerTurnMax: 1000 } })
  await start(1, new Probe((message, out) => out.tell(id(2), message)))
  await start(2, new Probe((message, out) => out.tell(id(1), message)))
  system.tell(id(1), { kind: 'ball' })
  await scheduler.settle()
  t.equal(events.filter(event => event.kind === 'actor-crashed').length, 1)
})

t.test('started runs before the first receive, and stop closes once', async t => {
  const { system, scheduler } = setup()
  const order: string[] = []
  await system.start(id(1), async () => ({
    started: out => { order.push('started'); out.timer(10, { kind: 'tick' }) },
    receive: message => { order.push(message.kind) },
    close: async () => { order.push('close') }
  }))
  await scheduler.advance(10)
  await system.close()
  await scheduler.advance(100)
  t.same(order, ['started', 'tick', 'close'])
})

t.test('a restart waits for a close that is late, and somebody hears of it', async t => {
  const { system, scheduler, events } = setup({ limits: { closeMs: 50, restartFirstMs: 20 } })
  let closeEnds = (): void => {}
  let lives = 0
  await system.start(id(1), async () => {
    lives++
    return { receive: () => { throw new Error('boom') }, close: async () => await new Promise<void>(resolve => { closeEnds = resolve }) }
  })
  system.tell(id(1), { kind: 'go' })
  await scheduler.advance(1000)
  t.same(events.at(-1), { kind: 'actor-close-late', actor: 1, closeMs: 50 })
  t.equal(lives, 1, 'files of the first life may still be open')
  closeEnds()
  await scheduler.advance(1000)
  t.equal(lives, 2)
  const closed = system.close()
  closeEnds()
  await closed
})

t.test('a stop waits for a factory that still runs, and closes what it made', async t => {
  const { system } = setup()
  let made = (_actor: Actor): void => {}
  const order: string[] = []
  const started = system.start(id(1), async () => await new Promise<Actor>(resolve => { made = resolve }))
  started.catch(() => order.push('start refused'))
  const stopped = system.stop(id(1)).then(() => order.push('stopped'))
  await new Promise(resolve => setImmediate(resolve))
  t.same(order, ['start refused'])
  made({ receive: () => {}, close: async () => { order.push('closed') } })
  await stopped
  t.same(order, ['start refused', 'closed', 'stopped'])
  await system.close()
})
