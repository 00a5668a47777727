/**
 * The state of a Raft group, told by its leader: who votes, who only follows, and how far each has come. Kafka's clients ask for
 * partition 0 of `__cluster_metadata`, the group that keeps the cluster's metadata.
 *
 * Version 1 adds when a replica was last heard of and last had everything, in wall-clock milliseconds; 2 their directories,
 * error messages, and where the voters are reached.
 */
import { defineApi } from '../api.ts'
import { array, int16, int32, int64, string, uint16, uuid, zeroUuid } from '../schema.ts'

const replica = {
  replicaId: int32(),
  replicaDirectoryId: uuid().since(2).or(zeroUuid),
  logEndOffset: int64(),
  lastFetchTimestamp: int64().since(1).or(-1),
  lastCaughtUpTimestamp: int64().since(1).or(-1)
}

export const describeQuorum = defineApi({
  key: 55,
  name: 'describeQuorum',
  versions: [0, 2],
  flexibleSince: 0,
  request: {
    topics: array({
      name: string(),
      partitions: array({
        index: int32()
      })
    })
  },
  response: {
    errorCode: int16(),
    errorMessage: string().since(2).nullable(2),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        errorCode: int16(),
        errorMessage: string().since(2).nullable(2),
        leaderId: int32().or(-1),
        leaderEpoch: int32().or(-1),
        highWatermark: int64().or(-1),
        currentVoters: array(replica).or([]),
        observers: array(replica).or([])
      })
    }),
    nodes: array({
      nodeId: int32(),
      listeners: array({
        name: string(),
        host: string(),
        port: uint16()
      })
    }).since(2).or([])
  }
})
