/**
 * The links of one thread to the other brokers: what its actors say to members elsewhere, and what members elsewhere say to
 * actors here, on whichever thread those are.
 *
 * ```
 *  raft-out, controller-out --> Outgoing (one for each peer) --> SendQueue --turn end--> connection     (to one thread of the peer)
 *  raft-in to the group's actor, controller-in  <-- frame <-- Incoming (one for each thread of each peer) <-- connection
 *  peer-status to all groups, member-status     <-- Peers, Liveness <-- answers to beats                (thread 0 only)
 * ```
 * Connections go one way: an answer travels over the other side's own. So a message between two groups' actors goes from any
 * thread to any thread, in order as long as the connection lives. Nothing is promised beyond that: messages are dropped when
 * there is no connection, when too much has not left, or when the group is not here, and Raft sends what matters again.
 */
import type { SubscribePeers } from '../../actors/controller/messages.ts'
import type {
  ControllerIn, ControllerOut, GroupsChanged, MemberStatus, PeersChanged, PeersMessage, PeerStatus, RaftIn, RaftOut
} from '../../actors/peers/messages.ts'
import type { Message } from '../../base/effect.ts'
import type { MemberId } from '../../base/ids.ts'
import { type MetricRow, metrics } from '../../base/metrics.ts'
import { decodeForeign, encode } from '../../base/msgpack.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import { groupKeyBytes, raftMessageBytes, readRaftMessage, writeRaftMessage } from '../../raft/wire.ts'
import type { Actor, Outbox, Reply } from '../../runtime/actor.ts'
import { Complaints } from './complaints.ts'
import { FrameKey, lengthBytes, prefixBytes, Refusal, refusalNames, writePrefix } from './frames.ts'
import { GroupTable } from './group-table.ts'
import { beatMs } from './liveness.ts'
import { OpenJoins } from './open-joins.ts'
import type { Outgoing } from './outgoing.ts'
import type { PeerLinksOptions, PeerLinksParts } from './peer-links-options.ts'
import { Drop, type LinkTimer, Peers } from './peers.ts'
import { type Identity, type Incoming, Reception, type ReceptionHost } from './reception.ts'
import type { FrameConnection, FrameHandler, TransportListener } from './transport.ts'

export { peerLimits, type PeerLimits, type PeerLinksOptions, type PeerLinksParts } from './peer-links-options.ts'

const sweepMs = 1000
const subscribeMs = 250

interface Sweep extends Message { readonly kind: 'sweep' }
interface BeatDue extends Message { readonly kind: 'beat-due' }
interface SubscribeAgain extends Message { readonly kind: 'subscribe-again' }
const sweep: Sweep = { kind: 'sweep' }
const beatDue: BeatDue = { kind: 'beat-due' }
const subscribeAgain: SubscribeAgain = { kind: 'subscribe-again' }

export class PeerLinks implements Actor<PeersMessage>, ReceptionHost {
  readonly identity: Identity
  readonly #frameBytesMax: number
  readonly #options: PeerLinksOptions
  readonly #parts: PeerLinksParts
  readonly #metrics: MetricRow
  readonly #reception: Reception
  readonly #complaints: Complaints
  readonly #groups = new GroupTable()
  readonly #peers: Peers
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
    this.#frameBytesMax = options.limits.frameBytesMax
    this.#reception = new Reception(this, options.limits)
    this.#complaints = new Complaints(parts.logger)
    this.#joins = new OpenJoins(parts.chance.uint32())
    this.#peers = new Peers(options, parts, this.#complaints, status => this.#tellStatus(status))
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
    this.#peers.start(out)
    out.timer(sweepMs, sweep)
    this.#subscribe(out)
    if (this.#peers.judges) out.timer(beatMs, beatDue)
  }

  receive (message: PeersMessage | Message, out: Outbox, now: number): void {
    switch (message.kind) {
      case 'raft-out': this.#sendRaft(message as RaftOut, out); break
      case 'turn-end': this.#flush(); break
      case 'controller-out': this.#sendController(message as ControllerOut, out); break
      case 'groups-changed': this.#changeGroups(message as GroupsChanged, out); break
      case 'peers-changed': this.#changePeers(message as PeersChanged, out); break
      case 'peer-status': this.#peers.renew(message as PeerStatus, now); break
      case 'beat-due':
        out.timer(beatMs, beatDue)
        this.#peers.beat(now)
        break
      case 'sweep': this.#sweep(out); break
      case 'subscribe-again': this.#subscribe(out); break
      case 'link-timer': (message as LinkTimer).due(); break
      default: this.#joins.answer(message as Reply)
    }
  }

  async close (): Promise<void> {
    this.#reception.close()
    this.#peers.close('the broker stops')
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
    const link = this.#peers.linkTo(member)
    if (link === undefined) {
      this.#drop(Drop['no-peer'])
    } else if (bytes - lengthBytes > this.#frameBytesMax) {
      this.#drop(Drop['too-large'])
      this.#complaints.say('too large', this.now, { member, bytes }, `a message is larger than brokers send each other (${this.#frameBytesMax} bytes): it was dropped, and will be again`)
    } else if (!link.isOpen) {
      this.#drop(Drop.closed)
    } else {
      return link
    }
  }

  /** A frame that found no room; one without a link was counted when that was looked for. */
  #dropFor (link: Outgoing | undefined): void {
    if (link !== undefined) this.#drop(Drop.unsent)
  }

  #drop (reason: number): void {
    this.#metrics.add(metrics.peerDropped, 1, reason)
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
    this.#peers.change(peers)
    // To a controller that begins anew this is news.
    for (const { member, up } of this.#peers.statuses()) out.tell(this.#options.controller, { kind: 'member-status', member, up } as MemberStatus)
  }

  #changeGroups ({ placed, removed }: GroupsChanged, out: Outbox): void {
    for (const group of removed) this.#groups.delete(group)
    for (const { group, actor } of placed) {
      this.#groups.set(group, actor)
      for (const status of this.#peers.statuses()) if (!status.up) out.tell(actor, status)
    }
  }

  /** Lost or not answered: the controller says it all again when it begins, so that nothing is missing for long. */
  #subscribe (out: Outbox): void {
    if (this.#subscribed) return
    out.tell(this.#options.controller, { kind: 'subscribe-peers', actor: out.self } as SubscribePeers)
    out.timer(subscribeMs, subscribeAgain)
  }

  #tellStatus (status: PeerStatus): void {
    const out = this.#out!
    for (const actor of this.#groups.actors()) out.tell(actor, status)
    this.#options.links.forEach((links, thread) => { if (thread !== this.#options.thread) out.tell(links, status) })
    out.tell(this.#options.controller, { kind: 'member-status', member: status.member, up: status.up } as MemberStatus)
  }

  // ---- what comes in (ReceptionHost)

  get now (): number { return this.#parts.runtime.now }

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
    this.#peers.seen(hello!.from)
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
