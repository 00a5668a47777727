/**
 * What brokers say to each other before they are a cluster, and the port to whoever carries it. Both bodies travel as
 * MessagePack: what comes back is `unknown` until {@link readDiscovered} and {@link readJoinAnswer} have looked at it.
 */
import type { BrokerRegistration } from '../actors/controller/messages.ts'
import type { Founder, HostPort, PeerAddress } from '../base/address.ts'

/** What a broker answers to `discover` on its `raft_addr`. */
export interface Discovered extends HostPort {
  readonly nodeName: string
  readonly directoryId: string
  /** `discovery.endpoints` in order, from which it would found a cluster; empty: it would not. */
  readonly endpoints: readonly string[]
  /** The cluster that it belongs to, or is about to join; undefined: it is fresh. */
  readonly clusterId: string | undefined
  /** 0: not yet. */
  readonly member: number
  readonly nodeId: number
  /** Of its cluster. */
  readonly founders: readonly Founder[]
}

/** What a broker that wants to become a member says of itself, for the controller. Asked twice it gives the same answer. */
export type JoinRequest = BrokerRegistration

/** What the controller said, through the member that was asked. */
export type JoinAnswer =
  | {
    readonly kind: 'registered'
    readonly clusterId: string
    readonly nodeId: number
    readonly member: number
    readonly peers: readonly PeerAddress[]
  }
  /** It may be otherwise in a while: there is no leader. */
  | { readonly kind: 'later', readonly reason: string }
  /** So may this: another folder of this node has the place, and is not given up yet. */
  | { readonly kind: 'taken', readonly reason: string }
  /** Asking again would not help. */
  | { readonly kind: 'refused', readonly reason: string }

export interface PeerCalls {
  /** @throws when there was no answer within the time; the message says why */
  discover (to: HostPort, timeoutMs: number): Promise<unknown>
  /** As {@link discover}. */
  join (to: HostPort, request: JoinRequest, timeoutMs: number): Promise<unknown>
  /**
   * Listens on `raft_addr` for `discover` alone, before the reactor threads take the port over.
   *
   * @throws the system's error when the port cannot be bound
   */
  answer (at: HostPort, discovered: () => Discovered): Promise<Answering>
}

export interface Answering {
  /** Resolves when the port is free again. */
  close (): Promise<void>
}
