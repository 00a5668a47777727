/**
 * What the broker speaks. The first request on a connection, sent before the client knows any version: one in a version that we
 * do not know is answered in version 0 with UNSUPPORTED_VERSION and the list of APIs.
 *
 * Version 3 adds the client's software to the request and features to the response; 4 lets a feature start at 0.
 */
import { defineApi } from '../api.ts'
import { array, bool, int16, int32, int64, string } from '../schema.ts'

export const apiVersions = defineApi({
  key: 18,
  name: 'apiVersions',
  versions: [0, 4],
  flexibleSince: 3,
  plainResponseHeader: true,
  request: {
    clientSoftwareName: string().since(3).or(''),
    clientSoftwareVersion: string().since(3).or('')
  },
  response: {
    errorCode: int16(),
    apiKeys: array({
      apiKey: int16(),
      minVersion: int16(),
      maxVersion: int16()
    }),
    throttleTimeMs: int32().since(1).or(0),
    supportedFeatures: array({
      name: string(),
      minVersion: int16(),
      maxVersion: int16()
    }).since(3).tagged(0),
    finalizedFeaturesEpoch: int64().since(3).or(-1).tagged(1),
    finalizedFeatures: array({
      name: string(),
      maxVersionLevel: int16(),
      minVersionLevel: int16()
    }).since(3).tagged(2),
    zkMigrationReady: bool().since(3).tagged(3)
  }
})
