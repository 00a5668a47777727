import t from 'tap'
import type { Message } from '../../src/base/effect.ts'
import type { ActorId } from '../../src/base/ids.ts'
import type { Actor, Outbox } from '../../src/runtime/actor.ts'
import { ActorKit } from './kit.ts'

const peer = 9 as ActorId

class Sample implements Actor {
  started (out: Outbox): void {
    out.timer(10, { kind: 'tick' })
  }

  receive (message: Message, out: Outbox, now: number): void {
    switch (message.kind) {
      case 'tick': {
        out.tell(peer, { kind: `told at ${now}` })
        const cancelled = out.timer(5, { kind: 'never' })
        out.cancel(cancelled)
        out.timer(20, { kind: 'tick' })
        break
      }
      case 'write':
        out.effect({ run: post => post({ kind: 'written' }) })
        out.turnEnd()
        break
      case 'written': out.ask(peer, { kind: 'question', replyTo: out.self, correlation: 1 } as never, 50)
    }
  }
}

t.test('an actor without a system: messages, timers, effects and the turn\'s end', async t => {
  const kit = new ActorKit(new Sample())
  t.same(kit.start().told, [])
  const outs = kit.advance(30)
  t.same(outs.flatMap(out => out.toldTo(peer)), [{ kind: 'told at 1010' }, { kind: 'told at 1030' }])
  t.equal(kit.timers.length, 1)
  const out = kit.feed({ kind: 'write' })
  t.ok(out.turnEndAsked)
  const [after] = kit.run(out)
  t.same(after!.asked, [{ to: peer, message: { kind: 'question', replyTo: 1, correlation: 1 }, deadlineMs: 50 }])
  t.notOk(kit.turnEnd().turnEndAsked)
})
