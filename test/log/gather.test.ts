/** What followers get out of the append memory, against a plain list of batches; and what is lent from it, which must not change. */
import t from 'tap'
import fc from 'fast-check'
import type { Offset, Term } from '../../src/base/ids.ts'
import { Appender } from '../../src/log/appender.ts'
import { type Block, type BlockHolder, BlockPool } from '../../src/log/block-pool.ts'
import { stamp } from '../../src/record/record-batch.ts'
import { batchOf } from './kit.ts'

const blockBytes = 512

interface Stored { readonly base: number, readonly next: number, readonly bytes: Uint8Array, readonly segmentBase: number, readonly position: number, gone: boolean }

/** Tells which blocks leave the log whose batches are noted here. */
class WatchedPool extends BlockPool {
  batches: Stored[] = []

  override give (block: Block): void {
    this.lost(block)
    super.give(block)
  }

  lost ({ segmentBase, position, endPosition }: Block): void {
    for (const batch of this.batches) {
      if (batch.segmentBase === segmentBase && batch.position >= position && batch.position < endPosition) batch.gone = true
    }
  }
}

class WatchedAppender extends Appender {
  readonly #pool: WatchedPool

  constructor (pool: WatchedPool) {
    super(pool)
    this.#pool = pool
  }

  override blockLost (block: Block): void {
    this.#pool.lost(block)
    super.blockLost(block)
  }
}

/** Another log of the thread that needs memory, and gives it back. */
class Thief implements BlockHolder {
  readonly #pool: BlockPool
  #blocks: Block[] = []

  constructor (pool: BlockPool) { this.#pool = pool }

  steal (): void {
    const block = this.#pool.take(this)
    block.bytes.fill(0xee)
    this.#blocks.push(block)
  }

  giveBack (): void {
    for (const block of this.#blocks.splice(0)) this.#pool.give(block)
  }

  blockLost (): void { throw new Error('nothing of it is retired') }
}

/** An appender as its log drives it, and beside it the plain list of what it was given. */
class Bench {
  readonly pool: WatchedPool
  readonly appender: WatchedAppender
  readonly thief: Thief
  turn = 0
  #segmentBase = 0
  #position = 0
  #end = 0
  #writtenEnd = 0
  #group = -1

  constructor (blocks: number) {
    this.pool = new WatchedPool(blocks * blockBytes, blockBytes, () => this.turn)
    this.appender = new WatchedAppender(this.pool)
    this.thief = new Thief(this.pool)
  }

  get batches (): Stored[] { return this.pool.batches }

  append (records: number, valueBytes: number): void {
    const bytes = batchOf(records, valueBytes, 1000, String.fromCharCode(97 + this.#end % 26))
    const term = 1 + (this.#end >> 4)
    this.appender.append(bytes, this.#segmentBase as Offset, this.#position, this.#end as Offset, term as Term, this.#end + records as Offset)
    stamp(bytes, 0, this.#end, term)
    this.batches.push({ base: this.#end, next: this.#end += records, bytes, segmentBase: this.#segmentBase, position: this.#position, gone: false })
    this.#position += bytes.length
  }

  roll (): void {
    if (this.#position === 0) return
    this.#segmentBase = this.#end
    this.#position = 0
  }

  takeGroup (): void {
    if (this.#group >= 0 || !this.appender.hasPending) return
    this.appender.takeGroup()
    this.#group = this.appender.groupEndOffset < 0 ? this.#end : this.appender.groupEndOffset
  }

  groupDone (): void {
    if (this.#group < 0) return
    this.appender.groupDone()
    this.#writtenEnd = this.#group
    this.#group = -1
  }

  /** The write failed: what was not written is cut, and others come to stand there. */
  cut (): void {
    if (this.#group >= 0) this.appender.groupFailed()
    this.#group = -1
    this.appender.clear()
    this.pool.batches = this.batches.filter(({ base }) => base < this.#writtenEnd)
    for (const batch of this.batches) batch.gone = true
    this.#end = this.#writtenEnd
    const last = this.batches.at(-1)
    this.#segmentBase = last?.segmentBase ?? 0
    this.#position = last === undefined ? 0 : last.position + last.bytes.length
  }

  /** From every batch on, up to one that `chance` points at, in pieces of at most `bytesMax`. */
  compare (chance: number, bytesMax: number): void {
    for (const [i, batch] of this.batches.entries()) {
      const until = i + 1 + Math.floor(chance * (this.batches.length - i - 1))
      this.gather(i, until, bytesMax)
      if (batch.gone && batch.base >= this.#writtenEnd) throw new Error('what is not written cannot be gone')
    }
    // As a follower does it: one message behind the other.
    for (let i = this.batches.findIndex(({ gone }) => !gone); i >= 0 && i < this.batches.length;) i = this.gather(i, this.batches.length, bytesMax)
  }

  /** @returns the index behind what was gathered */
  gather (from: number, until: number, bytesMax: number): number {
    const pieces: Uint8Array[] = []
    const endOffset = this.batches[until - 1]!.next
    const found = this.appender.gather(this.batches[from]!.base as Offset, endOffset as Offset, bytesMax, pieces)
    if (this.batches[from]!.gone) {
      if (found !== undefined) throw new Error('a batch whose block is gone')
      return from
    }
    let end = from + 1
    let bytes = this.batches[from]!.bytes.length
    while (end < until && bytes + this.batches[end]!.bytes.length <= bytesMax) bytes += this.batches[end++]!.bytes.length
    const expected = Buffer.concat(this.batches.slice(from, end).map(batch => batch.bytes))
    if (found === undefined) throw new Error(`nothing at ${this.batches[from]!.base}, whose block is there`)
    if (found.bytes !== bytes || found.endOffset !== this.batches[end - 1]!.next) throw new Error(`${found.bytes} bytes up to ${found.endOffset}, expected ${bytes} up to ${this.batches[end - 1]!.next}`)
    if (!expected.equals(Buffer.concat(pieces))) throw new Error('other bytes than were appended')
    if (pieces.some(piece => piece.length === 0)) throw new Error('an empty piece')
    return end
  }
}

type Step =
  | { do: 'append', records: number, bytes: number }
  | { do: 'take-group' } | { do: 'group-done' } | { do: 'roll' } | { do: 'cut' } | { do: 'steal' } | { do: 'give-back' }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('append' as const), records: fc.integer({ min: 1, max: 3 }), bytes: fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 100, max: 600 }), fc.integer({ min: 500, max: 1700 })) }) },
  { weight: 3, arbitrary: fc.constant({ do: 'take-group' as const }) },
  { weight: 4, arbitrary: fc.constant({ do: 'group-done' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'roll' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'cut' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'steal' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'give-back' as const }) }
)

t.test('what is gathered from any batch on is what was appended, or its block is gone', async () => {
  fc.assert(fc.property(fc.array(step, { minLength: 4, maxLength: 40 }), fc.integer({ min: 2, max: 24 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 6000 }), (steps, blocks, chance, bytesMax) => {
    const bench = new Bench(blocks)
    for (const one of steps) {
      bench.turn++
      switch (one.do) {
        case 'append': bench.append(one.records, one.bytes); break
        case 'take-group': bench.takeGroup(); break
        case 'group-done': bench.groupDone(); break
        case 'roll': bench.roll(); break
        case 'cut': bench.cut(); break
        case 'steal': bench.thief.steal(); break
        case 'give-back': bench.thief.giveBack(); break
      }
      bench.turn++
      bench.compare(chance, bytesMax)
    }
  }), { numRuns: Number(process.env.LOG_RUNS ?? 300) })
})

t.test('a batch that fills its block to the last byte, and one that spreads over many', async t => {
  const bench = new Bench(32)
  const room = blockBytes - batchOf(1, 0).length
  // The lengths of value and record take a byte more each from 64 on.
  for (const bytes of [room - 2, room - 3, room - 1, 3 * blockBytes, 0, 0, 2 * blockBytes - 61, 5]) {
    bench.append(1, bytes)
    for (const bytesMax of [1, blockBytes, 1 << 20]) bench.compare(1, bytesMax)
  }
  t.equal(bench.batches.length, 8)
})

t.test('what is lent does not change before its turn ends: neither when others need memory, nor when the log gives it up', async t => {
  const bench = new Bench(4)
  for (let i = 0; i < 4; i++) bench.append(1, 400)
  bench.takeGroup()
  bench.groupDone()
  const pieces: Uint8Array[] = []
  const { base } = bench.batches[0]!
  const { next } = bench.batches[1]!
  t.equal(bench.appender.gather(base as Offset, next as Offset, 1 << 20, pieces)!.endOffset, next)
  const before = Buffer.concat(pieces)
  for (let i = 0; i < 6; i++) bench.thief.steal()
  t.ok(before.equals(Buffer.concat(pieces)), 'others took other blocks')
  bench.appender.clear()
  for (let i = 0; i < 6; i++) bench.thief.steal()
  t.ok(before.equals(Buffer.concat(pieces)), 'given up, and not handed out again')
  bench.turn++
  bench.thief.giveBack()
  for (let i = 0; i < 6; i++) bench.thief.steal()
})

t.test('of what was lent each block is kept: one given back in the same turn is not handed out again', async t => {
  const bench = new Bench(8)
  for (let i = 0; i < 4; i++) bench.append(1, 400)
  bench.append(1, 1700)
  bench.takeGroup()
  bench.groupDone()
  const pieces: Uint8Array[] = []
  bench.appender.gather(0 as Offset, 5 as Offset, 1 << 20, pieces)
  const before = Buffer.concat(pieces)
  bench.appender.clear()
  for (let i = 0; i < 8; i++) bench.thief.steal()
  t.ok(before.equals(Buffer.concat(pieces)))
})

t.test('in the next turn what was lent is taken again, and the memory that was made meanwhile is given up', async t => {
  const bench = new Bench(4)
  for (let i = 0; i < 4; i++) bench.append(1, 400)
  bench.takeGroup()
  bench.groupDone()
  t.equal(bench.pool.bytes, 4 * blockBytes)
  bench.gather(0, 4, 1 << 20)
  for (let i = 0; i < 3; i++) bench.thief.steal()
  t.equal(bench.pool.bytes, 7 * blockBytes, 'all four were lent')
  t.notOk(bench.batches.some(({ gone }) => gone))
  bench.turn++
  bench.thief.steal()
  t.ok(bench.batches[0]!.gone && bench.batches[1]!.gone, 'one for who needs it, one given up')
  bench.thief.steal()
  t.equal(bench.pool.bytes, 5 * blockBytes)
  t.equal(bench.pool.pinnedBytes, 5 * blockBytes)
  bench.thief.giveBack()
  t.equal(bench.pool.bytes, 4 * blockBytes)
})

t.test('what a reader got of the tail is lent too', async t => {
  const bench = new Bench(2)
  for (let i = 0; i < 2; i++) bench.append(1, 400)
  bench.takeGroup()
  bench.groupDone()
  const view = bench.appender.read(bench.batches[0]!.base as Offset, bench.batches[0]!.next as Offset, 1 << 20, true)!
  const before = Buffer.from(view)
  for (let i = 0; i < 4; i++) bench.thief.steal()
  t.ok(before.equals(view))
  t.notOk(bench.batches[0]!.gone)
})
