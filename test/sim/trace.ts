/**
 * One aligned line for each event, for `--trace`:
 *
 * ```
 *  seconds      broker  event             what the broker's replicas are then, or what the event is about
 *  12.003417    2       frames            0 L7 41/44  1 F7 9/9
 *  12.104000    2       * pause           for 1702 ms
 * ```
 * With a star: no event by itself. Of each replica: its number, its role (L leader, F follower, P and C the steps of a candidate) with the term, and high watermark/log end.
 */
import type { Planned } from './event-queue.ts'

export class Trace {
  readonly #write: (line: string) => void
  readonly #fromTick: number
  /** What to say of a broker's replicas. */
  statusOf: (broker: number) => string = () => ''

  /** @param fromTick  lines for what happens before are left out */
  constructor (write: (line: string) => void, fromTick: number) {
    this.#write = write
    this.#fromTick = fromTick
  }

  event ({ at, name, life }: Planned): void {
    if (at < this.#fromTick) return
    this.line(at, life?.broker ?? 0, name, life === undefined ? '' : this.statusOf(life.broker))
  }

  /** @param broker  0: none */
  line (tick: number, broker: number, name: string, detail: string): void {
    if (tick < this.#fromTick) return
    this.#write(`${(tick / 1e6).toFixed(6).padStart(11)}  ${broker === 0 ? '-' : broker}  ${name.padEnd(18)}${detail}`.trimEnd())
  }
}
