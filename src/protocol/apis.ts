/** All APIs, by key, that we can read and write. Which of them a broker offers is decided by who routes them. */
import type { AnyApi } from './api.ts'
import { alterConfigs } from './apis/alter-configs.ts'
import { alterPartitionReassignments } from './apis/alter-partition-reassignments.ts'
import { apiVersions } from './apis/api-versions.ts'
import { clusterStatus } from './apis/cluster-status.ts'
import { createPartitions } from './apis/create-partitions.ts'
import { createTopics } from './apis/create-topics.ts'
import { deleteGroups } from './apis/delete-groups.ts'
import { deleteRecords } from './apis/delete-records.ts'
import { deleteTopics } from './apis/delete-topics.ts'
import { describeCluster } from './apis/describe-cluster.ts'
import { describeConfigs } from './apis/describe-configs.ts'
import { describeGroups } from './apis/describe-groups.ts'
import { describeQuorum } from './apis/describe-quorum.ts'
import { describeTopicPartitions } from './apis/describe-topic-partitions.ts'
import { drainBroker } from './apis/drain-broker.ts'
import { electLeaders } from './apis/elect-leaders.ts'
import { fetch } from './apis/fetch.ts'
import { findCoordinator } from './apis/find-coordinator.ts'
import { heartbeat } from './apis/heartbeat.ts'
import { incrementalAlterConfigs } from './apis/incremental-alter-configs.ts'
import { initProducerId } from './apis/init-producer-id.ts'
import { joinGroup } from './apis/join-group.ts'
import { leaveGroup } from './apis/leave-group.ts'
import { listGroups } from './apis/list-groups.ts'
import { listOffsets } from './apis/list-offsets.ts'
import { listPartitionReassignments } from './apis/list-partition-reassignments.ts'
import { metadata } from './apis/metadata.ts'
import { offsetCommit } from './apis/offset-commit.ts'
import { offsetFetch } from './apis/offset-fetch.ts'
import { offsetForLeaderEpoch } from './apis/offset-for-leader-epoch.ts'
import { produce } from './apis/produce.ts'
import { syncGroup } from './apis/sync-group.ts'
import { unregisterBroker } from './apis/unregister-broker.ts'
import { updateFeatures } from './apis/update-features.ts'

export const apis = {
  produce,
  fetch,
  listOffsets,
  metadata,
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  apiVersions,
  createTopics,
  deleteTopics,
  deleteRecords,
  initProducerId,
  offsetForLeaderEpoch,
  describeConfigs,
  alterConfigs,
  createPartitions,
  deleteGroups,
  electLeaders,
  incrementalAlterConfigs,
  alterPartitionReassignments,
  listPartitionReassignments,
  describeQuorum,
  updateFeatures,
  describeCluster,
  unregisterBroker,
  describeTopicPartitions,
  clusterStatus,
  drainBroker
} as const

export type Apis = typeof apis
export type ApiName = keyof Apis

const byKey = new Map<number, AnyApi>(Object.values(apis).map(api => [api.key, api]))

/** The API with this key, or undefined. */
export function apiOf (key: number): AnyApi | undefined {
  return byKey.get(key)
}

/** What an ApiVersions response says of these APIs, by ascending key. */
export function advertise (names: Iterable<ApiName>): Array<{ apiKey: number, minVersion: number, maxVersion: number }> {
  return [...new Set(names)]
    .map(name => ({ apiKey: apis[name].key, minVersion: apis[name].advertisedFrom, maxVersion: apis[name].versions[1] }))
    .sort((a, b) => a.apiKey - b.apiKey)
}
