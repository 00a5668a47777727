/** Stands in for a partition whose log is damaged: it answers every request with a storage error, so that nothing unsound is served. */
import { ErrorCode } from '../../base/error-code.ts'
import type { Actor, Message, Outbox } from '../../runtime/actor.ts'
import type { PartitionRequest } from './messages.ts'

export class QuarantinedPartition implements Actor<PartitionRequest> {
  readonly #onClosed: () => void

  constructor (onClosed: () => void) {
    this.#onClosed = onClosed
  }

  async close (): Promise<void> {
    this.#onClosed()
  }

  receive (message: PartitionRequest, out: Outbox): void {
    const errorCode = ErrorCode.KAFKA_STORAGE_ERROR
    if (!('replyTo' in message)) return
    const { replyTo, correlation } = message
    const answer = (fields: object): void => out.tell(replyTo, { correlation, errorCode, ...fields } as unknown as Message)
    switch (message.kind) {
      case 'append': answer({ kind: 'appended', baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1 }); break
      case 'fetch': answer({ kind: 'fetched', highWatermark: -1, logStartOffset: -1, plan: null }); break
      case 'list-offset': answer({ kind: 'listed-offset', offset: -1, leaderEpoch: -1, plan: null }); break
      case 'epoch-end': answer({ kind: 'epoch-ended', leaderEpoch: -1, endOffset: -1 }); break
      case 'delete-records': answer({ kind: 'records-deleted', logStartOffset: -1 }); break
    }
  }
}
