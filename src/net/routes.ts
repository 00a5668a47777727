/** Which function serves each API. What stands here is what ApiVersions offers; a handler returns false to be offered the request again later. */
import type { RequestOf } from '../protocol/api.ts'
import type { ApiName, Apis } from '../protocol/apis.ts'
import type { Exchange } from './exchange.ts'
import type { Network } from './network.ts'
import { handleClusterStatus, handleDescribeCluster, handleDescribeQuorum, handleDrainBroker, handleUnregisterBroker } from './requests/cluster.ts'
import { handleAlterConfigs, handleDescribeConfigs, handleIncrementalAlterConfigs } from './requests/configs.ts'
import { handleUpdateFeatures } from './requests/features.ts'
import { handleFetch } from './requests/fetch.ts'
import {
  handleDeleteGroups, handleDescribeGroups, handleFindCoordinator, handleHeartbeat, handleJoinGroup, handleLeaveGroup,
  handleListGroups, handleOffsetCommit, handleOffsetFetch, handleSyncGroup
} from './requests/groups.ts'
import { handleDescribeTopicPartitions, handleMetadata } from './requests/metadata.ts'
import { handleDeleteRecords, handleListOffsets, handleOffsetForLeaderEpoch } from './requests/offsets.ts'
import { handleProduce } from './requests/produce.ts'
import { handleAlterPartitionReassignments, handleElectLeaders, handleListPartitionReassignments } from './requests/reassignments.ts'
import { handleCreatePartitions, handleCreateTopics, handleDeleteTopics, handleInitProducerId } from './requests/topics.ts'

export type Handler<Name extends ApiName> = (exchange: Exchange, request: RequestOf<Apis[Name]>, network: Network) => boolean

/** ApiVersions is answered by the network actor itself: it may come in a version that nobody knows. */
export const routes: { readonly [Name in ApiName]?: Handler<Name> } = {
  produce: handleProduce,
  fetch: handleFetch,
  listOffsets: handleListOffsets,
  offsetForLeaderEpoch: handleOffsetForLeaderEpoch,
  deleteRecords: handleDeleteRecords,
  metadata: handleMetadata,
  describeTopicPartitions: handleDescribeTopicPartitions,
  describeCluster: handleDescribeCluster,
  describeQuorum: handleDescribeQuorum,
  clusterStatus: handleClusterStatus,
  drainBroker: handleDrainBroker,
  unregisterBroker: handleUnregisterBroker,
  updateFeatures: handleUpdateFeatures,
  describeConfigs: handleDescribeConfigs,
  alterConfigs: handleAlterConfigs,
  incrementalAlterConfigs: handleIncrementalAlterConfigs,
  alterPartitionReassignments: handleAlterPartitionReassignments,
  listPartitionReassignments: handleListPartitionReassignments,
  electLeaders: handleElectLeaders,
  createTopics: handleCreateTopics,
  createPartitions: handleCreatePartitions,
  deleteTopics: handleDeleteTopics,
  initProducerId: handleInitProducerId,
  findCoordinator: handleFindCoordinator,
  joinGroup: handleJoinGroup,
  syncGroup: handleSyncGroup,
  heartbeat: handleHeartbeat,
  leaveGroup: handleLeaveGroup,
  offsetCommit: handleOffsetCommit,
  offsetFetch: handleOffsetFetch,
  describeGroups: handleDescribeGroups,
  listGroups: handleListGroups,
  deleteGroups: handleDeleteGroups
}

export const routedApis: readonly ApiName[] = ['apiVersions', ...Object.keys(routes) as ApiName[]]
