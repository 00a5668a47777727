import t from 'tap'
import type { MemberId } from '../../../src/base/ids.ts'
import { beatMs, Liveness } from '../../../src/net/peers/liveness.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const one = 1 as MemberId
const two = 2 as MemberId

function setUp (): { liveness: Liveness, told: string[], ticks: (count: number, answers?: readonly MemberId[]) => void } {
  const told: string[] = []
  let now = 1000
  const liveness = new Liveness(now, (member, up) => told.push(`${member} ${up ? 'up' : 'down'}`))
  liveness.add(one, now)
  liveness.add(two, now)
  return {
    liveness,
    told,
    ticks: (count, answers = []) => {
      for (; count > 0; count--) {
        for (const member of answers) liveness.heard(member, 7)
        now += beatMs
        liveness.tick(now)
      }
    }
  }
}

t.test('up with the first answer, down after half a second without one, up with the next', async t => {
  const { liveness, told, ticks } = setUp()
  t.equal(liveness.isUp(one), undefined)
  liveness.heard(one, 7)
  t.same(told, ['1 up'])
  ticks(20, [one, two])
  t.same(told, ['1 up', '2 up'])
  ticks(5, [two])
  t.same(told, ['1 up', '2 up'], 'half a second is not over')
  ticks(1, [two])
  t.same(told, ['1 up', '2 up', '1 down'])
  t.equal(liveness.isUp(one), false)
  ticks(50, [two])
  liveness.heard(one, 7)
  t.same(told, ['1 up', '2 up', '1 down', '1 up'])
})

t.test('who never answers is down', async t => {
  const { told, ticks } = setUp()
  ticks(6, [two])
  t.same(told, ['2 up', '1 down'])
})

t.test('another process of the same peer has been down', async t => {
  const { liveness, told } = setUp()
  liveness.heard(one, 7)
  liveness.heard(one, 7)
  liveness.heard(one, 8)
  liveness.heard(one, 8)
  t.same(told, ['1 up', '1 down', '1 up'])
})

t.test('gone is down at once, and told once', async t => {
  const { liveness, told, ticks } = setUp()
  liveness.heard(one, 7)
  liveness.gone(one)
  liveness.gone(one)
  t.same(told, ['1 up', '1 down'])
  ticks(3, [two])
  liveness.heard(one, 7)
  t.same(told, ['1 up', '1 down', '2 up', '1 up'])
})

t.test('a thread that stood still does not judge: its peers get another round', async t => {
  const { liveness, told, ticks } = setUp()
  ticks(3, [one, two])
  liveness.tick(1000 + 4 * beatMs + 60_000)
  t.same(told, ['1 up', '2 up'])
  let now = 1000 + 4 * beatMs + 60_000
  for (let i = 0; i < 5; i++) liveness.tick(now += beatMs)
  t.same(told, ['1 up', '2 up'])
  liveness.tick(now += beatMs)
  t.same(told, ['1 up', '2 up', '1 down', '2 down'], 'but silence after it counts')
})

t.test('who is not a peer (any more) is not judged', async t => {
  const { liveness, told, ticks } = setUp()
  liveness.heard(3 as MemberId, 1)
  liveness.gone(3 as MemberId)
  liveness.heard(one, 7)
  liveness.remove(one)
  liveness.heard(one, 7)
  ticks(10, [two])
  t.same(told, ['1 up', '2 up'])
  t.equal(liveness.isUp(one), undefined)
})
