/** Replaces all settings of a resource: what is not named goes back to its default. */
import { defineApi } from '../api.ts'
import { array, bool, int8, int16, int32, string } from '../schema.ts'

export const alterConfigs = defineApi({
  key: 33,
  name: 'alterConfigs',
  versions: [0, 2],
  flexibleSince: 2,
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
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
