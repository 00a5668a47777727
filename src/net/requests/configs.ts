/** Settings of topics and brokers: DescribeConfigs, AlterConfigs, IncrementalAlterConfigs. */
import type { ConfigChange, ConfigRequest, ConfigsAltered } from '../../actors/controller/messages.ts'
import { ErrorCode } from '../../base/error-code.ts'
import { topicSettings } from '../../base/topic-config.ts'
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import type { alterConfigs } from '../../protocol/apis/alter-configs.ts'
import type { describeConfigs } from '../../protocol/apis/describe-configs.ts'
import type { incrementalAlterConfigs } from '../../protocol/apis/incremental-alter-configs.ts'
import type { Exchange } from '../exchange.ts'
import type { Network } from '../network.ts'
import { askController } from './ask-controller.ts'
import { mergedBy } from './distinct.ts'

const deadlineMs = 30_000
const resourceTopic = 2
const resourceBroker = 4
const sourceTopic = 1
const sourceFile = 4
const configTypes = { string: 2, int: 3, long: 5 } as const

export function handleDescribeConfigs (exchange: Exchange, request: RequestOf<typeof describeConfigs>, network: Network): boolean {
  type Result = ResponseOf<typeof describeConfigs>['results'][number]
  // One that is named again with other keys is asked for all of them.
  const resources = mergedBy(request.resources, ({ resourceType, resourceName }) => `${resourceType}/${resourceName}`, same => ({
    ...same[0]!, configurationKeys: same.some(({ configurationKeys }) => configurationKeys === null) ? null : same.flatMap(({ configurationKeys }) => configurationKeys!)
  }))
  const results = resources.map(({ resourceType, resourceName, configurationKeys }): Result => {
    const refuse = (errorCode: number, errorMessage: string): Result => ({ errorCode, errorMessage, resourceType, resourceName, configs: [] })
    const wanted = (name: string): boolean => configurationKeys === null || configurationKeys.includes(name)
    if (resourceType === resourceBroker) {
      if (resourceName !== '' && resourceName !== String(network.options.broker.nodeId)) return refuse(ErrorCode.INVALID_REQUEST, `this is broker ${network.options.broker.nodeId}`)
      const configs = Object.entries(network.options.brokerSettings).filter(([name]) => wanted(name))
        .map(([name, value]) => ({ name, value, readOnly: true, configSource: sourceFile, isSensitive: false, configType: configTypes.string }))
      return { errorCode: ErrorCode.NONE, errorMessage: null, resourceType, resourceName, configs }
    }
    if (resourceType !== resourceTopic) return refuse(ErrorCode.INVALID_REQUEST, `resources of type ${resourceType} have no settings here`)
    const image = network.metadata.byName(resourceName)
    if (image === undefined) return refuse(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `there is no topic ${resourceName}`)
    const configs = topicSettings.filter(({ name }) => wanted(name)).map(({ name, type, doc }) => {
      const own = image.config[name]
      return {
        name,
        value: own ?? network.options.topicDefaults[name] ?? null,
        readOnly: false,
        configSource: own === undefined ? sourceFile : sourceTopic,
        isSensitive: false,
        configType: configTypes[type],
        documentation: request.includeDocumentation ? doc : null
      }
    })
    return { errorCode: ErrorCode.NONE, errorMessage: null, resourceType, resourceName, configs }
  })
  exchange.answer({ results } satisfies ResponseOf<typeof describeConfigs>)
  return true
}

interface Resource {
  readonly resourceType: number
  readonly resourceName: string
  /** What the controller is asked; a text says why it is not. */
  readonly asked: Omit<ConfigRequest, 'topic'> | string
}

/** A topic's settings become those that are named, all others go back to their defaults. */
export function handleAlterConfigs (exchange: Exchange, { resources, validateOnly }: RequestOf<typeof alterConfigs>, network: Network): boolean {
  alter(exchange, network, validateOnly, resources.map(({ resourceType, resourceName, configs }) => {
    const empty = configs.find(({ value }) => value === null)
    const changes = configs.map(({ name, value }): ConfigChange => ({ name, operation: 'set', value }))
    return { resourceType, resourceName, asked: empty !== undefined ? `${empty.name} has no value` : repeated(configs) ?? { replace: true, changes } }
  }))
  return true
}

const operations: ReadonlyArray<ConfigChange['operation']> = ['set', 'delete', 'append', 'subtract']

/** Single settings of a topic change. */
export function handleIncrementalAlterConfigs (exchange: Exchange, { resources, validateOnly }: RequestOf<typeof incrementalAlterConfigs>, network: Network): boolean {
  alter(exchange, network, validateOnly, resources.map(({ resourceType, resourceName, configs }) => {
    const odd = configs.find(({ configOperation }) => operations[configOperation] === undefined)
    const empty = configs.find(({ configOperation, value }) => value === null && operations[configOperation] !== 'delete')
    const changes = configs.map(({ name, configOperation, value }): ConfigChange => ({ name, operation: operations[configOperation] ?? 'set', value }))
    const problem = odd !== undefined
      ? `there is no operation ${odd.configOperation}`
      : empty !== undefined ? `${empty.name} has no value` : repeated(configs)
    return { resourceType, resourceName, asked: problem ?? { replace: false, changes } }
  }))
  return true
}

/** A name that is there twice, in words. */
function repeated (configs: ReadonlyArray<{ readonly name: string }>): string | undefined {
  const names = configs.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) < i)
  return twice === undefined ? undefined : `${twice} is named twice`
}

function alter (exchange: Exchange, network: Network, validateOnly: boolean, resources: readonly Resource[]): void {
  type Response = ResponseOf<typeof alterConfigs>
  const problems = resources.map(({ resourceType, resourceName, asked }, i) => {
    if (resourceType === resourceBroker) return 'the settings of a broker are in its configuration; it takes them when it starts'
    if (resourceType !== resourceTopic) return `resources of type ${resourceType} have no settings here`
    if (resources.findIndex(other => other.resourceType === resourceType && other.resourceName === resourceName) < i) return `topic ${resourceName} is named twice`
    return typeof asked === 'string' ? asked : undefined
  })
  const topics = resources.filter((_, i) => problems[i] === undefined).map(({ resourceName, asked }): ConfigRequest => ({ topic: resourceName, ...asked as Omit<ConfigRequest, 'topic'> }))
  const respond = (resultOf: (topic: string) => { readonly errorCode: number, readonly errorMessage: string | null }): Response => ({
    resources: resources.map(({ resourceType, resourceName }, i) => {
      const { errorCode, errorMessage } = problems[i] === undefined ? resultOf(resourceName) : { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: problems[i] }
      return { errorCode, errorMessage, resourceType, resourceName }
    })
  })
  if (topics.length === 0) {
    exchange.answer(respond(() => ({ errorCode: ErrorCode.NONE, errorMessage: null })))
    return
  }
  askController(exchange, network, { kind: 'alter-configs', topics, validateOnly }, deadlineMs,
    (errorCode, errorMessage) => respond(() => ({ errorCode, errorMessage })),
    ({ results }: ConfigsAltered) => {
      const byName = new Map(topics.map(({ topic }, i) => [topic, results[i]]))
      return respond(topic => byName.get(topic) ?? { errorCode: ErrorCode.UNKNOWN_SERVER_ERROR, errorMessage: 'the controller said nothing of it' })
    })
}
