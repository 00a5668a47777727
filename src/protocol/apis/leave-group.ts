/** Members leave a group: one up to version 2, several from 3, each with a reason from 5. */
import { defineApi } from '../api.ts'
import { array, int16, int32, string } from '../schema.ts'

export const leaveGroup = defineApi({
  key: 13,
  name: 'leaveGroup',
  versions: [0, 5],
  flexibleSince: 4,
  request: {
    groupId: string(),
    memberId: string().until(2).or(''),
    members: array({
      memberId: string(),
      groupInstanceId: string().nullable(),
      reason: string().since(5).nullable(5)
    }).since(3).or([])
  },
  response: {
    throttleTimeMs: int32().since(1).or(0),
    errorCode: int16(),
    members: array({
      memberId: string(),
      groupInstanceId: string().nullable(),
      errorCode: int16()
    }).since(3).or([])
  }
})
