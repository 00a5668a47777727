/**
 * The other members of the cluster as one thread sees them: a connection for batches to each, made again and again, and on
 * thread 0 one for beats, by whose answers it is judged who is up.
 */
import type { PeerAddress, PeerStatus } from '../../actors/peers/messages.ts'
import { formatAddress } from '../../base/address.ts'
import type { Message } from '../../base/effect.ts'
import type { MemberId } from '../../base/ids.ts'
import { type MetricRow, metrics, type peerDropReasons } from '../../base/metrics.ts'
import { protocolRange } from '../../base/versions.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import type { Reader } from '../../protocol/reader.ts'
import type { Outbox, TimerId } from '../../runtime/actor.ts'
import { FramePool } from '../frame-pool.ts'
import type { Complaints } from './complaints.ts'
import { beatBytes, FrameKey, type Hello, Purpose, writeBeat } from './frames.ts'
import { Liveness, silentMsMax } from './liveness.ts'
import { Outgoing, type OutgoingHost } from './outgoing.ts'
import type { PeerLinksOptions, PeerLinksParts } from './peer-links-options.ts'
import type { SendLimits } from './send-queue.ts'
import type { FrameConnection, FrameHandler } from './transport.ts'

/** A connection that brings no answers for so long may lead to a thread that stands still: another one is made, before the peer is given up. */
const beatHurryMs = 250
/** Once that did not help: not more often than this. */
const beatRenewMs = 2000
const bulkChunkBytes = 64 * 1024
const beatChunkBytes = 4 * 1024
const purposeNames = ['', 'bulk', 'beat'] as const

/** Index of each reason under the label of `peerDropped`. */
export const Drop = { unsent: 0, closed: 1, lost: 2, 'no-group': 3, 'no-peer': 4, 'too-large': 5 } as const satisfies Record<(typeof peerDropReasons)[number], number>

interface Peer {
  readonly address: PeerAddress
  readonly bulk: Outgoing
  /** On the thread that judges. */
  readonly beat: Outgoing | undefined
  /** When it was last said to be gone. */
  downAt: number
}

/** Never leaves its actor, so it may hold a function. */
export interface LinkTimer extends Message {
  readonly kind: 'link-timer'
  readonly due: () => void
}

export class Peers implements OutgoingHost {
  readonly pool: FramePool
  readonly sendLimits: SendLimits
  readonly #options: PeerLinksOptions
  readonly #parts: PeerLinksParts
  readonly #metrics: MetricRow
  readonly #complaints: Complaints
  readonly #peers = new Map<MemberId, Peer>()
  /** On the thread that judges. */
  readonly #liveness: Liveness | undefined
  #out: Outbox | undefined

  /** @param changed  told on the thread that judges, whenever a peer is up or down */
  constructor (options: PeerLinksOptions, parts: PeerLinksParts, complaints: Complaints, changed: (status: PeerStatus) => void) {
    this.#options = options
    this.#parts = parts
    this.#metrics = parts.metrics
    this.#complaints = complaints
    this.pool = new FramePool(options.limits.sendMemoryBytes, options.limits.idleMemoryBytes)
    this.sendLimits = options.limits.send
    if (options.thread !== 0) return
    this.#liveness = new Liveness(this.now, (member, up) => {
      const status: PeerStatus = { kind: 'peer-status', member, up }
      changed(status)
      this.renew(status, this.now)
      this.#count()
      parts.logger.info({ member, up }, up ? 'peer is up' : 'peer is down')
    })
  }

  /** Whether this is the thread that sends beats and judges by them. */
  get judges (): boolean { return this.#liveness !== undefined }

  /** Where timers go from now on. */
  start (out: Outbox): void {
    this.#out = out
  }

  close (reason: string): void {
    for (const { bulk, beat } of this.#peers.values()) {
      bulk.close(reason)
      beat?.close(reason)
    }
  }

  /** The link for what is said to a member; undefined: it is no peer. */
  linkTo (member: MemberId): Outgoing | undefined {
    return this.#peers.get(member)?.bulk
  }

  /** Everybody of whom is known whether it is up; nobody on threads that do not judge. */
  * statuses (): Generator<PeerStatus> {
    for (const member of this.#peers.keys()) {
      const up = this.#liveness?.isUp(member)
      if (up !== undefined) yield { kind: 'peer-status', member, up }
    }
  }

  /** These are all there are. A link to where a peer still is stays as it is. */
  change (peers: readonly PeerAddress[]): void {
    const wanted = new Map(peers.filter(({ member }) => member !== this.#options.identity.member).map(address => [address.member, address]))
    for (const [member, { address, bulk, beat }] of this.#peers) {
      const same = wanted.get(member)
      if (same?.host === address.host && same.port === address.port) continue
      bulk.close('the peer is gone, or elsewhere')
      beat?.close('the peer is gone, or elsewhere')
      this.#peers.delete(member)
      if (same === undefined) this.#liveness?.remove(member)
    }
    for (const [member, address] of wanted) if (!this.#peers.has(member)) this.#add(address)
    this.#count()
  }

  #add (address: PeerAddress): void {
    const peer: Peer = {
      address,
      bulk: new Outgoing(this, address, { purpose: Purpose.bulk, chunkBytes: bulkChunkBytes }),
      beat: this.#liveness && new Outgoing(this, address, { purpose: Purpose.beat, chunkBytes: beatChunkBytes }),
      downAt: -Infinity
    }
    this.#peers.set(address.member, peer)
    this.#liveness?.add(address.member, this.now)
    peer.bulk.connect()
    peer.beat?.connect()
  }

  #count (): void {
    let open = 0
    let down = 0
    for (const [member, { bulk, beat }] of this.#peers) {
      open += Number(bulk.isOpen) + Number(beat?.isOpen === true)
      down += Number(this.#liveness?.isUp(member) === false)
    }
    this.#metrics.set(metrics.peerLinks, open)
    this.#metrics.set(metrics.peersDown, down)
  }

  /** A beat to everybody, and a look at who has answered. */
  beat (now: number): void {
    this.#liveness!.tick(now)
    for (const [member, peer] of this.#peers) {
      const link = peer.beat!
      const quietMs = Math.min(this.#liveness!.silentMs(member), now - link.openedAt)
      if (link.isOpen && quietMs > (this.#liveness!.isUp(member) === false ? beatRenewMs : beatHurryMs)) link.renew('no answer to beats')
      if (!link.isOpen) continue
      const chunk = link.add(beatBytes)
      if (chunk === undefined) continue // it does not take them: silence is judged, not this
      writeBeat(chunk.view, chunk.filled - beatBytes, link.version, this.#options.identity.incarnation)
      link.flush()
    }
  }

  /**
   * A connection from before a silence, or made in it to a process that has ended since, may lead nowhere, without that anybody was
   * told: when the peer is back it is made anew.
   */
  renew ({ member, up }: PeerStatus, now: number): void {
    const peer = this.#peers.get(member)
    if (peer === undefined) return
    if (!up) {
      peer.downAt = now
    } else {
      if (peer.bulk.isOpen && peer.bulk.openedAt <= Math.max(peer.downAt, now - silentMsMax)) peer.bulk.renew('the peer was down')
      peer.bulk.connect()
    }
  }

  /** It said hello, so it is there: no need to wait with the way back. */
  seen (member: MemberId): void {
    const peer = this.#peers.get(member)
    peer?.bulk.connect()
    peer?.beat?.connect()
  }

  // ---- for the links

  get now (): number { return this.#parts.runtime.now }

  connect ({ host, port }: PeerAddress, handler: FrameHandler): FrameConnection {
    return this.#parts.transport.connect({ host, port }, handler)
  }

  hello ({ member }: PeerAddress, purpose: Purpose): Hello {
    const { clusterId, nodeName, directoryId, member: from } = this.#options.identity
    return {
      versionMin: protocolRange.min, versionMax: protocolRange.max, clusterId, from, nodeName, directoryId, to: member, purpose, thread: this.#options.thread
    }
  }

  later (delayMs: number, due: () => void): TimerId {
    return this.#out!.timer(delayMs, { kind: 'link-timer', due } as LinkTimer)
  }

  cancel (timer: TimerId): void {
    this.#out!.cancel(timer)
  }

  chance (): number {
    return this.#parts.chance.next()
  }

  sent (bytes: number): void {
    this.#metrics.add(metrics.peerBytesOut, bytes)
  }

  dropped (frames: number): void {
    this.#metrics.add(metrics.peerDropped, frames, Drop.lost)
  }

  opened ({ peer, purpose, version }: Outgoing): void {
    this.#count()
    this.#parts.logger.debug({ member: peer.member, purpose: purposeNames[purpose], version }, 'link to a peer is open')
  }

  lost (link: Outgoing, reason: string, { wasOpen, absent }: { wasOpen: boolean, absent: boolean }): void {
    const { peer: { member, host, port }, purpose } = link
    this.#count()
    if (purpose === Purpose.beat && absent) this.#liveness?.gone(member)
    this.#complaints.say(`link ${member} ${purpose}`, this.now, { member, peer: formatAddress({ host, port }), purpose: purposeNames[purpose] }, `${wasOpen ? 'link to a peer ended' : 'a peer cannot be reached'}: ${reason}`)
  }

  answered ({ peer, purpose }: Outgoing, key: number, body: Reader): void {
    if (purpose !== Purpose.beat || key !== FrameKey.beat) throw new ProtocolError(`an answer of key ${key}`)
    const incarnation = body.int64()
    body.expectEnd()
    this.#liveness?.heard(peer.member, incarnation)
  }
}
