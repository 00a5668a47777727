/** The one feature that the cluster has levels of: what all its brokers understand, on the wire between them and on disk. */
import type { FeatureAnswered } from '../../actors/controller/messages.ts'
import { ErrorCode } from '../../base/error-code.ts'
import { featureRange } from '../../base/versions.ts'
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import type { apiVersions } from '../../protocol/apis/api-versions.ts'
import type { updateFeatures } from '../../protocol/apis/update-features.ts'
import type { Exchange } from '../exchange.ts'
import type { Network } from '../network.ts'
import { askController, controllerDeadlineMs } from './ask-controller.ts'

export const featureName = 'ringmq.version'

type Features = Pick<ResponseOf<typeof apiVersions>, 'supportedFeatures' | 'finalizedFeaturesEpoch' | 'finalizedFeatures'>

/** What ApiVersions says of it. The level only ever rises, so it is its own epoch. */
export function describeFeatures ({ options, metadata }: Network): Features {
  const { featureLevel } = metadata.cluster
  const { min, max } = options.features ?? featureRange
  const supportedFeatures = [{ name: featureName, minVersion: min, maxVersion: max }]
  if (featureLevel < 1) return { supportedFeatures }
  return { supportedFeatures, finalizedFeaturesEpoch: featureLevel, finalizedFeatures: [{ name: featureName, maxVersionLevel: featureLevel, minVersionLevel: featureLevel }] }
}

/** Raises the level, for good. All of the request is done or nothing. */
export function handleUpdateFeatures (exchange: Exchange, request: RequestOf<typeof updateFeatures>, network: Network): boolean {
  type Response = ResponseOf<typeof updateFeatures>
  const { features, validateOnly } = request
  const respond = (errorCode: number, errorMessage: string | null): Response => ({
    errorCode, errorMessage, results: errorCode === ErrorCode.NONE ? features.map(({ name }) => ({ name, errorCode, errorMessage })) : []
  })
  const problem = features.map(featureProblem).find(found => found !== undefined) ??
    (features.length > 1 ? `${featureName} is named ${features.length} times` : undefined)
  if (problem !== undefined) {
    exchange.answer(respond(ErrorCode.INVALID_UPDATE_VERSION, problem))
    return true
  }
  if (features.length === 0) {
    exchange.answer(respond(ErrorCode.NONE, null))
    return true
  }
  askController(exchange, network, { kind: 'finalize-feature', level: features[0]!.maxVersionLevel, validateOnly }, controllerDeadlineMs(request.timeoutMs),
    respond, ({ errorCode, errorMessage }: FeatureAnswered) => respond(errorCode, errorMessage))
  return true
}

function featureProblem ({ name, maxVersionLevel }: RequestOf<typeof updateFeatures>['features'][number]): string | undefined {
  if (name !== featureName) return `there is no feature ${name}, only ${featureName}`
  return maxVersionLevel < 1 ? `${featureName} cannot be taken away` : undefined
}
