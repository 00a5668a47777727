/** What a kind of fault is: one entry of a table. */
import type { Chance } from '../../../src/base/prng.ts'
import type { ClientNetwork } from '../client-network.ts'
import type { PeerNetwork } from '../peer-network.ts'
import type { SimBroker } from '../sim-broker.ts'
import type { World } from '../world.ts'

export interface Battlefield {
  readonly world: World
  readonly brokers: readonly SimBroker[]
  readonly clients: ClientNetwork
  readonly peers: PeerNetwork
  readonly chance: Chance
}

export interface FaultKind {
  readonly name: string
  /** Needs several brokers that talk to each other. */
  readonly multi?: boolean
  /** May cost one broker what was written and not synced. */
  readonly losesUnsynced?: boolean
  /** May cost all of them that. */
  readonly losesAllUnsynced?: boolean
  /** It is not one broker's trouble alone. */
  readonly everywhere?: boolean
  /** Longest it lasts, in milliseconds. */
  readonly lastsMs: number
  /** Begins it at one broker, and returns how it ends. Ending it after the broker's run is over does no harm. */
  begin (field: Battlefield, broker: SimBroker): () => void
}
