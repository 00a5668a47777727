/** What a seed's world is like: every seed draws another shape, so that no combination stays untried. */
import type { BrokerConfig } from '../../src/base/config.ts'
import type { Chance } from '../../src/base/prng.ts'
import { faultKinds, type FaultKind } from './nemesis.ts'
import type { Weather } from './peer-network.ts'

export interface ClientShape {
  readonly idempotent: boolean
  readonly acks: number
  readonly inFlightMax: number
  readonly pauseMs: number
}

export interface Shape {
  readonly brokers: number
  /** Every broker is a cluster of its own. */
  readonly apart: boolean
  readonly partitions: number
  readonly replicas: number
  readonly flush: BrokerConfig['logFlush']
  readonly config: Partial<BrokerConfig>
  readonly insyncMin: number
  readonly clientLatencyMs: number
  readonly weather: Weather
  readonly diskMs: number
  /** How long faults happen, and how long there are none before the end. */
  readonly faultsMs: number
  readonly healMs: number
  readonly faults: readonly FaultKind[]
  readonly faultCount: number
  readonly producers: readonly ClientShape[]
  readonly consumers: number
  readonly recordsMax: number
  readonly valueBytesMax: number
  /** Between two changes of the cluster, about; Infinity: there are none. */
  readonly changePauseMs: number
  /** Between two changes of settings alone: their records make the metadata log long. */
  readonly settingsPauseMs: number
  /** A leader that reaches a majority has no reason to go. */
  readonly leadersStay: boolean
}

const operationsWanted = 850
/** Of all seeds, those with brokers that know nothing of each other. */
const apartShare = 0.1

export function drawShape (chance: Chance): Shape {
  const below = (end: number): number => Math.floor(chance.next() * end)
  const between = (from: number, to: number): number => from + below(to - from + 1)
  const pick = <T>(items: readonly T[]): T => items[below(items.length)]!
  const apart = chance.next() < apartShare
  const brokers = pick([3, 3, 3, 4, 5])
  const replicas = apart ? 1 : Math.min(brokers, pick([1, 2, 3, 3, 3, 3, 5]))
  const flush = pick(['always', 'always', 'always', 'os', 'interval'] as const)
  const faultsMs = between(45_000, 48_000)
  const healMs = 15_000
  const producerCount = between(2, 4)
  const consumers = between(2, 3)
  const pauseMs = (faultsMs + healMs) * (producerCount + consumers) / operationsWanted
  const kinds = drawFaults(chance, { apart, replicas, flush })
  const changePauseMs = pick([Infinity, 2000, 5000])
  const checkQuorum = chance.next() < 0.9
  const clear = chance.next() < 0.7
  const shape = {
    brokers,
    apart,
    partitions: between(1, 4),
    replicas,
    flush,
    config: {
      logFlush: flush,
      logSegmentBytes: pick([2048, 8192, 32_768]),
      logIndexIntervalBytes: pick([64, 512, 4096]),
      logFlushIntervalMs: pick([50, 1000]),
      performanceWriteCacheBytes: 1 << 20,
      performanceReadCacheBytes: 1 << 20,
      autoCreateTopics: false,
      raftRttMs: pick([20, 50, 50]),
      raftCheckQuorum: checkQuorum,
      enableFollowerRead: chance.next() < 0.5,
      performanceMaxBatchBytes: pick([1024, 4096, 1 << 20])
    },
    insyncMin: chance.next() < 0.5 ? 1 : between(1, replicas),
    clientLatencyMs: pick([0.1, 1, 10]),
    weather: clear
      ? { latencyMs: pick([0.1, 1, 5]), loses: 0, doubles: 0, delays: 0 }
      : { latencyMs: pick([0.1, 1, 5]), loses: 0.02 * chance.next(), doubles: 0.02 * chance.next(), delays: 0.05 * chance.next() },
    diskMs: pick([0.02, 0.1, 1]),
    faultsMs,
    healMs,
    faults: kinds,
    faultCount: between(6, 12),
    producers: Array.from({ length: producerCount }, () => {
      const idempotent = chance.next() < 0.7
      return { idempotent, acks: idempotent || chance.next() < 0.8 ? -1 : pick([0, 1]), inFlightMax: idempotent ? between(1, 5) : 1, pauseMs }
    }),
    consumers,
    recordsMax: pick([1, 3, 6]),
    valueBytesMax: pick([10, 100, 400]),
    changePauseMs,
    leadersStay: !apart && changePauseMs === Infinity && checkQuorum && clear && !kinds.some(({ everywhere }) => everywhere === true)
  }
  return {
    ...shape,
    config: { ...shape.config, raftControllerSnapshotFreq: pick([3, 20, 1000]), raftCompactionOverhead: pick([0, 10]) },
    settingsPauseMs: pick([Infinity, Infinity, Infinity, 20])
  }
}

/** Each seed leaves some kinds out: what always happens together hides what comes of the one alone. */
function drawFaults (chance: Chance, { apart, replicas, flush }: { apart: boolean, replicas: number, flush: string }): FaultKind[] {
  const possible = faultKinds.filter(kind => {
    if (apart && kind.multi === true) return false
    // What is promised without a sync before each answer: the loss of what one broker of three did not sync.
    return flush === 'always' || kind.losesUnsynced !== true || (kind.losesAllUnsynced !== true && replicas >= 3)
  })
  const count = 3 + Math.floor(chance.next() * 4)
  const shuffled = possible.map(kind => ({ kind, at: chance.next() })).sort((a, b) => a.at - b.at).map(({ kind }) => kind)
  // The second loss would be left out where only one is allowed: of three kinds there must be three left.
  const losing = shuffled.filter(({ losesUnsynced }) => losesUnsynced === true).slice(flush === 'always' ? Infinity : 1)
  return shuffled.filter(kind => !losing.includes(kind)).slice(0, count)
}
