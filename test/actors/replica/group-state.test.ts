/** Who is in a group, as its log says it: over snapshots, cuts and logs that begin anew. */
import t from 'tap'
import { GroupState, type DerivedState } from '../../../src/actors/group-state.ts'
import { encode } from '../../../src/base/msgpack.ts'
import type { MemberId, Offset } from '../../../src/base/ids.ts'
import type { Configuration } from '../../../src/raft/configuration.ts'
import { configurationBatch, leaderChangeBatch, logStartBatch } from '../../../src/record/control-record.ts'
import { baseOffsetOf, stamp } from '../../../src/record/record-batch.ts'
import { seededChance } from '../../../src/base/prng.ts'
import { FaultyDisk } from '../../../src/log/faulty-disk.ts'
import { buildBatch } from '../../../src/record/records.ts'
import { LogHost } from '../../log/kit.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const members = (...ids: number[]): MemberId[] => ids as MemberId[]
const group = (voters: number[], outgoing: number[] = [], learners: number[] = []): Configuration => ({
  voters: members(...voters), outgoing: members(...outgoing), learners: members(...learners)
})

/** Notes where the batches stood that it was shown. */
class Notes implements DerivedState {
  bases: number[] = []

  apply (batch: Uint8Array): void { this.bases.push(baseOffsetOf(batch, 0)) }
  snapshot (below = Infinity): Uint8Array { return Uint8Array.from(this.bases.filter(base => base < below)) }
  restore (bytes: Uint8Array): void { this.bases = [...bytes] }
}

function at (offset: number, batch: Uint8Array): Uint8Array {
  stamp(batch, 0, offset, 1)
  return batch
}

const clients = (): Uint8Array => buildBatch({ records: [{ value: 'x' }] })
const unknown = (): Uint8Array => buildBatch({ attributes: 0x20, records: [{ key: Uint8Array.of(0, 0, 0, 77), value: 'x' }] })

t.test('configurations are the group\'s, all else is its owner\'s', async t => {
  const notes = new Notes()
  const state = new GroupState(group([1, 2, 3]), notes)
  t.equal(state.apply(at(0, leaderChangeBatch(1, [1, 2, 3]))), false)
  t.equal(state.apply(at(1, clients())), false)
  t.equal(state.apply(at(2, configurationBatch({ ...group([1, 2, 3], [], [4]), generation: 3 }))), true)
  t.equal(state.apply(at(3, logStartBatch(1))), false)
  t.equal(state.apply(at(4, unknown())), false)
  t.same(notes.bases, [1, 3, 4])
  t.same(state.configurations.current, { ...group([1, 2, 3], [], [4]), generation: 3 })
  t.equal(state.configurations.offset, 2)
})

t.test('a snapshot brings back what was known, and batches of before it change nothing', async t => {
  const state = new GroupState(group([1]), new Notes())
  state.apply(at(5, configurationBatch(group([1], [], [2]))))
  state.apply(at(9, configurationBatch(group([1, 2], [1]))))
  const notes = new Notes()
  const again = new GroupState(group([1]), notes)
  const replay = again.replay()
  state.apply(at(10, clients()))
  replay.snapshot(state.snapshot(), 11 as Offset)
  t.same(again.configurations.entries, state.configurations.entries)
  t.same(notes.bases, [10])
  replay.batch(at(9, configurationBatch(group([1, 2], [1]))), 0)
  t.equal(again.configurations.entries.length, state.configurations.entries.length)
  replay.batch(at(11, configurationBatch(group([1, 2]))), 0)
  t.same(again.configurations.current, group([1, 2]))
})

t.test('a snapshot of a time when the owner\'s state was all there was', async t => {
  const notes = new Notes()
  const state = new GroupState(group([1]), { apply: () => {}, snapshot: () => encode([]), restore: bytes => { notes.restore(bytes) } })
  for (const old of [encode([]), encode([[7, 0, 1000, [0, 0, 0, 0]]])]) {
    state.restore(old)
    t.same(notes.bases, [...old])
    t.same(state.configurations.current, group([1]), 'and the group is what it was made with')
  }
})

t.test('what a log that begins in the middle is told: nothing of what it gets itself, or may never get', async t => {
  const notes = new Notes()
  const state = new GroupState(group([1, 2, 3]), notes)
  for (const offset of [4, 20]) state.apply(at(offset, clients()))
  state.apply(at(10, configurationBatch(group([1, 2, 3], [], [4]))))
  state.apply(at(30, configurationBatch(group([1, 2, 4], [1, 2, 3]))))
  const told = (below: number): GroupState => {
    const other = new GroupState(group([9]), new Notes())
    other.restore(state.snapshot(below as Offset))
    return other
  }
  t.same(told(20).configurations.current, group([1, 2, 3], [], [4]), 'the joint one is not committed, and may be undone')
  t.same(told(31).configurations.current, group([1, 2, 4], [1, 2, 3]))
  const owner = new Notes()
  const other = new GroupState(group([9]), owner)
  other.restore(state.snapshot(20 as Offset))
  t.same(owner.bases, [4])
  state.configurations.commit(11 as Offset)
  t.same(told(5).configurations.current, group([1, 2, 3], [], [4]), 'the oldest that is known is committed: it may be known too early')
})

t.test('batches that alone say who is in the group are needed, those that a snapshot speaks for are not', async t => {
  const state = new GroupState(group([1]), new Notes())
  t.equal(state.neededFrom(0 as Offset), Infinity, 'it was made with it')
  state.apply(at(5, configurationBatch(group([1], [], [2]))))
  state.apply(at(9, configurationBatch(group([1, 2], [1]))))
  t.same([0, 5, 6, 9, 10].map(offset => state.neededFrom(offset as Offset)), [5, 5, 9, 9, Infinity])
  state.configurations.commit(10 as Offset)
  t.same([0, 9, 10].map(offset => state.neededFrom(offset as Offset)), [9, 9, Infinity])
})

/** Opens the group's log, and gives it back. @returns what it says of the group */
async function opened (disk: FaultyDisk, initial: Configuration): Promise<GroupState> {
  const state = new GroupState(initial, new Notes())
  const host = await LogHost.open({ directory: '/log', disk, config: { flush: 'always' }, replay: state.replay() })
  await host.log.close()
  return state
}

t.test('who is in a group when its log is made holds, whatever a later start is told', async t => {
  const disk = new FaultyDisk()
  await opened(disk, group([]))
  t.same((await opened(disk, group([1]))).configurations.current, group([]))
  await disk.removeFolder('/log')
  t.same((await opened(disk, group([1]))).configurations.current, group([1]), 'a new log, a new group')
})

t.test('a crash while the log is made leaves no log, or one that knows its group', async t => {
  const seen = new Set<boolean>()
  for (let operations = 0; operations < 40; operations++) {
    const disk = new FaultyDisk({ chance: seededChance(operations) })
    let left = operations
    disk.fault = () => --left < 0 ? 'EIO' : undefined
    await opened(disk, group([])).catch(() => {})
    const after = disk.crash()
    const isThere = (await after.list('/log')).some(name => name.endsWith('.log'))
    seen.add(isThere)
    t.same((await opened(after, group([1]))).configurations.current, isThere ? group([]) : group([1]), `after ${operations} operations`)
  }
  t.same([...seen].sort(), [false, true], 'both were seen')
})
