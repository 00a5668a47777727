/** Deletes topics, by `topicNames` up to version 5 and by `topics`, each a name or an id, from 6. */
import { defineApi } from '../api.ts'
import { array, int16, int32, string, uuid, zeroUuid } from '../schema.ts'

export const deleteTopics = defineApi({
  key: 20,
  name: 'deleteTopics',
  versions: [1, 6],
  flexibleSince: 4,
  request: {
    topics: array({
      name: string().nullable(),
      topicId: uuid().or(zeroUuid)
    }).since(6).or([]),
    topicNames: array(string()).until(5).or([]),
    timeoutMs: int32()
  },
  response: {
    throttleTimeMs: int32().or(0),
    topics: array({
      name: string().nullable(6),
      topicId: uuid().since(6).or(zeroUuid),
      errorCode: int16(),
      errorMessage: string().since(5).nullable(5)
    })
  }
})
