/** The groups that a broker coordinates, filtered by state from version 4 and by type from 5; an empty filter lets all through. */
import { defineApi } from '../api.ts'
import { array, int16, int32, string } from '../schema.ts'

export const listGroups = defineApi({
  key: 16,
  name: 'listGroups',
  versions: [0, 5],
  flexibleSince: 3,
  request: {
    statesFilter: array(string()).since(4).or([]),
    typesFilter: array(string()).since(5).or([])
  },
  response: {
    throttleTimeMs: int32().since(1).or(0),
    errorCode: int16(),
    groups: array({
      groupId: string(),
      protocolType: string(),
      groupState: string().since(4).or(''),
      groupType: string().since(5).or('')
    })
  }
})
