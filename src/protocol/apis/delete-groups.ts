/** Deletes groups without members. */
import { defineApi } from '../api.ts'
import { array, int16, int32, string } from '../schema.ts'

export const deleteGroups = defineApi({
  key: 42,
  name: 'deleteGroups',
  versions: [0, 2],
  flexibleSince: 2,
  request: {
    groupNames: array(string())
  },
  response: {
    throttleTimeMs: int32().or(0),
    results: array({
      groupId: string(),
      errorCode: int16()
    })
  }
})
