import t from 'tap'
import { cryptoChance, seededChance, uuidHex } from '../../src/base/prng.ts'

t.test('a seed gives the same numbers again, another seed others', async t => {
  const draw = (seed: number): number[] => {
    const chance = seededChance(seed)
    return Array.from({ length: 20 }, () => chance.uint32())
  }
  t.same(draw(1), draw(1))
  t.notSame(draw(1), draw(2))
  t.same(draw(7).slice(0, 3), [888617221, 1677882914, 1993636295], 'the same on every machine: recorded simulations depend on it')
})

t.test('numbers fill their ranges', async t => {
  const chance = seededChance(3)
  const buckets = new Array<number>(16).fill(0)
  for (let i = 0; i < 16_000; i++) {
    buckets[Math.floor(chance.next() * 16)]!++ // NaN outside [0, 1)
  }
  t.equal(buckets.length, 16)
  for (const count of buckets) t.ok(count > 800 && count < 1200)
})

t.test('UUIDs are version 4', async t => {
  for (const chance of [seededChance(1), cryptoChance]) {
    for (let i = 0; i < 50; i++) t.match(uuidHex(chance), /^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/)
  }
})
