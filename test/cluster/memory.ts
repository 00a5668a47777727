/** Resident memory of brokers, sampled while they work, and whether it stays level in those processes that live long enough to tell. */

const everyMs = 1000
/** What a process takes while it starts and fills its buffers says nothing: the second half of its life counts, without this much at least. */
const warmMs = 30_000
const lifeMsMin = 90_000

export interface Sample { readonly pid: number, readonly bytes: number }

export interface MemoryOfBroker {
  readonly firstMiB: number
  readonly lastMiB: number
  readonly peakMiB: number
  /** The steepest of its long-lived processes; undefined: none lived long enough. */
  readonly growthMiBPerMinute: number | undefined
}

interface Life { readonly moments: number[], readonly mebibytes: number[] }

export class MemoryWatch {
  readonly #sample: () => ReadonlyArray<Sample | undefined>
  /** By broker, then by pid in the order of their lives. */
  readonly #lives: Array<Map<number, Life>> = []
  readonly #timer: NodeJS.Timeout | undefined

  /**
   * @param sample  by broker; undefined: it does not run
   * @param timed   false: samples are taken by {@link take} alone
   */
  constructor (sample: () => ReadonlyArray<Sample | undefined>, timed = true) {
    this.#sample = sample
    if (!timed) return
    this.take(performance.now())
    this.#timer = setInterval(() => this.take(performance.now()), everyMs)
  }

  take (moment: number): void {
    for (const [broker, sample] of this.#sample().entries()) {
      const lives = this.#lives[broker] ??= new Map()
      if (sample === undefined) continue
      const life = lives.get(sample.pid) ?? { moments: [], mebibytes: [] }
      lives.set(sample.pid, life)
      life.moments.push(moment)
      life.mebibytes.push(sample.bytes / 2 ** 20)
    }
  }

  stop (): MemoryOfBroker[] {
    clearInterval(this.#timer)
    return this.#lives.map(lives => {
      const all = [...lives.values()].flatMap(({ mebibytes }) => mebibytes)
      const growths = [...lives.values()].map(growthOf).filter(growth => growth !== undefined)
      return {
        firstMiB: Math.round(all[0] ?? 0),
        lastMiB: Math.round(all.at(-1) ?? 0),
        peakMiB: Math.round(all.reduce((a, b) => Math.max(a, b), 0)),
        growthMiBPerMinute: growths.length === 0 ? undefined : Math.round(Math.max(...growths) * 10) / 10
      }
    })
  }
}

/** Slope of the straight line through the samples behind what says nothing, in MiB a minute. */
function growthOf ({ moments, mebibytes }: Life): number | undefined {
  const lifeMs = moments.at(-1)! - moments[0]!
  if (lifeMs < lifeMsMin) return undefined
  const begin = moments[0]! + Math.max(warmMs, lifeMs / 2)
  const points = moments.map((moment, i) => ({ x: (moment - begin) / 60_000, y: mebibytes[i]! })).filter(({ x }) => x >= 0)
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / points.length
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / points.length
  const spread = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0)
  return points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / spread
}
