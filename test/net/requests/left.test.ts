/** Clients that leave while their requests wait: nothing is kept for them. */
import t from 'tap'
import { createTopics } from '../../../src/protocol/apis/create-topics.ts'
import { joinGroup } from '../../../src/protocol/apis/join-group.ts'
import { listOffsets } from '../../../src/protocol/apis/list-offsets.ts'
import { syncGroup } from '../../../src/protocol/apis/sync-group.ts'
import { type AnyMessage, NetworkKit, topic, until } from '../network-kit.ts'

t.setTimeout(30_000)

t.test('a question whose client has left is open no more', async t => {
  const asked: AnyMessage[] = []
  const react = (message: AnyMessage): void => { asked.push({ ...message }) }
  const kit = await NetworkKit.open(t, { groups: react, controller: react, react })
  const client = await kit.connect(t)
  client.send(joinGroup, 6, { groupId: 'g', sessionTimeoutMs: 1, memberId: '', protocolType: 'consumer', protocols: [] })
  client.send(syncGroup, 5, { groupId: 'g', generationId: 1, memberId: 'm', assignments: [] })
  client.send(createTopics, 7, { timeoutMs: 1000, topics: [{ name: 'new', numPartitions: 1, replicationFactor: 1, assignments: [] }] })
  client.send(listOffsets, 7, { topics: [{ name: topic, partitions: [{ index: 0, timestamp: -1 }] }] })
  await until(() => asked.length === 4)
  t.equal(kit.system.stats().openAsks, 4)
  client.close()
  await until(() => kit.network.connections === 0)
  t.equal(kit.system.stats().openAsks, 0)
  for (const { replyTo, correlation } of asked) kit.system.tell(replyTo, { kind: 'undeliverable', correlation, reason: 'dead' } as AnyMessage)
  t.equal(kit.system.stats().crashes, 0)
})
