/**
 * Finalizes the level of features that all brokers of the cluster are to use. A level below 1 asks to take the feature away.
 *
 * `upgradeType` (from version 1, in place of `allowDowngrade`): 1 only raises, 2 lowers where nothing is lost, 3 lowers in any case.
 * Version 1 can only check, 2 has no results for each feature: the error for all of them stands above.
 */
import { defineApi } from '../api.ts'
import { array, bool, int8, int16, int32, string } from '../schema.ts'

export const updateFeatures = defineApi({
  key: 57,
  name: 'updateFeatures',
  versions: [0, 2],
  flexibleSince: 0,
  request: {
    timeoutMs: int32().or(60000),
    features: array({
      name: string(),
      maxVersionLevel: int16(),
      allowDowngrade: bool().until(0).or(false),
      upgradeType: int8().since(1).or(1)
    }),
    validateOnly: bool().since(1).or(false)
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16(),
    errorMessage: string().nullable(),
    results: array({
      name: string(),
      errorCode: int16(),
      errorMessage: string().nullable()
    }).until(1).or([])
  }
})
