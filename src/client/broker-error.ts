import { ErrorCode, errorName, isRetriable } from '../base/error-code.ts'

/** A broker's refusal, by Kafka's name for it. */
export class BrokerError extends Error {
  override name = 'BrokerError'
  /** Such as UNKNOWN_TOPIC_OR_PARTITION; the number where it has no name here. */
  readonly code: string
  /** Whether the same request may succeed later. */
  readonly canRetry: boolean

  /** @param detail  what the broker says about it, if it does */
  constructor (errorCode: number, detail: string | null = null) {
    const code = errorName(errorCode)
    super(detail ?? code.toLowerCase().replaceAll('_', ' '))
    this.code = code
    this.canRetry = isRetriable(errorCode)
  }
}

/** @throws BrokerError unless the answer says that all is well */
export function check (errorCode: number, detail: string | null = null): void {
  if (errorCode !== ErrorCode.NONE) throw new BrokerError(errorCode, detail)
}
