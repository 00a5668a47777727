/** A partition's log as Raft sees it. */
import type { Offset, Term } from '../base/ids.ts'
import type { Log } from '../log/log.ts'
import type { Entries, RaftLog } from '../raft/ports.ts'

export class ReplicaLog implements RaftLog {
  readonly #log: Log

  constructor (log: Log) {
    this.#log = log
  }

  /** Between batches, which the start that readers see need not be. */
  get startOffset (): Offset { return this.#log.firstOffset }
  get endOffset (): Offset { return this.#log.logEndOffset }
  get durableEnd (): Offset { return this.#log.durableEndOffset }
  get lastTerm (): Term { return this.#log.lastTerm }
  get writable (): boolean { return this.#log.refusal === undefined }
  get full (): boolean { return this.#log.refusal === 'full' }

  termAt (offset: Offset): Term | undefined {
    return this.#log.termAt(offset)
  }

  epochEnd (term: Term): { readonly term: Term, readonly endOffset: Offset } | undefined {
    return this.#log.epochEndOffset(term)
  }

  entries (offset: Offset, endOffset: Offset, bytesMax: number): Entries | undefined {
    // A list of its own for each message: they are on their way to the links while the next one is made.
    const pieces: Uint8Array[] = []
    const found = this.#log.gather(offset, endOffset, bytesMax, pieces)
    return found === undefined ? undefined : { pieces, bytes: found.bytes, endOffset: found.endOffset }
  }
}
