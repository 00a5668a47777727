/** Deletes what lies below an offset; -1 stands for the high watermark. The answer's low watermark is the first offset left. */
import { defineApi } from '../api.ts'
import { array, int16, int32, int64, saturatedInt64, string } from '../schema.ts'

export const deleteRecords = defineApi({
  key: 21,
  name: 'deleteRecords',
  versions: [0, 2],
  flexibleSince: 2,
  request: {
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        offset: saturatedInt64()
      })
    }),
    timeoutMs: int32()
  },
  response: {
    throttleTimeMs: int32().or(0),
    topics: array({
      name: string(),
      partitions: array({
        index: int32(),
        lowWatermark: int64(),
        errorCode: int16()
      })
    })
  }
})
