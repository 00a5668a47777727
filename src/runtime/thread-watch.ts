/** Looks whether the threads' beats go on, and how much memory the process has. */
import { systemClock } from '../base/clock.ts'
import type { OnRuntimeEvent } from './runtime-event.ts'
import type { Thread } from './thread.ts'

export interface ThreadWatchOptions {
  /** A thread whose beat stands still for this long is silent. */
  readonly silentMs: number
  /** Resident memory of the process above which it is reported, and silence is taken for one four times sooner. */
  readonly rssBytesMax: number
  readonly onEvent: OnRuntimeEvent
  /** Those that should beat now. */
  readonly threads: () => readonly Thread[]
  readonly onSilent: (thread: Thread) => void
}

const looksPerSilence = 5
const beatsPerLook = 2

/** How often a thread must beat. */
export function beatMsOf (silentMs: number): number {
  return silentMs / looksPerSilence / beatsPerLook
}

export class ThreadWatch {
  readonly #options: ThreadWatchOptions
  readonly #lookMs: number
  readonly #timer: NodeJS.Timeout
  /** What each thread's beat was, and since when. */
  #seen = new Map<Thread, { beat: number, since: number }>()
  #lookedAt = systemClock.monotonicMs()
  #memoryHigh = false

  constructor (options: ThreadWatchOptions) {
    this.#options = options
    this.#lookMs = options.silentMs / looksPerSilence
    this.#timer = setInterval(() => this.#look(), this.#lookMs)
  }

  close (): void {
    clearInterval(this.#timer)
  }

  #look (): void {
    const { onEvent, onSilent, silentMs, threads } = this.#options
    const now = systemClock.monotonicMs()
    // If this thread itself did not run for long, the beats it missed say nothing about the others.
    const late = now - this.#lookedAt > this.#lookMs * 2
    this.#lookedAt = now
    const silentMsMax = silentMs / (this.#isMemoryHigh() ? 4 : 1)
    const seen = new Map<Thread, { beat: number, since: number }>()
    for (const thread of threads()) {
      const before = this.#seen.get(thread)
      const { beat } = thread
      const since = before === undefined || late || before.beat !== beat ? now : before.since
      seen.set(thread, { beat, since })
      if (now - since < silentMsMax) continue
      onEvent({ kind: 'thread-silent', thread: thread.thread, silentMs: now - since, actor: thread.currentActor })
      onSilent(thread)
    }
    this.#seen = seen
  }

  #isMemoryHigh (): boolean {
    const { onEvent, rssBytesMax } = this.#options
    const rssBytes = process.memoryUsage.rss()
    const high = rssBytes > rssBytesMax
    if (high && !this.#memoryHigh) onEvent({ kind: 'memory-high', rssBytes, rssBytesMax })
    this.#memoryHigh = high
    return high
  }
}
