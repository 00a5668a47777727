/**
 * Rounds one after the other until the time is up, each with a seed of its own. Rounds of a long run are written down, keyed by
 * commit and seed, so that it can be broken off and taken up again: what is done is not done again, and its time counts.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { FaultOptions } from './options.ts'
import { type Case, Round, type RoundResult, type Say, Skipped } from './round.ts'
import type { Network } from './network.ts'

/** A line of the results file. */
export interface Line extends Partial<RoundResult> {
  readonly commit: string
  readonly seed: number
  readonly round: number
  readonly case: string
  readonly network: string
  readonly brokers: number
  readonly seconds: number
  readonly time: string
  readonly outcome: 'ok' | 'skipped' | 'failed'
  readonly message?: string
}

export interface Totals { passed: number, failed: number, skipped: number, seconds: number, operations: number, records: number, faults: number, gapsMs: number[] }

/** What a campaign does besides counting; tests give others. */
export interface CampaignPorts {
  readonly runRound: typeof Round.run
  readonly nowMs: () => number
}

const shortFaultsMs = 0
const longFaultsMs = 45_000

export class Campaign {
  readonly totals: Totals = { passed: 0, failed: 0, skipped: 0, seconds: 0, operations: 0, records: 0, faults: 0, gapsMs: [] }
  readonly #options: FaultOptions
  readonly #commit: string
  readonly #ports: CampaignPorts
  readonly #known = new Map<number, Line>()

  constructor (options: FaultOptions, commit: string, ports: CampaignPorts = { runRound: async (case_, options) => await Round.run(case_, options), nowMs: () => performance.now() }) {
    this.#options = options
    this.#ports = ports
    this.#commit = commit
    if (options.minutes === 0 || options.again || !existsSync(options.out)) return
    for (const text of readFileSync(options.out, 'utf8').split('\n')) {
      if (text === '') continue
      const line = JSON.parse(text) as Line
      if (line.commit === commit && line.seed === options.seed && line.outcome !== 'failed') this.#known.set(line.round, line)
    }
  }

  /** @param chosen  the cases, by name */
  async run (chosen: ReadonlyArray<readonly [string, Case]>, network: Network, say: Say): Promise<Totals> {
    const { minutes } = this.#options
    for (let round = 0; minutes > 0 ? this.totals.seconds < minutes * 60 : round < chosen.length; round++) {
      const [name, case_] = chosen[round % chosen.length]!
      const known = this.#known.get(round)
      if (known !== undefined && known.case === name) {
        this.#count(known)
        continue
      }
      this.#count(await this.#round(round, name, case_, network, say))
      // Cases that cannot be done here take no time, so time alone would never end.
      if (round === 10_000 || (round === chosen.length && this.totals.passed + this.totals.failed === 0)) break
    }
    return this.totals
  }

  async #round (round: number, name: string, case_: Case, network: Network, say: Say): Promise<Line> {
    const { seed, minutes, root, groups, out, brokers } = this.#options
    const started = this.#ports.nowMs()
    const roundSeed = seed + round
    let result: RoundResult | undefined
    let failure: Error | undefined
    try {
      const lacking = lacks(case_, network)
      if (lacking !== undefined) throw new Skipped(lacking)
      result = await this.#ports.runRound(case_, { network, seed: roundSeed, faultsMs: minutes > 0 ? case_.faultsMs ?? longFaultsMs : shortFaultsMs, root, groups, say: line => say(`       ${line}`) })
    } catch (error) {
      failure = error as Error
    }
    const seconds = (this.#ports.nowMs() - started) / 1000
    const outcome = failure === undefined ? 'ok' : failure instanceof Skipped ? 'skipped' : 'failed'
    const line: Line = {
      commit: this.#commit, seed, round, case: name, network: network.kind, brokers, seconds, time: new Date().toISOString(), outcome, ...result, ...failure === undefined ? {} : { message: failure.message.slice(0, 20_000) }
    }
    say(`${{ ok: 'ok     ', skipped: 'skipped', failed: 'not ok ' }[outcome]} ${name.padEnd(17)} ${seconds.toFixed(1)} s  ${summaryOf(line)}`)
    if (outcome === 'failed') {
      say(failure!.message.replace(/^/gm, '       '))
      say(`       again: npm run test:cluster -- --cases ${name} --seed ${roundSeed}${minutes > 0 ? ' --minutes 1' : ''}`)
    }
    if (minutes > 0) {
      mkdirSync(dirname(out), { recursive: true })
      appendFileSync(out, JSON.stringify(line) + '\n')
    }
    return line
  }

  #count ({ outcome, seconds, operations = 0, records = 0, faults = 0, gapsMs = [] }: Line): void {
    const { totals } = this
    totals[outcome === 'ok' ? 'passed' : outcome]++
    if (outcome !== 'skipped') totals.seconds += seconds
    totals.operations += operations
    totals.records += records
    totals.faults += faults
    totals.gapsMs.push(...gapsMs)
  }
}

/** What a case needs that is not here, in words; undefined: nothing. */
function lacks ({ needs }: Case, network: Network): string | undefined {
  if (needs !== undefined && needs !== 'small disk' && network.places.length < 3) return 'it needs three brokers'
  if (needs === 'broken network' && network.kind === 'plain') return 'this network cannot be broken'
  return undefined
}

function summaryOf ({ outcome, message, operations, acknowledged, unknownStored, faults, gapsMs, memory, errors, userErrors, staleEnds }: Line): string {
  if (outcome === 'skipped') return message ?? ''
  if (outcome === 'failed') return ''
  return [
    `${faults} faults, ${operations} operations, ${acknowledged} records acknowledged`,
    `longest silence ${Math.max(0, ...gapsMs ?? [])} ms`,
    `RSS MiB first/last/peak ${memory!.map(({ firstMiB, lastMiB, peakMiB, growthMiBPerMinute }) => `${firstMiB}/${lastMiB}/${peakMiB}${growthMiBPerMinute === undefined ? '' : ` ${growthMiBPerMinute > 0 ? '+' : ''}${growthMiBPerMinute} a minute`}`).join(', ')}`,
    `errors met: ${errors}`,
    ...userErrors === 'none' ? [] : [`errors of libraries: ${userErrors}`],
    ...unknownStored === 0 ? [] : [`${unknownStored} records of unknown sends stored`],
    ...staleEnds === 0 ? [] : [`${staleEnds} ends told by deposed leaders`]
  ].join('; ')
}
