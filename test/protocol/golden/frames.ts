/**
 * Whole frames, written by hand from the protocol's grammar: the layout that code must produce and take apart,
 * whatever the definitions say. Text after `|` explains the bytes before it.
 */
import { apis } from '../../../src/protocol/apis.ts'
import type { AnyApi } from '../../../src/protocol/api.ts'
import type { Message } from '../values.ts'

export interface GoldenRequest {
  readonly api: AnyApi
  readonly version: number
  readonly correlationId: number
  readonly clientId: string | null
  readonly message: Message
  readonly frame: Buffer
}

export interface GoldenResponse {
  readonly api: AnyApi
  readonly version: number
  readonly correlationId: number
  readonly message: Message
  readonly frame: Buffer
}

/** Bytes from annotated hex. */
export function bytesOf (text: string): Buffer {
  const digits = text.split('\n').map(line => line.split('|')[0]!).join('').replace(/\s+/g, '')
  if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error(`not hex: ${digits}`)
  return Buffer.from(digits, 'hex')
}

function frame (text: string): Buffer {
  const bytes = bytesOf(text)
  const length = Buffer.alloc(4)
  length.writeInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

const topicId = '00112233445566778899aabbccddeeff'
const zero = '0'.repeat(32)
const records = Uint8Array.of(0xde, 0xad, 0xbe, 0xef)

export const requests: readonly GoldenRequest[] = [
  {
    api: apis.apiVersions,
    version: 0,
    correlationId: 1,
    clientId: 'me',
    message: {},
    frame: frame(`
      0012 0000 00000001   | key, version, correlation id
      0002 6d65            | client id`)
  },
  {
    api: apis.apiVersions,
    version: 3,
    correlationId: 0x01020304,
    clientId: null,
    message: { clientSoftwareName: 'lib', clientSoftwareVersion: '1.2' },
    frame: frame(`
      0012 0003 01020304
      ffff 00              | no client id, still with an int16; no tags
      04 6c6962            | compact strings: length + 1
      04 312e32
      00`)
  },
  {
    api: apis.metadata,
    version: 0,
    correlationId: 2,
    clientId: '',
    message: { topics: [] },
    frame: frame(`
      0003 0000 00000002 0000
      00000000             | no topics: all of them`)
  },
  {
    api: apis.metadata,
    version: 1,
    correlationId: 2,
    clientId: '',
    message: { topics: null },
    frame: frame(`
      0003 0001 00000002 0000
      ffffffff             | null: all of them`)
  },
  {
    api: apis.metadata,
    version: 9,
    correlationId: 3,
    clientId: 'c',
    message: { topics: [{ name: 'größe' }], allowAutoTopicCreation: false, includeClusterAuthorizedOperations: true, includeTopicAuthorizedOperations: false },
    frame: frame(`
      0003 0009 00000003 0001 63 00
      02                   | one topic
      08 6772c3b6c39f65 00 | 7 bytes of UTF-8
      00 01 00
      00`)
  },
  {
    api: apis.metadata,
    version: 12,
    correlationId: 3,
    clientId: 'c',
    message: { topics: [{ topicId, name: null }], allowAutoTopicCreation: true, includeTopicAuthorizedOperations: true },
    frame: frame(`
      0003 000c 00000003 0001 63 00
      02
      00112233445566778899aabbccddeeff 00 00
      01 01 00`)
  },
  {
    api: apis.produce,
    version: 3,
    correlationId: 4,
    clientId: 'p',
    message: { transactionalId: 'tx', acks: -1, timeoutMs: 30000, topics: [{ name: 'orders', partitions: [{ index: 1, records }, { index: 2, records: null }] }] },
    frame: frame(`
      0000 0003 00000004 0001 70
      0002 7478            | transactional id
      ffff 00007530        | acks, timeout
      00000001 0006 6f7264657273
      00000002
      00000001 00000004 deadbeef
      00000002 ffffffff    | no records`)
  },
  {
    api: apis.produce,
    version: 9,
    correlationId: 4,
    clientId: 'p',
    message: { transactionalId: null, acks: 1, timeoutMs: 1, topics: [{ name: 'orders', partitions: [{ index: 1, records }] }] },
    frame: frame(`
      0000 0009 00000004 0001 70 00
      00 0001 00000001
      02 07 6f7264657273
      02 00000001 05 deadbeef 00
      00 00                | tags of the topic, tags of the request`)
  },
  {
    api: apis.produce,
    version: 13,
    correlationId: 4,
    clientId: 'p',
    message: { transactionalId: null, acks: 0, timeoutMs: 1, topics: [{ topicId, partitions: [{ index: 1, records }] }] },
    frame: frame(`
      0000 000d 00000004 0001 70 00
      00 0000 00000001
      02 00112233445566778899aabbccddeeff
      02 00000001 05 deadbeef 00
      00 00`)
  },
  {
    api: apis.fetch,
    version: 4,
    correlationId: 5,
    clientId: 'f',
    message: { replicaId: -1, maxWaitMs: 500, minBytes: 1, maxBytes: 0x3200000, isolationLevel: 1, topics: [{ name: 't', partitions: [{ index: 0, fetchOffset: 0x100000002, partitionMaxBytes: 0x100000 }] }] },
    frame: frame(`
      0001 0004 00000005 0001 66
      ffffffff 000001f4 00000001 03200000 01
      00000001 0001 74
      00000001 00000000 0000000100000002 00100000`)
  },
  {
    api: apis.fetch,
    version: 11,
    correlationId: 5,
    clientId: 'f',
    message: {
      replicaId: -1,
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 0x7fffffff,
      isolationLevel: 0,
      sessionId: 77,
      sessionEpoch: 3,
      topics: [{ name: 't', partitions: [{ index: 0, currentLeaderEpoch: 9, fetchOffset: 5, logStartOffset: -1, partitionMaxBytes: 16 }] }],
      forgottenTopics: [{ name: 'u', partitions: [1, 2] }],
      rackId: 'r1'
    },
    frame: frame(`
      0001 000b 00000005 0001 66
      ffffffff 000001f4 00000001 7fffffff 00 0000004d 00000003
      00000001 0001 74
      00000001 00000000 00000009 0000000000000005 ffffffffffffffff 00000010
      00000001 0001 75 00000002 00000001 00000002
      0002 7231`)
  },
  {
    api: apis.fetch,
    version: 17,
    correlationId: 5,
    clientId: 'f',
    message: {
      clusterId: 'cl',
      replicaState: { replicaId: 8, replicaEpoch: 6 },
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 0x7fffffff,
      isolationLevel: 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [{ topicId, partitions: [{ index: 0, currentLeaderEpoch: -1, fetchOffset: 5, lastFetchedEpoch: 4, logStartOffset: -1, partitionMaxBytes: 16, replicaDirectoryId: topicId }] }],
      forgottenTopics: [],
      rackId: ''
    },
    frame: frame(`
      0001 0011 00000005 0001 66 00
      000001f4 00000001 7fffffff 00 00000000 ffffffff
      02 00112233445566778899aabbccddeeff
      02 00000000 ffffffff 0000000000000005 00000004 ffffffffffffffff 00000010
      01 00 10 00112233445566778899aabbccddeeff  | tag 0 of the partition, 16 bytes
      00
      01 01                                      | nothing forgotten, no rack
      02                                         | two tags
      00 03 03 636c                              | 0: the cluster id
      01 0d 00000008 0000000000000006 00         | 1: a struct of 13 bytes`)
  },
  {
    api: apis.listOffsets,
    version: 1,
    correlationId: 6,
    clientId: null,
    message: { replicaId: -1, topics: [{ name: 't', partitions: [{ index: 3, timestamp: -2 }] }] },
    frame: frame(`
      0002 0001 00000006 ffff
      ffffffff 00000001 0001 74 00000001 00000003 fffffffffffffffe`)
  },
  {
    api: apis.listOffsets,
    version: 10,
    correlationId: 6,
    clientId: null,
    message: { replicaId: -1, isolationLevel: 1, topics: [{ name: 't', partitions: [{ index: 3, currentLeaderEpoch: 2, timestamp: Number.MAX_SAFE_INTEGER }] }], timeoutMs: 9 },
    frame: frame(`
      0002 000a 00000006 ffff 00
      ffffffff 01 02 02 74 02 00000003 00000002 7fffffffffffffff 00 00
      00000009 00`)
  },
  {
    api: apis.createTopics,
    version: 5,
    correlationId: 7,
    clientId: 'a',
    message: {
      topics: [{ name: 't', numPartitions: 3, replicationFactor: -1, assignments: [{ partitionIndex: 0, brokerIds: [1] }], configs: [{ name: 'k', value: null }] }],
      timeoutMs: 1000,
      validateOnly: true
    },
    frame: frame(`
      0013 0005 00000007 0001 61 00
      02 02 74 00000003 ffff
      02 00000000 02 00000001 00
      02 02 6b 00 00
      00
      000003e8 01 00`)
  },
  {
    api: apis.findCoordinator,
    version: 4,
    correlationId: 8,
    clientId: 'a',
    message: { keyType: 0, coordinatorKeys: ['g1', 'g2'] },
    frame: frame(`
      000a 0004 00000008 0001 61 00
      00 03 03 6731 03 6732 00`)
  },
  {
    api: apis.joinGroup,
    version: 5,
    correlationId: 9,
    clientId: 'a',
    message: { groupId: 'g', sessionTimeoutMs: 10, rebalanceTimeoutMs: 20, memberId: '', groupInstanceId: null, protocolType: 'consumer', protocols: [{ name: 'range', metadata: Uint8Array.of(1, 2) }] },
    frame: frame(`
      000b 0005 00000009 0001 61
      0001 67 0000000a 00000014 0000 ffff 0008 636f6e73756d6572
      00000001 0005 72616e6765 00000002 0102`)
  },
  {
    api: apis.offsetFetch,
    version: 8,
    correlationId: 10,
    clientId: 'a',
    message: { groups: [{ groupId: 'g', topics: null }, { groupId: 'h', topics: [{ name: 't', partitionIndexes: [0, 1] }] }], requireStable: true },
    frame: frame(`
      0009 0008 0000000a 0001 61 00
      03
      02 67 00 00
      02 68 02 02 74 03 00000000 00000001 00 00
      01 00`)
  },
  {
    api: apis.describeTopicPartitions,
    version: 0,
    correlationId: 11,
    clientId: 'a',
    message: { topics: [{ name: 't' }], responsePartitionLimit: 2000, cursor: { topicName: 't', partitionIndex: 7 } },
    frame: frame(`
      004b 0000 0000000b 0001 61 00
      02 02 74 00 000007d0
      01 02 74 00000007 00   | a struct that may be null starts with 1
      00`)
  },
  {
    api: apis.describeTopicPartitions,
    version: 0,
    correlationId: 11,
    clientId: 'a',
    message: { topics: [], responsePartitionLimit: 1, cursor: null },
    frame: frame(`
      004b 0000 0000000b 0001 61 00
      01 00000001 ff 00`)
  },
  {
    api: apis.electLeaders,
    version: 1,
    correlationId: 12,
    clientId: 'a',
    message: { electionType: 1, topics: [{ name: 't', partitions: [0, 7] }], timeoutMs: 1000 },
    frame: frame(`
      002b 0001 0000000c 0001 61
      01
      00000001 0001 74 00000002 00000000 00000007
      000003e8`)
  },
  {
    api: apis.electLeaders,
    version: 2,
    correlationId: 12,
    clientId: null,
    message: { electionType: 0, topics: null, timeoutMs: 1000 },
    frame: frame(`
      002b 0002 0000000c ffff 00
      00 00 000003e8 00        | preferred leaders, of all partitions`)
  },
  {
    api: apis.alterPartitionReassignments,
    version: 0,
    correlationId: 13,
    clientId: 'a',
    message: { timeoutMs: 1000, topics: [{ name: 't', partitions: [{ index: 0, replicas: [3, 1] }, { index: 1, replicas: null }] }] },
    frame: frame(`
      002d 0000 0000000d 0001 61 00
      000003e8
      02 02 74
      03 00000000 03 00000003 00000001 00
         00000001 00 00        | no replicas: back to what was
      00
      00`)
  },
  {
    api: apis.alterPartitionReassignments,
    version: 1,
    correlationId: 13,
    clientId: 'a',
    message: { timeoutMs: 1000, allowReplicationFactorChange: false, topics: [] },
    frame: frame(`
      002d 0001 0000000d 0001 61 00
      000003e8 00 01 00`)
  },
  {
    api: apis.listPartitionReassignments,
    version: 0,
    correlationId: 14,
    clientId: 'a',
    message: { timeoutMs: 1000, topics: null },
    frame: frame(`
      002e 0000 0000000e 0001 61 00
      000003e8 00 00`)
  },
  {
    api: apis.describeQuorum,
    version: 2,
    correlationId: 15,
    clientId: 'a',
    message: { topics: [{ name: 'm', partitions: [{ index: 0 }] }] },
    frame: frame(`
      0037 0002 0000000f 0001 61 00
      02 02 6d 02 00000000 00 00 00`)
  },
  {
    api: apis.updateFeatures,
    version: 0,
    correlationId: 16,
    clientId: 'a',
    message: { timeoutMs: 1000, features: [{ name: 'f', maxVersionLevel: 2, allowDowngrade: true }] },
    frame: frame(`
      0039 0000 00000010 0001 61 00
      000003e8 02 02 66 0002 01 00 00`)
  },
  {
    api: apis.updateFeatures,
    version: 1,
    correlationId: 16,
    clientId: 'a',
    message: { timeoutMs: 1000, features: [{ name: 'f', maxVersionLevel: 2, upgradeType: 3 }], validateOnly: true },
    frame: frame(`
      0039 0001 00000010 0001 61 00
      000003e8 02 02 66 0002 03 00 01 00`)
  },
  {
    api: apis.unregisterBroker,
    version: 0,
    correlationId: 17,
    clientId: 'a',
    message: { brokerId: 3 },
    frame: frame(`
      0040 0000 00000011 0001 61 00
      00000003 00`)
  },
  {
    api: apis.clusterStatus,
    version: 0,
    correlationId: 18,
    clientId: 'a',
    message: {},
    frame: frame(`
      274c 0000 00000012 0001 61 00 00`)
  },
  {
    api: apis.drainBroker,
    version: 0,
    correlationId: 19,
    clientId: 'a',
    message: { brokerId: 3, drain: true },
    frame: frame(`
      274d 0000 00000013 0001 61 00
      00000003 01 00`)
  }
]

export const responses: readonly GoldenResponse[] = [
  {
    api: apis.apiVersions,
    version: 0,
    correlationId: 1,
    message: { errorCode: 35, apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }] },
    frame: frame(`
      00000001 0023 00000001 0012 0000 0004`)
  },
  {
    api: apis.apiVersions,
    version: 3,
    correlationId: 1,
    message: {
      errorCode: 0,
      apiKeys: [{ apiKey: 0, minVersion: 0, maxVersion: 13 }],
      throttleTimeMs: 0,
      supportedFeatures: [],
      finalizedFeaturesEpoch: 5,
      finalizedFeatures: [{ name: 'f', maxVersionLevel: 2, minVersionLevel: 1 }],
      zkMigrationReady: false
    },
    frame: frame(`
      00000001                 | the header has no tags, though the message is flexible
      0000 02 0000 0000 000d 00 00000000
      02
      01 08 0000000000000005
      02 08 02 02 66 0002 0001 00`)
  },
  {
    api: apis.metadata,
    version: 1,
    correlationId: 2,
    message: {
      brokers: [{ nodeId: 1, host: 'h', port: 9092, rack: null }],
      controllerId: 1,
      topics: [{ errorCode: 0, name: 't', isInternal: false, partitions: [{ errorCode: 0, index: 0, leaderId: 1, replicaNodes: [1], isrNodes: [1] }] }]
    },
    frame: frame(`
      00000002
      00000001 00000001 0001 68 00002384 ffff
      00000001
      00000001 0000 0001 74 00
      00000001 0000 00000000 00000001 00000001 00000001 00000001 00000001`)
  },
  {
    api: apis.metadata,
    version: 13,
    correlationId: 2,
    message: {
      throttleTimeMs: 0,
      brokers: [{ nodeId: 1, host: 'h', port: 9092, rack: 'a' }],
      clusterId: 'cl',
      controllerId: 1,
      topics: [{
        errorCode: 100,
        name: null,
        topicId,
        isInternal: false,
        partitions: [{ errorCode: 0, index: 0, leaderId: 1, leaderEpoch: 6, replicaNodes: [1], isrNodes: [1], offlineReplicas: [] }],
        topicAuthorizedOperations: -0x80000000
      }],
      errorCode: 0
    },
    frame: frame(`
      00000002 00 00000000
      02 00000001 02 68 00002384 02 61 00
      03 636c 00000001
      02 0064 00 00112233445566778899aabbccddeeff 00
      02 0000 00000000 00000001 00000006 02 00000001 02 00000001 01 00
      80000000 00
      0000 00`)
  },
  {
    api: apis.produce,
    version: 3,
    correlationId: 4,
    message: { topics: [{ name: 'orders', partitions: [{ index: 1, errorCode: 0, baseOffset: 42, logAppendTimeMs: -1 }] }], throttleTimeMs: 0 },
    frame: frame(`
      00000004
      00000001 0006 6f7264657273
      00000001 00000001 0000 000000000000002a ffffffffffffffff
      00000000`)
  },
  {
    api: apis.produce,
    version: 10,
    correlationId: 4,
    message: {
      topics: [{
        name: 'orders',
        partitions: [{
          index: 1,
          errorCode: 6,
          baseOffset: -1,
          logAppendTimeMs: -1,
          logStartOffset: 3,
          recordErrors: [{ batchIndex: 0, message: null }],
          errorMessage: 'no',
          currentLeader: { leaderId: 2, leaderEpoch: 7 }
        }]
      }],
      throttleTimeMs: 1,
      nodeEndpoints: [{ nodeId: 2, host: 'h', port: 1, rack: null }]
    },
    frame: frame(`
      00000004 00
      02 07 6f7264657273
      02 00000001 0006 ffffffffffffffff ffffffffffffffff 0000000000000003
      02 00000000 00 00
      03 6e6f
      01 00 09 00000002 00000007 00           | tag 0: the leader
      00
      00000001
      01 00 0d 02 00000002 02 68 00000001 00 00`)
  },
  {
    api: apis.fetch,
    version: 4,
    correlationId: 5,
    message: {
      throttleTimeMs: 0,
      topics: [{ name: 't', partitions: [{ index: 0, errorCode: 0, highWatermark: 10, lastStableOffset: 9, abortedTransactions: [{ producerId: 4, firstOffset: 2 }], records }] }]
    },
    frame: frame(`
      00000005 00000000
      00000001 0001 74
      00000001 00000000 0000 000000000000000a 0000000000000009
      00000001 0000000000000004 0000000000000002
      00000004 deadbeef`)
  },
  {
    api: apis.fetch,
    version: 16,
    correlationId: 5,
    message: {
      throttleTimeMs: 0,
      errorCode: 0,
      sessionId: 1,
      topics: [{
        topicId,
        partitions: [{
          index: 0,
          errorCode: 0,
          highWatermark: 10,
          lastStableOffset: 10,
          logStartOffset: 0,
          divergingEpoch: { epoch: 3, endOffset: 8 },
          currentLeader: null,
          snapshotId: null,
          abortedTransactions: null,
          preferredReadReplica: -1,
          records
        }]
      }],
      nodeEndpoints: []
    },
    frame: frame(`
      00000005 00 00000000 0000 00000001
      02 00112233445566778899aabbccddeeff
      02 00000000 0000 000000000000000a 000000000000000a 0000000000000000
      00 ffffffff 05 deadbeef
      01 00 0d 00000003 0000000000000008 00
      00 00`)
  },
  {
    api: apis.listOffsets,
    version: 6,
    correlationId: 6,
    message: { throttleTimeMs: 0, topics: [{ name: 't', partitions: [{ index: 3, errorCode: 0, timestamp: -1, offset: 12, leaderEpoch: 1 }] }] },
    frame: frame(`
      00000006 00 00000000
      02 02 74 02 00000003 0000 ffffffffffffffff 000000000000000c 00000001 00 00 00`)
  },
  {
    api: apis.joinGroup,
    version: 0,
    correlationId: 9,
    message: { errorCode: 0, generationId: 1, protocolName: 'range', leader: 'm', memberId: 'm', members: [{ memberId: 'm', metadata: Uint8Array.of(1, 2) }] },
    frame: frame(`
      00000009 0000 00000001 0005 72616e6765 0001 6d 0001 6d
      00000001 0001 6d 00000002 0102`)
  },
  {
    api: apis.initProducerId,
    version: 2,
    correlationId: 12,
    message: { throttleTimeMs: 0, errorCode: 0, producerId: 0x1fffffffffffff, producerEpoch: 0 },
    frame: frame(`
      0000000c 00 00000000 0000 001fffffffffffff 0000 00`)
  },
  {
    api: apis.deleteTopics,
    version: 6,
    correlationId: 13,
    message: { throttleTimeMs: 0, topics: [{ name: null, topicId: zero, errorCode: 3, errorMessage: null }] },
    frame: frame(`
      0000000d 00 00000000
      02 00 00000000000000000000000000000000 0003 00 00 00`)
  },
  {
    api: apis.electLeaders,
    version: 0,
    correlationId: 12,
    message: { throttleTimeMs: 0, topics: [{ name: 't', partitions: [{ index: 7, errorCode: 84, errorMessage: null }] }] },
    frame: frame(`
      0000000c 00000000
      00000001 0001 74 00000001 00000007 0054 ffff`)
  },
  {
    api: apis.electLeaders,
    version: 2,
    correlationId: 12,
    message: { throttleTimeMs: 0, errorCode: 41, topics: [{ name: 't', partitions: [{ index: 7, errorCode: 80, errorMessage: 'no' }] }] },
    frame: frame(`
      0000000c 00 00000000 0029
      02 02 74 02 00000007 0050 03 6e6f 00 00 00`)
  },
  {
    api: apis.alterPartitionReassignments,
    version: 1,
    correlationId: 13,
    message: {
      throttleTimeMs: 0,
      allowReplicationFactorChange: true,
      errorCode: 0,
      errorMessage: null,
      topics: [{ name: 't', partitions: [{ index: 1, errorCode: 85, errorMessage: 'none' }] }]
    },
    frame: frame(`
      0000000d 00 00000000 01 0000 00
      02 02 74 02 00000001 0055 05 6e6f6e65 00 00 00`)
  },
  {
    api: apis.listPartitionReassignments,
    version: 0,
    correlationId: 14,
    message: {
      throttleTimeMs: 0,
      errorCode: 0,
      errorMessage: null,
      topics: [{ name: 't', partitions: [{ index: 1, replicas: [3, 1], addingReplicas: [3], removingReplicas: [1] }] }]
    },
    frame: frame(`
      0000000e 00 00000000 0000 00
      02 02 74 02 00000001 03 00000003 00000001 02 00000003 02 00000001 00 00 00`)
  },
  {
    api: apis.describeQuorum,
    version: 1,
    correlationId: 15,
    message: {
      errorCode: 0,
      topics: [{
        name: 'm',
        partitions: [{
          index: 0,
          errorCode: 0,
          leaderId: 1,
          leaderEpoch: 4,
          highWatermark: 9,
          currentVoters: [{ replicaId: 1, logEndOffset: 10, lastFetchTimestamp: -1, lastCaughtUpTimestamp: 1000 }],
          observers: []
        }]
      }]
    },
    frame: frame(`
      0000000f 00 0000
      02 02 6d 02 00000000 0000 00000001 00000004 0000000000000009
      02 00000001 000000000000000a ffffffffffffffff 00000000000003e8 00
      01 00 00 00`)
  },
  {
    api: apis.describeQuorum,
    version: 2,
    correlationId: 15,
    message: {
      errorCode: 0,
      errorMessage: null,
      topics: [{
        name: 'm',
        partitions: [{
          index: 0,
          errorCode: 0,
          errorMessage: null,
          leaderId: 1,
          leaderEpoch: 4,
          highWatermark: 9,
          currentVoters: [],
          observers: [{ replicaId: 2, replicaDirectoryId: topicId, logEndOffset: -1, lastFetchTimestamp: -1, lastCaughtUpTimestamp: -1 }]
        }]
      }],
      nodes: [{ nodeId: 1, listeners: [{ name: 'c', host: 'h', port: 40000 }] }]
    },
    frame: frame(`
      0000000f 00 0000 00
      02 02 6d 02 00000000 0000 00 00000001 00000004 0000000000000009
      01
      02 00000002 00112233445566778899aabbccddeeff ffffffffffffffff ffffffffffffffff ffffffffffffffff 00
      00 00
      02 00000001 02 02 63 02 68 9c40 00 00   | ports have no sign
      00`)
  },
  {
    api: apis.updateFeatures,
    version: 1,
    correlationId: 16,
    message: { throttleTimeMs: 0, errorCode: 0, errorMessage: null, results: [{ name: 'f', errorCode: 95, errorMessage: 'no' }] },
    frame: frame(`
      00000010 00 00000000 0000 00
      02 02 66 005f 03 6e6f 00 00`)
  },
  {
    api: apis.updateFeatures,
    version: 2,
    correlationId: 16,
    message: { throttleTimeMs: 0, errorCode: 95, errorMessage: 'no' },
    frame: frame(`
      00000010 00 00000000 005f 03 6e6f 00`)
  },
  {
    api: apis.unregisterBroker,
    version: 0,
    correlationId: 17,
    message: { throttleTimeMs: 0, errorCode: 102, errorMessage: 'no' },
    frame: frame(`
      00000011 00 00000000 0066 03 6e6f 00`)
  },
  {
    api: apis.clusterStatus,
    version: 0,
    correlationId: 18,
    message: {
      throttleTimeMs: 0,
      errorCode: 0,
      errorMessage: null,
      clusterId: 'c',
      controllerId: 1,
      term: 4,
      highWatermark: 9,
      featureLevel: 1,
      partitions: 6,
      leaderless: 0,
      underReplicated: 2,
      reassigning: 1,
      voters: [{ memberId: 7, nodeId: 1, directoryId: topicId, endOffset: 10, silentMs: 0 }],
      observers: [],
      brokers: [{
        nodeId: 1, memberId: 7, name: 'b', host: 'h', port: 9092, raftHost: 'r', raftPort: 9093, rack: null, fenced: false, draining: true, leaving: false, replicas: 6, leaders: 2, behind: 0, silentMs: -1
      }]
    },
    frame: frame(`
      00000012 00 00000000 0000 00 02 63
      00000001 00000004 0000000000000009 0001
      00000006 00000000 00000002 00000001
      02 00000007 00000001 00112233445566778899aabbccddeeff 000000000000000a 0000000000000000 00
      01
      02 00000001 00000007 02 62 02 68 00002384 02 72 00002385 00 00 01 00
      00000006 00000002 00000000 ffffffffffffffff 00
      00`)
  },
  {
    api: apis.drainBroker,
    version: 0,
    correlationId: 19,
    message: { throttleTimeMs: 0, errorCode: 0, errorMessage: null, replicasLeft: 12 },
    frame: frame(`
      00000013 00 00000000 0000 00 0000000c 00`)
  }
]
