/** What goes wrong between brokers. Ways are cut one by one, and mended by who cut them: overlapping faults add up. */
import type { Battlefield, FaultKind } from './fault-kind.ts'

type Way = readonly [from: number, to: number]

function cutAll ({ peers }: Battlefield, ways: readonly Way[]): () => void {
  for (const [from, to] of ways) peers.cut(from, to)
  return () => { for (const [from, to] of ways) peers.mend(from, to) }
}

function others ({ brokers }: Battlefield, number: number): number[] {
  return brokers.map(broker => broker.number).filter(other => other !== number)
}

export const networkFaults: readonly FaultKind[] = [
  {
    name: 'isolated',
    multi: true,
    lastsMs: 10_000,
    begin: (field, { number }) => cutAll(field, others(field, number).flatMap((other): Way[] => [[number, other], [other, number]]))
  },
  {
    name: 'mute',
    multi: true,
    lastsMs: 8000,
    begin: (field, { number }) => cutAll(field, others(field, number).map((other): Way => [number, other]))
  },
  {
    name: 'deaf',
    multi: true,
    lastsMs: 8000,
    begin: (field, { number }) => cutAll(field, others(field, number).map((other): Way => [other, number]))
  },
  {
    name: 'split',
    everywhere: true,
    multi: true,
    lastsMs: 10_000,
    begin: field => {
      const { brokers, chance } = field
      const left = new Set(brokers.filter(() => chance.next() < 0.5).map(({ number }) => number))
      const ways = brokers.flatMap(({ number }) => others(field, number).filter(other => left.has(number) !== left.has(other)).map((other): Way => [number, other]))
      return cutAll(field, ways)
    }
  },
  {
    name: 'link-cut',
    everywhere: true,
    multi: true,
    lastsMs: 10_000,
    begin: (field, { number }) => {
      const { chance } = field
      const candidates = others(field, number)
      const other = candidates[Math.floor(chance.next() * candidates.length)]!
      return cutAll(field, chance.next() < 0.5 ? [[number, other]] : [[number, other], [other, number]])
    }
  },
  {
    name: 'bad-network',
    everywhere: true,
    multi: true,
    lastsMs: 15_000,
    begin: ({ peers: { weather }, chance }) => {
      const change = { latencyMs: 20 * chance.next(), loses: 0.1 * chance.next(), doubles: 0.05 * chance.next(), delays: 0.1 * chance.next() }
      const names = ['latencyMs', 'loses', 'doubles', 'delays'] as const
      for (const name of names) weather[name] += change[name]
      // Not quite what it was: the sums of fractions are not exact.
      return () => { for (const name of names) weather[name] = Math.max(0, weather[name] - change[name]) }
    }
  },
  {
    name: 'blackout',
    everywhere: true,
    losesUnsynced: true,
    losesAllUnsynced: true,
    multi: true,
    lastsMs: 3000,
    begin: ({ brokers }) => {
      for (const broker of brokers) broker.crash()
      return () => { for (const broker of brokers) broker.start() }
    }
  }
]
