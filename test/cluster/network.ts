/**
 * The network between brokers, as the test can break it. Three kinds, and the output says which one was used:
 *
 * - `namespaces`: each broker has an address in a network namespace of its own; packets between two of them are dropped in silence.
 * - `proxy`: where namespaces are not permitted. Each broker tells the others a proxy's address; the proxy holds bytes back.
 * - `plain`: all on the loopback, nothing can be broken.
 */
import { freePort } from '../../bench/harness.ts'
import { NamespaceNetwork } from './namespaces.ts'
import { ProxyNetwork } from './proxy.ts'

/** Where a broker lives. */
export interface Place {
  readonly host: string
  readonly clientPort: number
  /** HOST:PORT that it listens on for other brokers. */
  readonly raftAddress: string
  /** HOST:PORT that the others are told. */
  readonly toldRaftAddress: string
}

/** A broker by its index, or all clients together. */
export type Party = number | 'clients'

export interface Network {
  readonly kind: NetworkKind
  readonly places: readonly Place[]
  /** Whether what clients send can be held back too. */
  readonly canBlockClients: boolean
  /** Words before a broker's own command line, so that it runs at its place. */
  wrapper (broker: number): readonly string[]
  /** A broker runs as this process from now on. */
  runs (broker: number, pid: number): void
  /** From now on nothing that `from` sends comes to `to`; connections are not told. One direction only. */
  block (from: Party, to: Party): Promise<void>
  /** Everything passes again. */
  heal (): Promise<void>
  close (): Promise<void>
}

export const networkKinds = ['namespaces', 'proxy', 'plain'] as const
export type NetworkKind = typeof networkKinds[number]

export async function openNetwork (kind: NetworkKind, brokers: number): Promise<Network> {
  switch (kind) {
    case 'namespaces': return await NamespaceNetwork.open(brokers)
    case 'proxy': return await ProxyNetwork.open(brokers)
    case 'plain': return await plainNetwork(brokers)
  }
}

async function plainNetwork (brokers: number): Promise<Network> {
  const places: Place[] = []
  for (let i = 0; i < brokers; i++) {
    const raftAddress = `127.0.0.1:${await freePort()}`
    places.push({ host: '127.0.0.1', clientPort: await freePort(), raftAddress, toldRaftAddress: raftAddress })
  }
  return {
    kind: 'plain',
    places,
    canBlockClients: false,
    wrapper: () => [],
    runs: () => {},
    block: async () => { throw new Error('this network cannot be broken') },
    heal: async () => {},
    close: async () => {}
  }
}
