/** Turns whatever went wrong into one line for people: what failed, where, what to try. */
import { ConfigError } from '../base/config.ts'
import { nearest } from '../base/nearest.ts'
import { BrokerError } from '../client/broker-error.ts'

export const exitCode = { ok: 0, failed: 1, usage: 2 } as const

/** A failure whose text is fit to be shown as it is. */
export class CliError extends Error {
  override name = 'CliError'
  readonly code: number
  constructor (message: string, code: number = exitCode.failed) {
    super(message)
    this.code = code
  }
}

export interface FailurePlace { readonly brokers: readonly string[], readonly topic: string, readonly timeoutMs: number }

/** @param place  where the command was working; undefined before it knew */
export function describeFailure (error: unknown, place?: FailurePlace): { readonly text: string, readonly code: number } {
  if (error instanceof CliError) return { text: error.message, code: error.code }
  if (error instanceof ConfigError) return { text: error.problems.join('\nringmq: '), code: exitCode.usage }
  if (error instanceof BrokerError) return { text: describeRefusal(error, place), code: exitCode.failed }
  const systemError = findCode(error, 0)
  if (place !== undefined && systemError !== undefined && connectionAdvice[systemError] !== undefined) {
    return { text: `cannot reach ${place.brokers.join(' or ')} (${systemError}): ${connectionAdvice[systemError]}`, code: exitCode.failed }
  }
  if (place !== undefined && systemError === 'PLT_KFK_TIMEOUT') {
    return { text: `no answer from ${place.brokers.join(' or ')} within ${place.timeoutMs} ms; try again, or a longer --timeout`, code: exitCode.failed }
  }
  if (place !== undefined && systemError === 'PLT_KFK_NETWORK') {
    return { text: `the connection to ${place.brokers.join(' or ')} broke: ${(error as Error).message}; is a broker running there? start one with: ringmq broker`, code: exitCode.failed }
  }
  return { text: error instanceof Error ? error.message : String(error), code: exitCode.failed }
}

const connectionAdvice: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there; start a broker with: ringmq broker, or name another with --broker HOST:PORT',
  ECONNRESET: 'the connection was cut; is this a broker\'s port?',
  ENOTFOUND: 'no such host; check the name in --broker',
  EAI_AGAIN: 'the host name could not be looked up; check the name in --broker',
  ETIMEDOUT: 'no answer; check the address in --broker and the network',
  EHOSTUNREACH: 'no way there; check the address in --broker and the network',
  ENETUNREACH: 'no way there; check the address in --broker and the network'
}

/** The code of the innermost error that has one: libraries wrap the cause that matters. */
function findCode (error: unknown, depth: number): string | undefined {
  if (!(error instanceof Error) || depth > 8) return undefined
  const inner = error instanceof AggregateError ? error.errors.at(-1) : undefined
  return findCode(inner, depth + 1) ?? findCode(error.cause, depth + 1) ?? (error as { code?: string }).code
}

function describeRefusal (error: BrokerError, place: FailurePlace | undefined): string {
  const topic = place?.topic ?? ''
  switch (error.code) {
    case 'UNKNOWN_TOPIC_OR_PARTITION': return `there is no topic ${topic}; see ringmq list-topics, or make it with: ringmq create-topic --topic ${topic}`
    case 'TOPIC_ALREADY_EXISTS': return `topic ${topic} exists already; see ringmq describe-topic --topic ${topic}`
    case 'INVALID_TOPIC_EXCEPTION': return `${JSON.stringify(topic)} is no topic name; allowed: 1 to 249 letters, digits, ".", "_" or "-", not "." or ".."`
    case 'INVALID_REPLICATION_FACTOR': return `${error.message}; there must be as many brokers as --replicas says`
    case 'OFFSET_OUT_OF_RANGE': return `${topic} has no such offset; see ringmq describe-topic --topic ${topic} for the offsets there are, or use --offset earliest`
    case 'MESSAGE_TOO_LARGE':
    case 'RECORD_LIST_TOO_LARGE': return 'a message is larger than the broker takes; see message_max_bytes in its configuration'
    default: return `the broker refused: ${error.message} (${error.code})`
  }
}

export function didYouMean (name: string, known: Iterable<string>): string {
  const best = nearest(name, known)
  return best === undefined ? '' : `; did you mean ${best}?`
}
