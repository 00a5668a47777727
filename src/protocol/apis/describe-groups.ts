/** State and members of groups. Version 4 adds static members, 6 an error text and GROUP_ID_NOT_FOUND. */
import { defineApi } from '../api.ts'
import { array, bool, byteString, int16, int32, string } from '../schema.ts'

export const describeGroups = defineApi({
  key: 15,
  name: 'describeGroups',
  versions: [0, 6],
  flexibleSince: 5,
  request: {
    groups: array(string()),
    includeAuthorizedOperations: bool().since(3).or(false)
  },
  response: {
    throttleTimeMs: int32().since(1).or(0),
    groups: array({
      errorCode: int16(),
      errorMessage: string().since(6).nullable(6),
      groupId: string(),
      groupState: string(),
      protocolType: string(),
      protocolData: string(),
      members: array({
        memberId: string(),
        groupInstanceId: string().since(4).nullable(4),
        clientId: string(),
        clientHost: string(),
        memberMetadata: byteString(),
        memberAssignment: byteString()
      }),
      authorizedOperations: int32().since(3).or(-0x80000000)
    })
  }
})
