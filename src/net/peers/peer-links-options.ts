/** What the links of a thread are given, and how much they may hold. */
import type { Message } from '../../base/effect.ts'
import type { ActorId, ThreadIndex } from '../../base/ids.ts'
import type { Logger } from '../../base/logger.ts'
import type { MetricRow } from '../../base/metrics.ts'
import type { Chance } from '../../base/prng.ts'
import type { Identity } from './reception.ts'
import type { SendLimits } from './send-queue.ts'
import type { ListenAt, Transport } from './transport.ts'

export interface PeerLimits {
  /** Largest frame, its length excluded: batches of one message, or a message of a controller. */
  readonly frameBytesMax: number
  /** For what has not left, of each peer. */
  readonly send: SendLimits
  /** Memory for that, of all peers together. */
  readonly sendMemoryBytes: number
  /** Of it, what is kept while nothing needs it. */
  readonly idleMemoryBytes: number
  /** Connections that others have made to this thread. */
  readonly connectionsMax: number
}

/** What crosses from thread to thread is smaller than 128 MiB. */
const frameBytesCeiling = 127 * 1024 * 1024

/** @param batchBytesMax  the largest batch that anybody may append: a leader sends at least one at a time */
export function peerLimits (batchBytesMax: number): PeerLimits {
  return {
    frameBytesMax: Math.min(Math.max(batchBytesMax + 64 * 1024, 32 * 1024 * 1024), frameBytesCeiling),
    send: { unsentBytesMax: 16 * 1024 * 1024, reserveBytes: 1024 * 1024 },
    sendMemoryBytes: 256 * 1024 * 1024,
    idleMemoryBytes: 4 * 1024 * 1024,
    connectionsMax: 1024
  }
}

export interface PeerLinksOptions {
  readonly identity: Identity
  readonly thread: ThreadIndex
  /** The links of all threads, by thread. */
  readonly links: readonly ActorId[]
  readonly controller: ActorId
  /** Undefined: another thread listens, because a port cannot be shared here. */
  readonly listen: ListenAt | undefined
  /** The answer to who asks who this is. */
  readonly discovered: () => object
  /** Looks at what a broker that wants to join says of itself, before the controller does. @throws Error  it is not understood */
  readonly readJoin?: (body: object) => object
  readonly limits: PeerLimits
}

/** The part of the actor system that sockets' callbacks reach: deliveries happen before these return. */
export interface PeerRuntime {
  readonly now: number
  tell (to: ActorId, message: Message): void
}

export interface PeerLinksParts {
  readonly self: ActorId
  readonly runtime: PeerRuntime
  readonly transport: Transport
  readonly chance: Chance
  readonly metrics: MetricRow
  readonly logger: Logger
}
