/** Where the other brokers are reached: what the links of all threads are told, and whoever joins. */
import type { ActorId, MemberId } from '../../base/ids.ts'
import type { Message } from '../../base/effect.ts'
import type { Outbox } from '../../runtime/actor.ts'
import type { PeerAddress } from '../peers/messages.ts'
import type { MetadataRecord } from './metadata-record.ts'
import type { MetadataState } from './metadata-state.ts'

/** Longer than a broker waits before it says it again. */
const heardMs = 20_000

export interface PeerListOptions {
  readonly self: MemberId
  /** The links of all threads. */
  readonly links: readonly ActorId[]
  /** As it is committed. */
  readonly state: MetadataState
  readonly known: readonly PeerAddress[]
}

export class PeerList {
  readonly #options: PeerListOptions
  /** Of members that the committed metadata does not know, or not yet: from the last run, and from entries that may be taken back. */
  readonly #hints = new Map<MemberId, PeerAddress>()
  /** Where members have said themselves that they are, or the active controller has: for a while that counts more than a log that may be old. */
  readonly #heard = new Map<MemberId, { readonly peer: PeerAddress, readonly until: number }>()
  /** What the links were told last, as text. */
  #told = ''

  constructor (options: PeerListOptions) {
    this.#options = options
    for (const peer of options.known) this.#hints.set(peer.member, peer)
  }

  /** A record that stands in the log, committed or not: a wrong address costs a few attempts to connect, none at all the whole cluster. */
  hint (record: MetadataRecord): void {
    if (record.kind !== 'broker-registered') return
    const { member, nodeId, raftHost: host, raftPort: port } = record
    this.#hints.set(member, { member, nodeId, host, port })
  }

  /** What was said over a connection of the asker's own, before the log can say it: without it brokers that have all moved could elect nobody. */
  hear (peers: readonly PeerAddress[], out: Outbox, now: number): void {
    for (const peer of peers) this.#heard.set(peer.member, { peer, until: now + heardMs })
    this.tell(out)
  }

  /** What is true is in the log by now. */
  expire (out: Outbox, now: number): void {
    if (this.#heard.size === 0) return
    for (const [member, { until }] of this.#heard) if (until <= now) this.#heard.delete(member)
    this.tell(out)
  }

  /** Everybody, this broker too, by ascending member. Founders that have not registered are where they were expected. */
  all (): PeerAddress[] {
    const { state } = this.#options
    const peers = new Map<MemberId, PeerAddress>()
    for (const [member, hint] of this.#hints) if (!state.isRetired(member)) peers.set(member, hint)
    for (const { member, nodeId, raftHost: host, raftPort: port } of state.brokers.values()) peers.set(member, { member, nodeId, host, port })
    for (const [member, { peer }] of this.#heard) if (!state.isRetired(member)) peers.set(member, peer)
    return [...peers.values()].filter(({ host }) => host !== '').toSorted((a, b) => a.member - b.member)
  }

  /** Tells the links of all threads what has changed. */
  tell (out: Outbox): void {
    const { links } = this.#options
    if (links.length === 0) return
    const peers = this.#others()
    const text = JSON.stringify(peers)
    if (text === this.#told) return
    this.#told = text
    for (const actor of links) out.tell(actor, { kind: 'peers-changed', peers } as Message)
  }

  /** Links that begin anew. */
  greet (links: ActorId, out: Outbox): void {
    out.tell(links, { kind: 'peers-changed', peers: this.#others() } as Message)
  }

  #others (): PeerAddress[] {
    return this.all().filter(({ member }) => member !== this.#options.self)
  }
}
