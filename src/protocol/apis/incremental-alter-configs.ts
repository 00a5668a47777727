/** Changes single settings. `configOperation`: 0 set, 1 delete, 2 append to a list, 3 take out of a list. */
import { defineApi } from '../api.ts'
import { array, bool, int8, int16, int32, string } from '../schema.ts'

export const incrementalAlterConfigs = defineApi({
  key: 44,
  name: 'incrementalAlterConfigs',
  versions: [0, 1],
  flexibleSince: 1,
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        configOperation: int8(),
        value: string().nullable()
      })
    }),
    validateOnly: bool()
  },
  response: {
    throttleTimeMs: int32().or(0),
    resources: array({
      errorCode: int16(),
      errorMessage: string().nullable(),
      resourceType: int8(),
      resourceName: string()
    })
  }
})
