/** Log lines about what others do wrong, as often as they like: of each kind a line now and then, with how many were left out. */
import type { Logger } from '../../base/logger.ts'

const periodMs = 10_000
/** Kinds are few; of others (a peer that lies about its name) no more are told apart. */
const kindsMax = 256

interface Kind {
  saidAt: number
  leftOut: number
}

export class Complaints {
  readonly #logger: Logger
  readonly #kinds = new Map<string, Kind>()

  constructor (logger: Logger) {
    this.#logger = logger
  }

  /** @param kind  lines of one kind count together */
  say (kind: string, now: number, fields: Readonly<Record<string, unknown>>, text: string): void {
    let known = this.#kinds.get(kind)
    if (known !== undefined && now - known.saidAt < periodMs) {
      known.leftOut++
      return
    }
    if (known === undefined) {
      if (this.#kinds.size >= kindsMax) this.#kinds.clear()
      this.#kinds.set(kind, known = { saidAt: now, leftOut: 0 })
    }
    this.#logger.warn(known.leftOut > 0 ? { ...fields, leftOut: known.leftOut } : fields, text)
    known.saidAt = now
    known.leftOut = 0
  }
}
