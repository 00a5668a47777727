/** A member of a classic group says that it lives, and learns whether a new round has begun. Version 3 adds static members. */
import { defineApi } from '../api.ts'
import { int16, int32, string } from '../schema.ts'

export const heartbeat = defineApi({
  key: 12,
  name: 'heartbeat',
  versions: [0, 4],
  flexibleSince: 4,
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string().since(3).nullable(3)
  },
  response: {
    throttleTimeMs: int32().since(1).or(0),
    errorCode: int16()
  }
})
