/**
 * Reads closed segments again in small steps, so that a disk's silent damage is found before the other replicas' copies are
 * gone. The owner runs one scan per step, wherever it likes and as rarely as it likes, and brings the result back.
 */
import type { Offset } from '../base/ids.ts'
import type { Log } from './log.ts'
import type { LogDamage } from './recovery.ts'
import type { ScanRequest, ScanResult } from './scan.ts'
import { segmentPath } from './segment.ts'

const stepBytes = 8 << 20

export class Scrubber {
  /** The next batch to look at; segments before it were read in this round. */
  #base = -1 as Offset
  #position = 0
  #offset = 0 as Offset

  /** The next piece to scan; undefined when a round is over (the next call begins another). */
  next (log: Log): ScanRequest | undefined {
    const closed = log.segments.slice(0, -1)
    const segment = closed.find(one => one.base >= this.#base)
    if (segment === undefined) {
      this.#base = -1 as Offset
      return undefined
    }
    if (segment.base !== this.#base) {
      this.#base = this.#offset = segment.base
      this.#position = 0
    }
    return {
      path: segmentPath(log.directory, segment.base, 'log'),
      fromPosition: this.#position,
      fromOffset: this.#offset,
      toPosition: segment.size,
      stopPosition: this.#position + stepBytes,
      indexIntervalBytes: Infinity,
      proofDistance: Infinity
    }
  }

  /** Takes the result of the scan that {@link next} asked for; returns what is wrong, if anything is. */
  done (request: ScanRequest, result: ScanResult): LogDamage | undefined {
    const segmentBase = this.#base
    if (result.endPosition >= request.toPosition || result.fault) {
      this.#base = this.#base + 1 as Offset
      this.#position = 0
    } else {
      this.#position = result.endPosition
      this.#offset = result.endOffset
    }
    const short = !result.fault && result.endPosition < Math.min(request.toPosition, request.stopPosition!)
    if (!result.fault && !short) return undefined
    return { segmentBase, position: result.endPosition, offset: result.endOffset, reason: 'a closed segment holds bytes that are no batch' }
  }
}
