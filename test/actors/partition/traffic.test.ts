import t from 'tap'
import { Traffic } from '../../../src/actors/partition/traffic.ts'
import type { ThreadIndex } from '../../../src/base/ids.ts'

const traffic = (): Traffic => new Traffic({ own: 0 as ThreadIndex, threads: 3, now: 0 })
const send = (traffic: Traffic, thread: number, count: number): void => { for (let i = 0; i < count; i++) traffic.count(thread) }

t.test('one busy connection on another thread draws the partition there, after a while', t => {
  const a = traffic()
  const decisions: Array<number | undefined> = []
  for (let second = 1; second <= 12; second++) {
    send(a, 2, 1000)
    decisions.push(a.endRound(second * 1000))
  }
  t.same(decisions.slice(0, 9), new Array(9).fill(undefined), 'it stays a while where it was started')
  t.equal(decisions[9], 2)
  t.end()
})

t.test('it stays when the requests are few, spread, its own, or change their thread', t => {
  const cases: Array<(traffic: Traffic, second: number) => void> = [
    a => send(a, 1, 100),
    a => { send(a, 1, 500); send(a, 0, 400) },
    a => send(a, 0, 5000),
    (a, second) => send(a, 1 + second % 2, 1000),
    a => send(a, 77, 1000)
  ]
  for (const load of cases) {
    const a = traffic()
    for (let second = 1; second <= 30; second++) {
      load(a, second)
      t.equal(a.endRound(second * 1000), undefined)
    }
  }
  t.end()
})
