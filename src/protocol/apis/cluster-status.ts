/**
 * The cluster as its active controller sees it; Kafka has parts of this in DescribeCluster and DescribeQuorum. `silentMs`: how long
 * ago somebody was last heard of, -1 for never. `behind`: replicas of a broker that are not in sync.
 */
import { defineApi } from '../api.ts'
import { array, bool, int16, int32, int64, string, uuid } from '../schema.ts'

const member = {
  memberId: int32(),
  nodeId: int32(),
  directoryId: uuid(),
  endOffset: int64(),
  silentMs: int64()
}

export const clusterStatus = defineApi({
  key: 10060,
  name: 'clusterStatus',
  versions: [0, 0],
  flexibleSince: 0,
  request: {},
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16(),
    errorMessage: string().nullable(),
    clusterId: string(),
    controllerId: int32().or(-1),
    term: int32().or(-1),
    highWatermark: int64().or(-1),
    featureLevel: int16().or(0),
    partitions: int32().or(0),
    leaderless: int32().or(0),
    underReplicated: int32().or(0),
    reassigning: int32().or(0),
    voters: array(member).or([]),
    observers: array(member).or([]),
    brokers: array({
      nodeId: int32(),
      memberId: int32(),
      name: string(),
      host: string(),
      port: int32(),
      raftHost: string(),
      raftPort: int32(),
      rack: string().nullable(),
      fenced: bool(),
      draining: bool(),
      leaving: bool(),
      replicas: int32(),
      leaders: int32(),
      behind: int32(),
      silentMs: int64()
    }).or([])
  }
})
