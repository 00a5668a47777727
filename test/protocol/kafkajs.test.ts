/** kafkajs as an oracle for the plain versions: we read its requests, it reads our responses. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import t from 'tap'
import type { AnyApi } from '../../src/protocol/api.ts'
import { apis, type ApiName } from '../../src/protocol/apis.ts'
import { lengthBytes, readRequest, readRequestHeader } from '../../src/protocol/frame.ts'
import { Reader } from '../../src/protocol/reader.ts'
import { type Message, plain, readBack, versionsOf } from './values.ts'
import { missingLeaves, responseSample } from './oracle.ts'
import type { Fields } from '../../src/protocol/schema.ts'

const require = createRequire(import.meta.url)
const root = join(dirname(require.resolve('kafkajs/package.json')), 'src/protocol')
const frameRequest = require(join(root, 'request.js')) as (request: object) => Promise<{ buffer: Buffer }>

function versionFolder (name: string, version: number): string | undefined {
  const folder = join(root, 'requests', name, `v${version}`)
  return existsSync(folder) ? folder : undefined
}

const bytes = Buffer.from([1, 2, 3])
const groupId = 'group'
const memberId = 'member'
const generationId = 7
const groupInstanceId = 'instance'
const topic = { topic: 'orders', partitions: [{ partition: 3, offset: '12345678901' }] }

/** What kafkajs is asked to send, and what should arrive: fields that a version lacks come as their defaults. */
const requests: ReadonlyArray<{ name: ApiName, versions: readonly [number, number], ask: unknown, expect: Message }> = [
  { name: 'apiVersions', versions: [0, 2], ask: {}, expect: {} },
  { name: 'metadata', versions: [0, 6], ask: { topics: ['a', 'b'], allowAutoTopicCreation: false }, expect: { topics: [{ name: 'a' }, { name: 'b' }], allowAutoTopicCreation: false } },
  { name: 'metadata', versions: [1, 6], ask: { topics: [], allowAutoTopicCreation: true }, expect: { topics: null, allowAutoTopicCreation: true } },
  {
    name: 'fetch',
    versions: [4, 11],
    ask: {
      replicaId: -1,
      maxWaitTime: 100,
      minBytes: 2,
      maxBytes: 3000,
      isolationLevel: 1,
      sessionId: 5,
      sessionEpoch: 6,
      rackId: 'rack',
      forgottenTopics: [{ topic: 'old', partitions: [4] }],
      topics: [{ topic: 'orders', partitions: [{ partition: 1, currentLeaderEpoch: 8, fetchOffset: '99', logStartOffset: '10', maxBytes: 2000 }] }]
    },
    expect: {
      replicaId: -1,
      maxWaitMs: 100,
      minBytes: 2,
      maxBytes: 3000,
      isolationLevel: 1,
      sessionId: 5,
      sessionEpoch: 6,
      rackId: 'rack',
      forgottenTopics: [{ name: 'old', partitions: [4] }],
      topics: [{ name: 'orders', partitions: [{ index: 1, currentLeaderEpoch: 8, fetchOffset: 99, logStartOffset: 10, partitionMaxBytes: 2000 }] }]
    }
  },
  {
    name: 'listOffsets',
    versions: [1, 3],
    ask: { replicaId: -1, isolationLevel: 1, topics: [{ topic: 'orders', partitions: [{ partition: 2, timestamp: '-2' }] }] },
    expect: { replicaId: -1, isolationLevel: 1, topics: [{ name: 'orders', partitions: [{ index: 2, timestamp: -2 }] }] }
  },
  { name: 'findCoordinator', versions: [0, 0], ask: { groupId }, expect: { key: groupId } },
  { name: 'findCoordinator', versions: [1, 2], ask: { coordinatorKey: groupId, coordinatorType: 1 }, expect: { key: groupId, keyType: 1 } },
  {
    name: 'joinGroup',
    versions: [0, 5],
    ask: { groupId, sessionTimeout: 1, rebalanceTimeout: 2, memberId, groupInstanceId, protocolType: 'consumer', groupProtocols: [{ name: 'p', metadata: bytes }] },
    expect: { groupId, sessionTimeoutMs: 1, rebalanceTimeoutMs: 2, memberId, groupInstanceId, protocolType: 'consumer', protocols: [{ name: 'p', metadata: bytes }] }
  },
  {
    name: 'syncGroup',
    versions: [0, 3],
    ask: { groupId, generationId, memberId, groupInstanceId, groupAssignment: [{ memberId, memberAssignment: bytes }] },
    expect: { groupId, generationId, memberId, groupInstanceId, assignments: [{ memberId, assignment: bytes }] }
  },
  { name: 'heartbeat', versions: [0, 3], ask: { groupId, groupGenerationId: generationId, memberId, groupInstanceId }, expect: { groupId, generationId, memberId, groupInstanceId } },
  { name: 'leaveGroup', versions: [0, 2], ask: { groupId, memberId }, expect: { groupId, memberId } },
  { name: 'leaveGroup', versions: [3, 3], ask: { groupId, members: [{ memberId, groupInstanceId }, { memberId }] }, expect: { groupId, members: [{ memberId, groupInstanceId }, { memberId, groupInstanceId: null }] } },
  {
    name: 'offsetCommit',
    versions: [2, 5],
    ask: { groupId, groupGenerationId: generationId, memberId, retentionTime: '-1', topics: [topic] },
    expect: { groupId, generationIdOrMemberEpoch: generationId, memberId, topics: [{ name: 'orders', partitions: [{ index: 3, committedOffset: 12345678901, committedMetadata: null }] }] }
  },
  { name: 'offsetFetch', versions: [1, 4], ask: { groupId, topics: [topic] }, expect: { groupId, topics: [{ name: 'orders', partitionIndexes: [3] }] } },
  {
    name: 'createTopics',
    versions: [2, 3],
    ask: { topics: [{ topic: 'new', numPartitions: 4, replicationFactor: 2, replicaAssignment: [{ partition: 0, replicas: [1, 2] }], configEntries: [{ name: 'k', value: 'v' }] }], timeout: 9, validateOnly: true },
    expect: { topics: [{ name: 'new', numPartitions: 4, replicationFactor: 2, assignments: [{ partitionIndex: 0, brokerIds: [1, 2] }], configs: [{ name: 'k', value: 'v' }] }], timeoutMs: 9, validateOnly: true }
  },
  { name: 'deleteTopics', versions: [1, 1], ask: { topics: ['a', 'b'], timeout: 8 }, expect: { topicNames: ['a', 'b'], timeoutMs: 8 } },
  {
    name: 'describeConfigs',
    versions: [1, 2],
    ask: { resources: [{ type: 2, name: 'orders', configNames: ['a'] }, { type: 4, name: '1' }], includeSynonyms: true },
    expect: { resources: [{ resourceType: 2, resourceName: 'orders', configurationKeys: ['a'] }, { resourceType: 4, resourceName: '1', configurationKeys: null }], includeSynonyms: true }
  },
  { name: 'initProducerId', versions: [0, 1], ask: { transactionalId: 'tx', transactionTimeout: 4 }, expect: { transactionalId: 'tx', transactionTimeoutMs: 4 } },
  { name: 'initProducerId', versions: [0, 1], ask: { transactionalId: null, transactionTimeout: 4 }, expect: { transactionalId: null, transactionTimeoutMs: 4 } },
  { name: 'describeGroups', versions: [0, 2], ask: { groupIds: ['a', 'b'] }, expect: { groups: ['a', 'b'] } },
  { name: 'listGroups', versions: [0, 2], ask: undefined, expect: {} },
  { name: 'deleteGroups', versions: [0, 1], ask: ['a', 'b'], expect: { groupNames: ['a', 'b'] } },
  { name: 'deleteRecords', versions: [0, 1], ask: { topics: [topic], timeout: 5 }, expect: { topics: [{ name: 'orders', partitions: [{ index: 3, offset: 12345678901 }] }], timeoutMs: 5 } },
  {
    name: 'createPartitions',
    versions: [0, 1],
    ask: { topicPartitions: [{ topic: 'a', count: 3, assignments: [[1], [2]] }, { topic: 'b', count: 4 }], timeout: 5, validateOnly: true },
    expect: { topics: [{ name: 'a', count: 3, assignments: [{ brokerIds: [1] }, { brokerIds: [2] }] }, { name: 'b', count: 4, assignments: null }], timeoutMs: 5, validateOnly: true }
  },
  {
    name: 'alterConfigs',
    versions: [0, 1],
    ask: { resources: [{ type: 2, name: 'orders', configEntries: [{ name: 'k', value: 'v' }, { name: 'l', value: null }] }], validateOnly: true },
    expect: { resources: [{ resourceType: 2, resourceName: 'orders', configs: [{ name: 'k', value: 'v' }, { name: 'l', value: null }] }], validateOnly: true }
  }
]

interface Decoder {
  decode (bytes: Buffer): Promise<unknown>
}

async function received (request: object, clientId: string | null): Promise<{ header: ReturnType<typeof readRequestHeader>, message: Message }> {
  const { buffer } = await frameRequest({ correlationId: 55, clientId, request })
  const reader = new Reader(buffer, lengthBytes)
  const header = readRequestHeader(reader)
  return { header, message: readRequest(reader, header.codec!) as Message }
}

t.test('its requests', async t => {
  for (const { name, versions, ask, expect } of requests) {
    for (let version = versions[0]; version <= versions[1]; version++) {
      const make = require(join(versionFolder(name, version)!, 'request.js')) as (ask: unknown) => object
      const { header, message } = await received(make(ask), 'kafkajs')
      t.match(header, { apiKey: apis[name].key, apiVersion: version, correlationId: 55, clientId: 'kafkajs' })
      t.strictSame(plain(message), plain(readBack(apis[name].request, version, defaulted(apis[name].request, expect))), `${name} ${version}`)
    }
  }
})

/** The expected message with what kafkajs never sets, at every depth. */
function defaulted (fields: Fields, message: Message): Message {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => {
    const value = name in message ? message[name] : field.fallback
    const element = field.type.kind === 'array' ? field.type.element.type : undefined
    return [name, element?.kind === 'struct' && Array.isArray(value) ? value.map(inner => defaulted(element.fields, inner as Message)) : value]
  }))
}

t.test('its produce requests', async t => {
  for (let version = 3; version <= 7; version++) {
    const make = require(join(versionFolder('produce', version)!, 'request.js')) as (ask: unknown) => object
    const messages = [{ key: 'k', value: 'v', headers: {} }]
    const { message } = await received(make({ acks: -1, timeout: 30, transactionalId: 'tx', topicData: [{ topic: 'orders', partitions: [{ partition: 4, firstSequence: 0, messages }] }] }), null)
    const { topics, ...rest } = message as { topics: Array<{ name: string, partitions: Array<{ index: number, records: Uint8Array }> }> }
    t.strictSame(rest, { transactionalId: 'tx', acks: -1, timeoutMs: 30 })
    t.equal(topics[0]!.name, 'orders')
    const { index, records } = topics[0]!.partitions[0]!
    t.equal(index, 4)
    t.equal(records[16], 2, 'a record batch of version 2')
    t.equal(Buffer.from(records).readInt32BE(8), records.length - 12, 'and nothing else')
  }
})

t.test('it reads our responses', async t => {
  let read = 0
  for (const api of Object.values<AnyApi>(apis)) {
    for (const version of versionsOf(api)) {
      const folder = versionFolder(api.name, version)
      // Where it speaks a flexible version, its decoder expects the header's tags as well.
      if (folder === undefined || version >= api.flexibleSince) continue
      const response = require(join(folder, 'response.js')) as Decoder | ((about: object) => Decoder)
      const { decode } = typeof response === 'function' ? response({ topics: [] }) : response
      const { message, bytes } = responseSample(api, version, (name, value) => name === 'records' ? null : value)
      const decoded = await decode(bytes)
      t.strictSame(missingLeaves(message, decoded), [], `${api.name} ${version}`)
      read++
    }
  }
  t.ok(read > 60, `${read} responses`)
})
