/**
 * Enters a classic group, or starts a new round in it. The answer comes when all members have joined; the leader gets `members`.
 *
 * Version 1 adds the rebalance timeout, 4 the answer MEMBER_ID_REQUIRED to a first request, 5 static members, 8 a reason,
 * 9 lets the leader keep the assignment.
 */
import { defineApi } from '../api.ts'
import { array, bool, byteString, int16, int32, string } from '../schema.ts'

export const joinGroup = defineApi({
  key: 11,
  name: 'joinGroup',
  versions: [0, 9],
  flexibleSince: 6,
  request: {
    groupId: string(),
    sessionTimeoutMs: int32(),
    rebalanceTimeoutMs: int32().since(1).or(-1),
    memberId: string(),
    groupInstanceId: string().since(5).nullable(5),
    protocolType: string(),
    protocols: array({
      name: string(),
      metadata: byteString()
    }),
    reason: string().since(8).nullable(8)
  },
  response: {
    throttleTimeMs: int32().since(2).or(0),
    errorCode: int16(),
    generationId: int32().or(-1),
    protocolType: string().since(7).nullable(7),
    protocolName: string().nullable(7),
    leader: string(),
    skipAssignment: bool().since(9).or(false),
    memberId: string(),
    members: array({
      memberId: string(),
      groupInstanceId: string().since(5).nullable(5),
      metadata: byteString()
    })
  }
})
