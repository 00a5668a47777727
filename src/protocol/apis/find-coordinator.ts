/** Which broker coordinates a group (`keyType` 0) or a transactional id (1). Up to version 3 one `key` is asked for, from 4 several. */
import { defineApi } from '../api.ts'
import { array, int8, int16, int32, string } from '../schema.ts'

export const findCoordinator = defineApi({
  key: 10,
  name: 'findCoordinator',
  versions: [0, 6],
  flexibleSince: 3,
  request: {
    key: string().until(3).or(''),
    keyType: int8().since(1).or(0),
    coordinatorKeys: array(string()).since(4).or([])
  },
  response: {
    throttleTimeMs: int32().since(1).or(0),
    errorCode: int16().until(3).or(0),
    errorMessage: string().since(1).until(3).nullable(1, 3),
    nodeId: int32().until(3).or(-1),
    host: string().until(3).or(''),
    port: int32().until(3).or(-1),
    coordinators: array({
      key: string(),
      nodeId: int32(),
      host: string(),
      port: int32(),
      errorCode: int16(),
      errorMessage: string().nullable()
    }).since(4).or([])
  }
})
