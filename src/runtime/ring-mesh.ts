/** The shared memory between the threads: words for each, and a ring for each ordered pair. */
import type { ThreadIndex } from '../base/ids.ts'
import type { LinkEnds } from './link.ts'
import { createRing } from './ring.ts'
import { createThreadWords } from './thread-words.ts'

export interface RingMeshOptions {
  readonly threads: number
  readonly ringBytes: number
  readonly ringFirstSequence: number
}

export class RingMesh {
  readonly #options: RingMeshOptions
  readonly #words: SharedArrayBuffer[] = []
  /** From thread `a` to thread `b` at `a * threads + b`. */
  readonly #rings: SharedArrayBuffer[] = []

  constructor (options: RingMeshOptions) {
    this.#options = options
    for (let thread = 0; thread < options.threads; thread++) this.renew(thread as ThreadIndex)
  }

  /**
   * Gives a thread new words and new rings to and from all others: the next generation. What was left in the old ones, and
   * what a dying thread may still write there, is never looked at again.
   */
  renew (thread: ThreadIndex): void {
    const { threads } = this.#options
    this.#words[thread] = createThreadWords()
    for (let other = 0; other < threads; other++) {
      if (other === thread) continue
      this.#renewRing(thread, other)
      this.#renewRing(other, thread)
    }
  }

  wordsOf (thread: ThreadIndex): SharedArrayBuffer {
    return this.#words[thread]!
  }

  /** What a thread needs to reach one other. */
  endsOf (own: ThreadIndex, other: ThreadIndex): LinkEnds {
    const { threads } = this.#options
    return { thread: other, outgoing: this.#rings[own * threads + other]!, incoming: this.#rings[other * threads + own]!, peer: this.#words[other]! }
  }

  allEndsOf (own: ThreadIndex): LinkEnds[] {
    const all: LinkEnds[] = []
    for (let other = 0; other < this.#options.threads; other++) if (other !== own) all.push(this.endsOf(own, other as ThreadIndex))
    return all
  }

  #renewRing (from: number, to: number): void {
    const { threads, ringBytes, ringFirstSequence } = this.#options
    this.#rings[from * threads + to] = createRing(ringBytes, ringFirstSequence)
  }
}
