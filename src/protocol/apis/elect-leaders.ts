/**
 * Hands partitions over to another leader. `electionType` 0 asks for the preferred one, the first of the replicas; 1 for any replica
 * that lives, where none that is in sync does. `topics` null asks for all partitions: those that need nothing are left out of the answer.
 *
 * Version 1 adds the type and an error for the whole answer.
 */
import { defineApi } from '../api.ts'
import { array, int8, int16, int32, string } from '../schema.ts'

export const electLeaders = defineApi({
  key: 43,
  name: 'electLeaders',
  versions: [0, 2],
  flexibleSince: 2,
  request: {
    electionType: int8().since(1).or(0),
    topics: array({
      name: string(),
      partitions: array(int32())
    }).nullable(),
    timeoutMs: int32().or(60000)
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16().since(1).or(0),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        errorCode: int16(),
        errorMessage: string().nullable()
      })
    })
  }
})
