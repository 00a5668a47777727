/** The cluster's id, controller and brokers. `endpointType` 1 asks for brokers, 2 for controllers. Version 2 can list fenced brokers. */
import { defineApi } from '../api.ts'
import { array, bool, int8, int16, int32, string } from '../schema.ts'

export const describeCluster = defineApi({
  key: 60,
  name: 'describeCluster',
  versions: [0, 2],
  flexibleSince: 0,
  request: {
    includeClusterAuthorizedOperations: bool().or(false),
    endpointType: int8().since(1).or(1),
    includeFencedBrokers: bool().since(2).or(false)
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16(),
    errorMessage: string().nullable(),
    endpointType: int8().since(1).or(1),
    clusterId: string(),
    controllerId: int32().or(-1),
    brokers: array({
      brokerId: int32(),
      host: string(),
      port: int32(),
      rack: string().nullable(),
      isFenced: bool().since(2).or(false)
    }),
    clusterAuthorizedOperations: int32().or(-0x80000000)
  }
})
