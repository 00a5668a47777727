import t from 'tap'
import { Traffic } from '../../../src/actors/partition/traffic.ts'
import type { ThreadIndex } from '../../../src/base/ids.ts'

/** Runs a load of requests a millisecond, and returns when the first move is wanted, and where to. */
function firstMove (load: (ms: number) => readonly number[], options: { fresh?: boolean, ms?: number } = {}): { at: number, to: number } | undefined {
  const traffic = new Traffic({ own: 0 as ThreadIndex, threads: 3, now: 0, fresh: options.fresh ?? true })
  for (let ms = 0; ms < (options.ms ?? 30_000); ms++) {
    for (const thread of load(ms)) {
      const to = traffic.count(thread, ms)
      if (to !== undefined) return { at: ms, to }
    }
  }
  return undefined
}

t.test('one busy connection on another thread draws the partition there, soon at first, later with patience', t => {
  const first = firstMove(() => [2])
  t.equal(first?.to, 2)
  t.ok(first!.at >= 500 && first!.at < 1000, `after ${first!.at} ms`)
  const again = firstMove(() => [1], { fresh: false })
  t.equal(again?.to, 1)
  t.ok(again!.at >= 10_000 && again!.at < 11_000, `after ${again!.at} ms`)
  t.end()
})

t.test('it stays when the requests are few, spread, its own, or change their thread', t => {
  t.equal(firstMove(ms => ms % 10 === 0 ? [1] : []), undefined, 'a hundred a second')
  t.equal(firstMove(ms => ms % 3 === 0 ? [0] : [1]), undefined)
  t.equal(firstMove(() => [0, 0, 0]), undefined)
  t.equal(firstMove(ms => [1 + Math.floor(ms / 250) % 2]), undefined)
  t.equal(firstMove(() => [77]), undefined, 'no thread has that index')
  t.end()
})
