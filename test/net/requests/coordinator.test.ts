/** Which broker runs the groups, and what the others say. */
import t, { type Test } from 'tap'
import type { Message } from '../../../src/base/effect.ts'
import { ErrorCode } from '../../../src/base/error-code.ts'
import { deleteGroups } from '../../../src/protocol/apis/delete-groups.ts'
import { describeGroups } from '../../../src/protocol/apis/describe-groups.ts'
import { findCoordinator } from '../../../src/protocol/apis/find-coordinator.ts'
import { heartbeat } from '../../../src/protocol/apis/heartbeat.ts'
import { joinGroup } from '../../../src/protocol/apis/join-group.ts'
import { leaveGroup } from '../../../src/protocol/apis/leave-group.ts'
import { listGroups } from '../../../src/protocol/apis/list-groups.ts'
import { offsetCommit } from '../../../src/protocol/apis/offset-commit.ts'
import { offsetFetch } from '../../../src/protocol/apis/offset-fetch.ts'
import { syncGroup } from '../../../src/protocol/apis/sync-group.ts'
import type { RawClient } from '../../broker/raw-client.ts'
import { type AnyMessage, brokerImage, clusterImage, networkId, NetworkKit, ownNode, topic } from '../network-kit.ts'

t.setTimeout(30_000)

const { NONE, NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE } = ErrorCode

async function open (t: Test, cluster = clusterImage([brokerImage(ownNode)])): Promise<{ kit: NetworkKit, client: RawClient, asked: string[] }> {
  const asked: string[] = []
  const kit = await NetworkKit.open(t, {
    cluster,
    groups: ({ kind, replyTo, correlation }: AnyMessage, out) => {
      asked.push(kind)
      const answer = kind === 'heartbeat' ? { kind: 'heartbeat-taken', errorCode: NONE } : { kind: 'groups-listed', groups: [{ groupId: 'g', protocolType: 'consumer', state: 'Stable', type: 'classic' }] }
      out.tell(replyTo, { correlation, ...answer } as unknown as Message)
    }
  })
  return { kit, client: await kit.connect(t), asked }
}

const beat = async (client: RawClient): Promise<number> => (await client.call(heartbeat, 4, { groupId: 'g', generationId: 1, memberId: 'm' })).errorCode

t.test('the live broker with the lowest number is the one for all groups', async t => {
  const { client } = await open(t, clusterImage([brokerImage(4), brokerImage(3), brokerImage(2, { fenced: true }), brokerImage(5)], { self: 4 as never }))
  const answer = await client.call(findCoordinator, 4, { keyType: 0, coordinatorKeys: ['a', 'b'] })
  t.strictSame(answer.coordinators, ['a', 'b'].map(key => ({ key, nodeId: 3, host: 'host-3', port: 9003, errorCode: NONE, errorMessage: null })))
  t.match(await client.call(findCoordinator, 0, { key: 'a' }), { errorCode: NONE, nodeId: 3, host: 'host-3', port: 9003 })
  t.match(await client.call(findCoordinator, 2, { key: 'a', keyType: 1 }), { errorCode: ErrorCode.INVALID_REQUEST, nodeId: -1 })
})

t.test('it asks its own groups', async t => {
  const { client, asked } = await open(t, clusterImage([brokerImage(2), brokerImage(ownNode)]))
  t.equal(await beat(client), NONE)
  t.match(await client.call(listGroups, 4, {}), { errorCode: NONE, groups: [{ groupId: 'g' }] })
  t.strictSame(asked, ['heartbeat', 'list-groups'])
})

t.test('the others send members away, and have no groups', async t => {
  const { client, asked } = await open(t, clusterImage([brokerImage(ownNode, { fenced: true }), brokerImage(2)]))
  const group = { groupId: 'g', generationId: 1, memberId: 'm' }
  const offsets = [{ name: topic, partitions: [{ index: 0, committedOffset: 1 }] }]
  t.equal(await beat(client), NOT_COORDINATOR)
  t.match(await client.call(joinGroup, 6, { groupId: 'g', sessionTimeoutMs: 1, memberId: '', protocolType: 'consumer', protocols: [] }), { errorCode: NOT_COORDINATOR })
  t.match(await client.call(syncGroup, 5, { ...group, assignments: [] }), { errorCode: NOT_COORDINATOR })
  t.match(await client.call(leaveGroup, 4, { groupId: 'g', members: [{ memberId: 'm' }] }), { errorCode: NOT_COORDINATOR })
  t.match(await client.call(offsetCommit, 8, { groupId: 'g', generationIdOrMemberEpoch: 1, memberId: 'm', topics: offsets }), { topics: [{ partitions: [{ errorCode: NOT_COORDINATOR }] }] })
  t.match(await client.call(offsetFetch, 8, { groups: [{ groupId: 'g', topics: null }] }), { groups: [{ groupId: 'g', errorCode: NOT_COORDINATOR }] })
  t.match(await client.call(offsetFetch, 5, { groupId: 'g', topics: null }), { errorCode: NOT_COORDINATOR })
  t.match(await client.call(describeGroups, 5, { groups: ['g'] }), { groups: [{ groupId: 'g', errorCode: NOT_COORDINATOR }] })
  t.match(await client.call(deleteGroups, 2, { groupNames: ['g'] }), { results: [{ groupId: 'g', errorCode: NOT_COORDINATOR }] })
  t.match(await client.call(listGroups, 4, {}), { errorCode: NONE, groups: [] })
  t.strictSame(asked, [])
})

t.test('when it goes, the next one takes over', async t => {
  const { kit, client } = await open(t, clusterImage([brokerImage(ownNode), brokerImage(0)]))
  t.equal(await beat(client), NOT_COORDINATOR)
  kit.system.tell(networkId, { kind: 'metadata-changed', topics: [], deleted: [], cluster: clusterImage([brokerImage(ownNode), brokerImage(0, { fenced: true })]) } as unknown as Message)
  t.equal(await beat(client), NONE)
})

t.test('before any broker is known clients are to come again', async t => {
  const { client } = await open(t, clusterImage([], { self: -1 as never }))
  t.match(await client.call(findCoordinator, 4, { keyType: 0, coordinatorKeys: ['a'] }), { coordinators: [{ errorCode: COORDINATOR_NOT_AVAILABLE, nodeId: -1 }] })
  t.equal(await beat(client), NOT_COORDINATOR)
})
