/**
 * Settings of topics (`resourceType` 2), brokers (4) and others. `configurationKeys` null asks for all.
 *
 * `configSource` and a synonym's `source`: 1 the topic's own, 2 and 3 a broker's dynamic one and their default, 4 the broker's file, 5 the default.
 * `configType` from version 3: 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password.
 */
import { defineApi } from '../api.ts'
import { array, bool, int8, int16, int32, string } from '../schema.ts'

export const describeConfigs = defineApi({
  key: 32,
  name: 'describeConfigs',
  versions: [1, 4],
  flexibleSince: 4,
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configurationKeys: array(string()).nullable()
    }),
    includeSynonyms: bool().or(false),
    includeDocumentation: bool().since(3).or(false)
  },
  response: {
    throttleTimeMs: int32().or(0),
    results: array({
      errorCode: int16(),
      errorMessage: string().nullable(),
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        value: string().nullable(),
        readOnly: bool(),
        configSource: int8().or(-1),
        isSensitive: bool(),
        synonyms: array({
          name: string(),
          value: string().nullable(),
          source: int8()
        }).or([]),
        configType: int8().since(3).or(0),
        documentation: string().since(3).nullable(3)
      })
    })
  }
})
