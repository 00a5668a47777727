import t from 'tap'
import { ErrorCode } from '../../../src/base/error-code.ts'
import { GroupKit } from './group-kit.ts'

function consumerMetadata (...topics: string[]): Uint8Array {
  const parts = topics.map(topic => Buffer.from([0, topic.length, ...Buffer.from(topic)]))
  return Buffer.concat([Buffer.from([0, 3, 0, 0, 0, topics.length]), ...parts, Buffer.from([255, 255, 255, 255])])
}

/** A stable group of one member that reads the topic `read`. */
function consumer (kit: GroupKit): { memberId: string, generation: number } {
  const { joining } = kit.enter({ protocols: [{ name: 'range', metadata: consumerMetadata('read') }] })
  const joined = kit.answer('joined', joining)
  kit.sync(joined)
  return joined
}

t.test('a consumer without a group commits and finds its offsets', t => {
  const kit = new GroupKit()
  t.same(kit.committed(), [])
  t.equal(kit.commit({ offset: 7, metadata: 'note' }), 0)
  t.equal(kit.commit({ partition: 2, offset: 8 }), 0)
  t.equal(kit.commit({ topic: 'u', offset: 9 }), 0)
  t.same(kit.committed(), ['t-0=7', 't-2=8', 'u-0=9'])
  const { groups } = kit.ask('offsets-fetched', {
    kind: 'offset-fetch',
    groups: [{ groupId: 'g', topics: [{ name: 't', partitions: [0, 1] }] }, { groupId: 'none', topics: [{ name: 't', partitions: [0] }] }, { groupId: 'none', topics: null }]
  })
  t.same(groups, [
    {
      groupId: 'g',
      errorCode: 0,
      topics: [{
        name: 't',
        partitions: [{ partition: 0, offset: 7, leaderEpoch: 3, metadata: 'note', errorCode: 0 }, { partition: 1, offset: -1, leaderEpoch: -1, metadata: '', errorCode: 0 }]
      }]
    },
    { groupId: 'none', errorCode: 0, topics: [{ name: 't', partitions: [{ partition: 0, offset: -1, leaderEpoch: -1, metadata: '', errorCode: 0 }] }] },
    { groupId: 'none', errorCode: 0, topics: [] }
  ])
  t.equal(kit.state(), 'Empty')
  t.end()
})

t.test('while there are members only they commit, under their generation', t => {
  const kit = new GroupKit()
  const { memberId, generation } = consumer(kit)
  t.equal(kit.commit({ memberId, generation }), 0)
  t.equal(kit.commit({ memberId, generation: generation + 1 }), ErrorCode.ILLEGAL_GENERATION)
  t.equal(kit.commit({ memberId: 'x', generation }), ErrorCode.UNKNOWN_MEMBER_ID)
  t.equal(kit.commit(), ErrorCode.UNKNOWN_MEMBER_ID)
  t.equal(kit.commit({ groupId: 'none', generation: 1, memberId }), ErrorCode.ILLEGAL_GENERATION)
  const b = kit.enter()
  t.equal(kit.commit({ memberId, generation, offset: 6 }), 0, 'the old generation commits until it joins the next')
  const joined = kit.answer('joined', kit.sendJoin({ memberId }))
  t.equal(kit.commit({ memberId, generation: joined.generation }), ErrorCode.REBALANCE_IN_PROGRESS)
  kit.leave({ memberId, instanceId: null }, { memberId: b.memberId, instanceId: null })
  t.equal(kit.commit({ offset: 7 }), 0)
  t.same(kit.committed(), ['t-0=7'])
  t.end()
})

t.test('bounds', t => {
  const kit = new GroupKit({ offsetMetadataBytesMax: 4, committedPartitionsMax: 2 })
  t.equal(kit.commit({ metadata: 'four' }), 0)
  t.equal(kit.commit({ metadata: 'fünf' }), ErrorCode.OFFSET_METADATA_TOO_LARGE)
  t.equal(kit.commit({ partition: 1 }), 0)
  t.equal(kit.commit({ groupId: 'other' }), ErrorCode.INVALID_COMMIT_OFFSET_SIZE)
  t.equal(kit.commit({ partition: 1, offset: 6 }), 0, 'a partition that is there can go on')
  const small = new GroupKit({ bytesMax: 2_000 })
  t.equal(small.commit({ metadata: 'x'.repeat(2_001) }), ErrorCode.INVALID_COMMIT_OFFSET_SIZE)
  t.equal(small.commit(), 0)
  t.equal(small.commit({ metadata: 'x'.repeat(2_001) }), ErrorCode.INVALID_COMMIT_OFFSET_SIZE)
  t.end()
})

t.test('offsets of an empty group are forgotten after a while without commits', t => {
  const kit = new GroupKit({ offsetsRetentionMs: 1_000_000 })
  kit.commit()
  kit.advance(900_000)
  kit.commit({ offset: 6 })
  kit.advance(900_000)
  t.same(kit.committed(), ['t-0=6'])
  consumer(kit)
  kit.advance(100_001 + 10_000)
  t.same(kit.committed(), ['t-0=6'], 'a member came in between')
  kit.advance(1_000_000)
  t.equal(kit.coordinator.groupCount, 0)
  t.same(kit.coordinator.usage, { bytes: 0, committedPartitions: 0, members: 0 })
  t.end()
})

t.test('offsets are deleted unless a member reads the topic', t => {
  const kit = new GroupKit()
  const remove = (...names: string[]) => kit.ask('offsets-deleted', { kind: 'offset-delete', groupId: 'g', topics: names.map(name => ({ name, partitions: [0, 1] })) })
  t.equal(remove('t').errorCode, ErrorCode.GROUP_ID_NOT_FOUND)
  kit.commit({ topic: 't' })
  kit.commit({ topic: 'read' })
  const { memberId } = consumer(kit)
  const { topics } = remove('t', 'read')
  t.same(topics.map(({ partitions }) => partitions.map(({ errorCode }) => errorCode)), [[0, 0], [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC]])
  t.same(kit.committed(), ['read-0=5'])
  kit.leave({ memberId, instanceId: null })
  t.equal(remove('read').errorCode, 0)
  t.same(kit.committed(), [])
  t.equal(kit.coordinator.usage.committedPartitions, 0)
  kit.sendJoin({ protocolType: 'connect', memberIdRequired: false })
  t.equal(remove('t').errorCode, ErrorCode.NON_EMPTY_GROUP)
  t.end()
})

t.test('a member whose metadata nobody understands may read anything', t => {
  const kit = new GroupKit()
  kit.commit()
  const { joining } = kit.enter({ protocols: [{ name: 'range', metadata: Uint8Array.of(0, 1, 0, 0, 0, 9, 0, 200) }] })
  kit.sync(kit.answer('joined', joining))
  const { topics } = kit.ask('offsets-deleted', { kind: 'offset-delete', groupId: 'g', topics: [{ name: 't', partitions: [0] }] })
  t.equal(topics[0]!.partitions[0]!.errorCode, ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC)
  t.end()
})

t.test('a deleted topic takes its offsets along', t => {
  const kit = new GroupKit()
  for (const groupId of ['g', 'h']) for (const topic of ['t', 'u']) kit.commit({ groupId, topic })
  kit.deliver({ kind: 'forget-topic', name: 't' })
  t.same(kit.committed('g'), ['u-0=5'])
  t.same(kit.committed('h'), ['u-0=5'])
  t.end()
})

t.test('groups are listed, filtered and deleted', t => {
  const kit = new GroupKit()
  const { memberId } = consumer(kit)
  kit.commit({ groupId: 'simple' })
  const list = (states: string[] = [], types: string[] = []) => kit.ask('groups-listed', { kind: 'list-groups', states, types }).groups
  t.same(list(), [
    { groupId: 'g', protocolType: 'consumer', state: 'Stable', type: 'classic' },
    { groupId: 'simple', protocolType: '', state: 'Empty', type: 'classic' }
  ])
  t.same(list(['empty', 'dead']).map(({ groupId }) => groupId), ['simple'])
  t.same(list(['STABLE'], ['Classic']).map(({ groupId }) => groupId), ['g'])
  t.same(list([], ['consumer']), [])
  const remove = () => kit.ask('groups-deleted', { kind: 'delete-groups', groupIds: ['g', 'simple', 'none'] }).groups.map(({ errorCode }) => errorCode)
  t.same(remove(), [ErrorCode.NON_EMPTY_GROUP, 0, ErrorCode.GROUP_ID_NOT_FOUND])
  kit.leave({ memberId, instanceId: null })
  t.same(remove(), [0, ErrorCode.GROUP_ID_NOT_FOUND, ErrorCode.GROUP_ID_NOT_FOUND])
  t.same(kit.coordinator.usage, { bytes: 0, committedPartitions: 0, members: 0 })
  t.equal(kit.timers.size, 0)
  t.end()
})
