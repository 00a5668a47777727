/**
 * For which partitions a client was sent to another replica, and when. One that is back soon could not read there: its offset may be
 * below that replica's log start, as each removes old segments by itself. It reads here then, or it would go to and fro for ever.
 */
const stayMs = 60_000
/** Of one client; the one sent longest ago is forgotten. */
const partitionsMax = 10_000

export class SentAway {
  /** In the order of their moments. */
  readonly #sentAt = new Map<string, number>()

  /** Whether the client may be sent away now; if so, it counts as sent. */
  sends (partition: string, now: number): boolean {
    const sentAt = this.#sentAt.get(partition)
    if (sentAt !== undefined && now - sentAt < stayMs) return false
    this.#sentAt.delete(partition)
    if (this.#sentAt.size === partitionsMax) this.#sentAt.delete(this.#sentAt.keys().next().value!)
    this.#sentAt.set(partition, now)
    return true
  }
}
