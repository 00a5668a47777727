/**
 * The links of one thread to the other brokers: what its actors say to members elsewhere, and what members elsewhere say to
 * actors here, on whichever thread those are.
 *
 * ```
 *  raft-out, controller-out --> Outgoing (one for each peer) --> SendQueue --turn end--> connection     (to one thread of the peer)
 *  raft-in to the group's actor, controller-in  <-- frame <-- Incoming (one for each thread of each peer) <-- connection
 *  peer-status to all groups, member-status     <-- Liveness <-- answers to beats                       (thread 0 only)
 * ```
 * Connections go one way: an answer travels over the other side's own. So a message between two groups' actors goes from any
 * thread to any thread, in order as long as the connection lives. Nothing is promised beyond that: messages are dropped when
 * there is no connection, when too much has not left, or when the group is not here, and Raft sends what matters again.
 */
import type { SubscribePeers } from '../../actors/controller/messages.ts'
import type {
  ControllerIn, ControllerOut, GroupsChanged, MemberStatus, PeerAddress, PeersChanged, PeersMessage, PeerStatus, RaftIn, RaftOut
} from '../../actors/peers/messages.ts'
import { formatAddress } from '../../base/address.ts'
import type { Message } from '../../base/effect.ts'
import type { MemberId } from '../../base/ids.ts'
import { type MetricRow, metrics, type peerDropReasons } from '../../base/metrics.ts'
import { decodeForeign, encode } from '../../base/msgpack.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import type { Reader } from '../../protocol/reader.ts'
import { groupKeyBytes, raftMessageBytes, readRaftMessage, writeRaftMessage } from '../../raft/wire.ts'
import type { Actor, Outbox, Reply, TimerId } from '../../runtime/actor.ts'
import { FramePool } from '../frame-pool.ts'
import { Complaints } from './complaints.ts'
import { beatFrame, FrameKey, type Hello, lengthBytes, prefixBytes, protocolVersionMax, protocolVersionMin, Purpose, Refusal, refusalNames, writePrefix } from './frames.ts'
import { GroupTable } from './group-table.ts'
import { beatMs, Liveness } from './liveness.ts'
import { OpenJoins } from './open-joins.ts'
import { Outgoing, type OutgoingHost } from './outgoing.ts'
import type { PeerLinksOptions, PeerLinksParts } from './peer-links-options.ts'
import { type Identity, type Incoming, Reception, type ReceptionHost } from './reception.ts'
import type { SendLimits } from './send-queue.ts'
import type { FrameConnection, FrameHandler, TransportListener } from './transport.ts'

export { peerLimits, type PeerLimits, type PeerLinksOptions, type PeerLinksParts } from './peer-links-options.ts'

const sweepMs = 1000
const subscribeMs = 250
/** A connection that brings no answers for so long may lead to a thread that stands still: another one is made, before the peer is given up. */
const beatHurryMs = 250
/** Once that did not help: not more often than this. */
const beatRenewMs = 2000
const bulkChunkBytes = 64 * 1024
const beatChunkBytes = 4 * 1024
const beatBytes = prefixBytes + 8

interface Peer {
  readonly address: PeerAddress
  readonly bulk: Outgoing
  /** On the thread that judges. */
  readonly beat: Outgoing | undefined
  /** When it was last said to be gone. */
  downAt: number
}

/** Never leaves this actor, so it may hold a function. */
interface LinkTimer extends Message { readonly kind: 'link-timer', readonly due: () => void }
interface Sweep extends Message { readonly kind: 'sweep' }
interface BeatDue extends Message { readonly kind: 'beat-due' }
interface SubscribeAgain extends Message { readonly kind: 'subscribe-again' }
const sweep: Sweep = { kind: 'sweep' }
const beatDue: BeatDue = { kind: 'beat-due' }
const subscribeAgain: SubscribeAgain = { kind: 'subscribe-again' }

const Drop = { unsent: 0, closed: 1, lost: 2, 'no-group': 3, 'no-peer': 4, 'too-large': 5 } as const satisfies Record<(typeof peerDropReasons)[number], number>

export class PeerLinks implements Actor<PeersMessage>, OutgoingHost, ReceptionHost {
  readonly identity: Identity
  readonly pool: FramePool
  readonly sendLimits: SendLimits
  readonly #frameBytesMax: number
  readonly #options: PeerLinksOptions
  readonly #parts: PeerLinksParts
  readonly #metrics: MetricRow
  readonly #reception: Reception
  readonly #complaints: Complaints
  readonly #groups = new GroupTable()
  readonly #peers = new Map<MemberId, Peer>()
  /** On the thread that judges. */
  readonly #liveness: Liveness | undefined
  readonly #joins: OpenJoins
  #dirty: Outgoing[] = []
  #subscribed = false
  #out: Outbox | undefined
  #listener: TransportListener | undefined
  /** Of the memory that frames came in last. */
  #view: DataView = new DataView(new ArrayBuffer(0))

  private constructor (options: PeerLinksOptions, parts: PeerLinksParts) {
    this.#options = options
    this.#parts = parts
    this.#metrics = parts.metrics
    this.identity = options.identity
    this.pool = new FramePool(options.limits.sendMemoryBytes)
    this.sendLimits = options.limits.send
    this.#frameBytesMax = options.limits.frameBytesMax
    this.#reception = new Reception(this, options.limits)
    this.#complaints = new Complaints(parts.logger)
    this.#joins = new OpenJoins(parts.chance.uint32())
    if (options.thread === 0) this.#liveness = new Liveness(this.now, (member, up) => this.#tellStatus(member, up))
  }

  /** Listens, and returns the actor. @throws the system's error when the port cannot be had */
  static async open (options: PeerLinksOptions, parts: PeerLinksParts): Promise<PeerLinks> {
    const links = new PeerLinks(options, parts)
    if (options.listen !== undefined) links.#listener = await parts.transport.listen(options.listen, connection => links.#accept(connection))
    return links
  }

  /** Where it listens; 0: nowhere. */
  get port (): number { return this.#listener?.port ?? 0 }

  started (out: Outbox): void {
    this.#out = out
    out.timer(sweepMs, sweep)
    this.#subscribe(out)
    if (this.#liveness !== undefined) out.timer(beatMs, beatDue)
  }

  receive (message: PeersMessage | Message, out: Outbox, now: number): void {
    switch (message.kind) {
      case 'raft-out': this.#sendRaft(message as RaftOut, out); break
      case 'turn-end': this.#flush(); break
      case 'controller-out': this.#sendController(message as ControllerOut, out); break
      case 'groups-changed': this.#changeGroups(message as GroupsChanged, out); break
      case 'peers-changed': this.#changePeers(message as PeersChanged, out); break
      case 'peer-status': this.#renew(message as PeerStatus, now); break
      case 'beat-due': this.#beat(out, now); break
      case 'sweep': this.#sweep(out); break
      case 'subscribe-again': this.#subscribe(out); break
      case 'link-timer': (message as LinkTimer).due(); break
      default: this.#joins.answer(message as Reply)
    }
  }

  async close (): Promise<void> {
    this.#reception.close()
    for (const { bulk, beat } of this.#peers.values()) {
      bulk.close(stopReason)
      beat?.close(stopReason)
    }
    await this.#listener?.close()
  }

  // ---- what goes out

  #sendRaft ({ group, message }: RaftOut, out: Outbox): void {
    const bytes = prefixBytes + groupKeyBytes + raftMessageBytes(message)
    const link = this.#linkTo(message.to, bytes)
    const chunk = link?.add(bytes)
    if (link === undefined || chunk === undefined) return this.#dropFor(link)
    const at = chunk.filled - bytes
    writePrefix(chunk.view, at, bytes, FrameKey.raft, link.version)
    chunk.bytes.set(this.#groups.bytesOf(group), at + prefixBytes)
    writeRaftMessage(message, chunk.bytes, chunk.view, at + prefixBytes + groupKeyBytes)
    this.#leavesAtTurnEnd(link, out)
  }

  #sendController ({ to, body }: ControllerOut, out: Outbox): void {
    const packed = encode(body)
    const bytes = prefixBytes + packed.length
    const link = this.#linkTo(to, bytes)
    const chunk = link?.add(bytes)
    if (link === undefined || chunk === undefined) return this.#dropFor(link)
    const at = chunk.filled - bytes
    writePrefix(chunk.view, at, bytes, FrameKey.controller, link.version)
    chunk.bytes.set(packed, at + prefixBytes)
    this.#leavesAtTurnEnd(link, out)
  }

  /** The link for a frame of `bytes`; undefined: there is none, and that is counted. */
  #linkTo (member: MemberId, bytes: number): Outgoing | undefined {
    const peer = this.#peers.get(member)
    if (peer === undefined) {
      this.#drop(Drop['no-peer'])
    } else if (bytes - lengthBytes > this.#frameBytesMax) {
      this.#drop(Drop['too-large'])
      this.#complaints.say('too large', this.now, { member, bytes }, `a message is larger than brokers send each other (${this.#frameBytesMax} bytes): it was dropped, and will be again`)
    } else if (!peer.bulk.isOpen) {
      this.#drop(Drop.closed)
    } else {
      return peer.bulk
    }
  }

  /** A frame that found no room; one without a link was counted when that was looked for. */
  #dropFor (link: Outgoing | undefined): void {
    if (link !== undefined) this.#drop(Drop.unsent)
  }

  #drop (reason: number, frames = 1): void {
    this.#metrics.add(metrics.peerDropped, frames, reason)
  }

  #leavesAtTurnEnd (link: Outgoing, out: Outbox): void {
    if (link.isDirty) return
    link.isDirty = true
    this.#dirty.push(link)
    out.turnEnd()
  }

  #flush (): void {
    const dirty = this.#dirty
    for (let i = 0; i < dirty.length; i++) {
      dirty[i]!.isDirty = false
      dirty[i]!.flush()
    }
    dirty.length = 0
  }

  // ---- who is there

  #changePeers ({ peers }: PeersChanged, out: Outbox): void {
    this.#subscribed = true
    const wanted = new Map(peers.filter(({ member }) => member !== this.identity.member).map(address => [address.member, address]))
    for (const [member, { address, bulk, beat }] of this.#peers) {
      const same = wanted.get(member)
      if (same?.host === address.host && same.port === address.port) continue
      bulk.close('the peer is gone, or elsewhere')
      beat?.close('the peer is gone, or elsewhere')
      this.#peers.delete(member)
      if (same === undefined) this.#liveness?.remove(member)
    }
    for (const [member, address] of wanted) {
      if (!this.#peers.has(member)) this.#addPeer(address)
      // To a controller that begins anew this is news.
      const up = this.#liveness?.isUp(member)
      if (up !== undefined) out.tell(this.#options.controller, { kind: 'member-status', member, up } as MemberStatus)
    }
    this.#countLinks()
  }

  #countLinks (): void {
    let open = 0
    let down = 0
    for (const [member, { bulk, beat }] of this.#peers) {
      open += Number(bulk.isOpen) + Number(beat?.isOpen === true)
      down += Number(this.#liveness?.isUp(member) === false)
    }
    this.#metrics.set(metrics.peerLinks, open)
    this.#metrics.set(metrics.peersDown, down)
  }

  #addPeer (address: PeerAddress): void {
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

  #changeGroups ({ placed, removed }: GroupsChanged, out: Outbox): void {
    for (const group of removed) this.#groups.delete(group)
    for (const { group, actor } of placed) {
      this.#groups.set(group, actor)
      for (const member of this.#peers.keys()) {
        if (this.#liveness?.isUp(member) === false) out.tell(actor, { kind: 'peer-status', member, up: false } as PeerStatus)
      }
    }
  }

  /** Lost or not answered: the controller says it all again when it begins, so that nothing is missing for long. */
  #subscribe (out: Outbox): void {
    if (this.#subscribed) return
    out.tell(this.#options.controller, { kind: 'subscribe-peers', actor: out.self } as SubscribePeers)
    out.timer(subscribeMs, subscribeAgain)
  }

  // ---- who is up

  #beat (out: Outbox, now: number): void {
    out.timer(beatMs, beatDue)
    this.#liveness!.tick(now)
    for (const [member, peer] of this.#peers) {
      const link = peer.beat!
      const quietMs = Math.min(this.#liveness!.silentMs(member), now - link.openedAt)
      if (link.isOpen && quietMs > (this.#liveness!.isUp(member) === false ? beatRenewMs : beatHurryMs)) link.renew('no answer to beats')
      if (!link.isOpen) continue
      const chunk = link.add(beatBytes)
      if (chunk === undefined) continue // it does not take them: silence is judged, not this
      chunk.bytes.set(beatFrame(link.version, 0, this.identity.incarnation), chunk.filled - beatBytes)
      link.flush()
    }
  }

  #tellStatus (member: MemberId, up: boolean): void {
    const out = this.#out!
    const status: PeerStatus = { kind: 'peer-status', member, up }
    for (const actor of this.#groups.actors()) out.tell(actor, status)
    this.#options.links.forEach((links, thread) => { if (thread !== this.#options.thread) out.tell(links, status) })
    out.tell(this.#options.controller, { kind: 'member-status', member, up } as MemberStatus)
    this.#renew(status, this.now)
    this.#countLinks()
    this.#parts.logger.info({ member, up }, up ? 'peer is up' : 'peer is down')
  }

  /** A connection from before a silence may lead nowhere, without that anybody was told: when the peer is back it is made anew. */
  #renew ({ member, up }: PeerStatus, now: number): void {
    const peer = this.#peers.get(member)
    if (peer === undefined) return
    if (!up) {
      peer.downAt = now
    } else {
      if (peer.bulk.isOpen && peer.bulk.openedAt <= peer.downAt) peer.bulk.renew('the peer was down')
      peer.bulk.connect()
    }
  }

  // ---- for the links (OutgoingHost)

  get now (): number { return this.#parts.runtime.now }

  connect ({ host, port }: PeerAddress, handler: FrameHandler): FrameConnection {
    return this.#parts.transport.connect({ host, port }, handler)
  }

  hello ({ member }: PeerAddress, purpose: Purpose): Hello {
    const { clusterId, nodeName, directoryId, member: from } = this.identity
    return {
      versionMin: protocolVersionMin, versionMax: protocolVersionMax, clusterId, from, nodeName, directoryId, to: member, purpose, thread: this.#options.thread
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
    this.#drop(Drop.lost, frames)
  }

  opened ({ peer, purpose }: Outgoing): void {
    this.#countLinks()
    this.#parts.logger.debug({ member: peer.member, purpose: purposeNames[purpose] }, 'link to a peer is open')
  }

  lost (link: Outgoing, reason: string, { wasOpen, absent }: { wasOpen: boolean, absent: boolean }): void {
    const { peer: { member, host, port }, purpose } = link
    this.#countLinks()
    if (purpose === Purpose.beat && absent) this.#liveness?.gone(member)
    this.#complaints.say(`link ${member} ${purpose}`, this.now, { member, peer: formatAddress({ host, port }), purpose: purposeNames[purpose] }, `${wasOpen ? 'link to a peer ended' : 'a peer cannot be reached'}: ${reason}`)
  }

  answered ({ peer, purpose }: Outgoing, key: number, body: Reader): void {
    if (purpose !== Purpose.beat || key !== FrameKey.beat) throw new ProtocolError(`an answer of key ${key}`)
    const incarnation = body.int64()
    body.expectEnd()
    this.#liveness?.heard(peer.member, incarnation)
  }

  // ---- what comes in (ReceptionHost)

  #accept (connection: FrameConnection): FrameHandler {
    const handler = this.#reception.accept(connection)
    if (this.#out === undefined) connection.destroy('not started yet')
    return handler
  }

  #sweep (out: Outbox): void {
    out.timer(sweepMs, sweep)
    this.#reception.sweep()
  }

  discovered (): object {
    return this.#options.discovered()
  }

  welcomed ({ hello }: Incoming): void {
    // It is there: no need to wait with the way back.
    const peer = this.#peers.get(hello!.from)
    peer?.bulk.connect()
    peer?.beat?.connect()
  }

  received (from: MemberId, key: number, bytes: Uint8Array, start: number, end: number): void {
    if (key === FrameKey.raft) this.#receiveRaft(from, bytes, start, end)
    else if (key === FrameKey.controller) this.#receiveController(from, bytes.subarray(start, end))
    else throw new ProtocolError(`key ${key} from a peer`)
  }

  #receiveRaft (from: MemberId, bytes: Uint8Array, start: number, end: number): void {
    if (end - start < groupKeyBytes) throw new ProtocolError('a Raft message without its group')
    const message = readRaftMessage(bytes, this.#viewOf(bytes), start + groupKeyBytes, end)
    if (message === undefined) throw new ProtocolError('no Raft message, or not a whole one')
    if (message.from !== from || message.to !== this.identity.member) throw new ProtocolError(`a Raft message from ${message.from} to ${message.to}`)
    const actor = this.#groups.actorAt(bytes, start)
    if (actor === undefined) this.#drop(Drop['no-group'])
    else this.#parts.runtime.tell(actor, { kind: 'raft-in', message } as RaftIn)
  }

  #receiveController (from: MemberId, packed: Uint8Array): void {
    const body = decodeForeign(packed) as Message | null | undefined
    if (typeof body?.kind !== 'string') throw new ProtocolError('no message for a controller')
    this.#parts.runtime.tell(this.#options.controller, { kind: 'controller-in', from, body } as ControllerIn)
  }

  #viewOf (bytes: Uint8Array): DataView {
    const view = this.#view
    if (view.buffer === bytes.buffer && view.byteOffset === bytes.byteOffset && view.byteLength === bytes.byteLength) return view
    return (this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  }

  join (from: Incoming, correlation: number, body: object): void {
    let request = body
    try {
      request = this.#options.readJoin?.(body) ?? body
    } catch (error) {
      return from.refuse(correlation, Refusal.malformed, (error as Error).message)
    }
    this.#joins.ask(from, correlation, request, this.#options.controller, this.#out!)
  }

  counted (connections: number): void {
    this.#metrics.set(metrics.peerConnections, connections)
  }

  traffic (received: number, sent: number): void {
    this.#metrics.add(metrics.peerBytesIn, received)
    this.#metrics.add(metrics.peerBytesOut, sent)
  }

  complain (kind: number, fields: Readonly<Record<string, unknown>>, text: string): void {
    if (kind > 0) this.#metrics.add(metrics.peerRefusals, 1, kind)
    this.#complaints.say(refusalNames[kind]!, this.now, fields, text)
  }
}

const stopReason = 'the broker stops'
const purposeNames = ['', 'bulk', 'beat'] as const
