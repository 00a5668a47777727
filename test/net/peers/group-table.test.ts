import fc from 'fast-check'
import t from 'tap'
import type { ActorId, GroupKey } from '../../../src/base/ids.ts'
import { GroupTable } from '../../../src/net/peers/group-table.ts'
import { readGroupKey } from '../../../src/raft/wire.ts'
import { groupKeys } from '../../raft/messages.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

/** Differ in bytes that the table's hash does not look at. */
const collidingKeys = fc.integer({ min: 0, max: 255 }).map(byte => `00${byte.toString(16).padStart(2, '0')}${'0'.repeat(28)}-7` as GroupKey)

t.test('what a plain map says, by name and by bytes, whatever the hashes', async t => {
  const command = fc.record({ key: fc.oneof(groupKeys, collidingKeys), actor: fc.nat({ max: 1000 }), remove: fc.boolean() })
  fc.assert(fc.property(fc.array(command, { maxLength: 60 }), fc.nat({ max: 5 }), (commands, before) => {
    const table = new GroupTable()
    const model = new Map<GroupKey, number>()
    for (const { key, actor, remove } of commands) {
      if (remove) {
        table.delete(key)
        model.delete(key)
      } else {
        table.set(key, actor as ActorId)
        model.set(key, actor)
      }
    }
    t.equal(table.size, model.size)
    t.same([...table.actors()], [...model.values()])
    for (const { key } of commands) {
      const bytes = Buffer.concat([Buffer.alloc(before, 1), table.bytesOf(key)])
      t.equal(readGroupKey(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), before), key)
      t.equal(table.actorAt(bytes, before), model.get(key))
    }
  }), { numRuns: 200 })
})

t.test('removed from the begin, the middle and the end of those of one hash', async t => {
  const keys = ['01', '02', '03', '04'].map(byte => `00${byte}${'0'.repeat(28)}-7` as GroupKey)
  for (const order of [[0, 1, 2, 3], [3, 2, 1, 0], [1, 2, 0, 3], [2, 0, 3, 1]]) {
    const table = new GroupTable()
    keys.forEach((key, i) => table.set(key, i as ActorId))
    const left = new Set(keys)
    for (const i of order) {
      table.delete(keys[i]!)
      left.delete(keys[i]!)
      t.same(keys.map(key => table.actorAt(table.bytesOf(key), 0)), keys.map((key, j) => left.has(key) ? j : undefined))
    }
  }
})
