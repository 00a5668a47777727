/** The leader hands in all assignments, every member gets its own. Version 3 adds static members, 5 the protocol for checking. */
import { defineApi } from '../api.ts'
import { array, byteString, int16, int32, string } from '../schema.ts'

export const syncGroup = defineApi({
  key: 14,
  name: 'syncGroup',
  versions: [0, 5],
  flexibleSince: 4,
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string().since(3).nullable(3),
    protocolType: string().since(5).nullable(5),
    protocolName: string().since(5).nullable(5),
    assignments: array({
      memberId: string(),
      assignment: byteString()
    })
  },
  response: {
    throttleTimeMs: int32().since(1).or(0),
    errorCode: int16(),
    protocolType: string().since(5).nullable(5),
    protocolName: string().since(5).nullable(5),
    assignment: byteString()
  }
})
