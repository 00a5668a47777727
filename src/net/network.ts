/**
 * The network actor of a thread: its connections, the requests that came over them, and the answers that go back.
 *
 * ```
 *  socket -> Connection -> handleFrame -> routes -> ask an actor ... receive(reply) -> Exchange -> Session (order) -> flush at turn end
 * ```
 * Frames are handled in place: a handler must be done with the frame's bytes, or have handed them to an actor that copies
 * what it keeps, when it returns. A request is admitted only with credit of the actors it goes to; without, its
 * connection is not read until there is some.
 */
import type { FeatureRange, MetadataChanged, MetadataImage, MetadataReplaced } from '../actors/controller/messages.ts'
import { errorClass, ErrorCode } from '../base/error-code.ts'
import type { ActorId, TopicId } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import { apiIndex, errorIndex, metrics, type Metric, type MetricRow } from '../base/metrics.ts'
import type { AnyApi } from '../protocol/api.ts'
import { advertise, apis } from '../protocol/apis.ts'
import { readRequest, readRequestHeader, type RequestHeader } from '../protocol/frame.ts'
import { ProtocolError } from '../protocol/protocol-error.ts'
import { Reader } from '../protocol/reader.ts'
import { Writer } from '../protocol/writer.ts'
import type { Actor, Message, Outbox, Reply, Request, TimerId, Undeliverable } from '../runtime/actor.ts'
import type { Credits, CreditWanted } from '../runtime/credit.ts'
import type { ClientSockets } from './client-socket.ts'
import { Connection, type ConnectionLimits } from './connection.ts'
import { Exchange } from './exchange.ts'
import type { FetchReader } from './fetch-reader.ts'
import { FramePool } from './frame-pool.ts'
import { Joiner } from './joiner.ts'
import { MetadataCache } from './metadata-cache.ts'
import { OpenRequests, type Asker } from './open-requests.ts'
import type { Question } from './questions.ts'
import { describeFeatures } from './requests/features.ts'
import { routedApis, routes, type Handler } from './routes.ts'
import { Session, type SessionHost } from './session.ts'

/** One read of any connection goes here; frames within it are handled without a copy. */
const sharedReadBytes = 256 * 1024
/** Answers of one turn that together are no larger leave as one piece. */
const joinedBytesMax = 16 * 1024
const sweepMs = 5000
/** A frame that has begun must go on: a client that sends nothing for this long in the middle of one is dropped. */
const midFrameMsMax = 60_000
const resubscribeMs = 5
const subscribeDeadlineMs = 5000
/** Of all partitions together, from one thread's clients; below what a link to another thread may hold back. */
const bytesInFlightMax = 16 * 1024 * 1024
/** Requests that one frame can turn into: without room for these a frame is not begun. */
const requestsPerFrame = 2048

export interface BrokerIdentity {
  readonly nodeId: number
  readonly clusterId: string
  /** Where clients are told to connect. */
  readonly host: string
  readonly port: number
}

export interface NetworkOptions {
  readonly broker: BrokerIdentity
  readonly controller: ActorId
  readonly groups: ActorId
  readonly limits: ConnectionLimits
  readonly connectionsMax: number
  readonly idleMs: number
  readonly requestMemoryBytes: number
  readonly autoCreateTopics: boolean
  /** What DescribeConfigs says of the broker, and of a topic that does not say otherwise. */
  readonly brokerSettings: Readonly<Record<string, string>>
  readonly topicDefaults: Readonly<Record<string, string>>
  /** The folder of a partition's log. */
  readonly partitionDirectory: (topic: TopicId, index: number) => string
  /** Followers answer fetches of clients that say where they stand, and the leader sends those to the replicas of their rack. */
  readonly enableFollowerRead?: boolean
  /** The levels of features that this program can work with, where a test wants others than there are. */
  readonly features?: FeatureRange
  /** Wall clock, milliseconds. Left out: answers have no times of day. */
  readonly wallMs?: () => number
}

/** The part of the actor system that sockets' callbacks reach: deliveries happen before these return. */
export interface Runtime {
  readonly now: number
  tell (to: ActorId, message: Message): void
  ask (to: ActorId, message: Request, deadlineMs: number): void
  forget (asker: ActorId, correlation: number): void
}

export interface HttpPort {
  /** Serves the connection as HTTP from its first bytes on. */
  serve (connection: Connection, first: Uint8Array): void
}

export interface TimeWaiter {
  timeUp (): void
}

interface Sweep extends Message { readonly kind: 'sweep' }
/** Never leaves this actor, so it may hold an object. */
interface NetworkTimer extends Message { readonly kind: 'network-timer', readonly waiter: TimeWaiter }
interface Resubscribe extends Message { readonly kind: 'resubscribe' }
const sweep: Sweep = { kind: 'sweep' }
const resubscribe: Resubscribe = { kind: 'resubscribe' }

export class Network implements Actor, SessionHost {
  readonly options: NetworkOptions
  readonly metadata = new MetadataCache()
  readonly reader: FetchReader
  readonly controller: ActorId
  readonly groups: ActorId

  readonly #runtime: Runtime
  readonly #self: ActorId
  readonly #credits: Credits
  readonly #metrics: MetricRow
  readonly #logger: Logger
  readonly #http: HttpPort
  readonly #sockets: ClientSockets | undefined
  readonly #pool: FramePool
  readonly #shared = new Uint8Array(Buffer.allocUnsafeSlow(sharedReadBytes).buffer)
  readonly #joiner = new Joiner(joinedBytesMax)
  readonly #frame = new Reader()
  readonly #writer = new Writer()
  readonly #open: OpenRequests
  readonly #sessions = new Set<Session>()
  #out!: Outbox
  #dirty: Session[] = []
  #spare: Session[] = []
  #connectionNext = 1
  #fetchSessionNext = 1
  #closing = false
  #recordRequests = 0
  /** Of batches that were handed to partitions and are not answered: what rings, overflow lists and append memory hold of this thread's clients. */
  #bytesInFlight = 0
  /** Sessions that wait for room, first come first; each is here at most once. */
  readonly #roomWaiters: Session[] = []

  constructor (options: NetworkOptions, parts: {
    self: ActorId,
    life: number,
    runtime: Runtime,
    credits: Credits,
    reader: FetchReader,
    http: HttpPort,
    metrics: MetricRow,
    logger: Logger,
    /** In place of the system's. */
    sockets?: ClientSockets
  }) {
    this.options = options
    this.controller = options.controller
    this.groups = options.groups
    this.reader = parts.reader
    this.#self = parts.self
    this.#runtime = parts.runtime
    this.#credits = parts.credits
    this.#metrics = parts.metrics
    this.#logger = parts.logger
    this.#http = parts.http
    this.#sockets = parts.sockets
    this.#pool = new FramePool(options.requestMemoryBytes)
    this.#open = new OpenRequests(parts.life, (target, bytes) => {
      if (bytes > 0) this.giveBack(target, bytes)
      if (this.#roomWaiters.length > 0) this.#resumeWaiters()
    })
  }

  started (out: Outbox): void {
    this.#out = out
    out.timer(sweepMs, sweep)
    this.#subscribe()
  }

  receive (message: Message, _out: Outbox, now: number): void {
    switch (message.kind) {
      case 'turn-end': this.#flush(); break
      case 'metadata-changed': this.#changeMetadata(message as MetadataChanged); break
      case 'metadata-replaced': this.#replaceMetadata(message as MetadataReplaced); break
      case 'sweep': this.#sweep(now); break
      case 'resubscribe': this.#subscribe(); break
      case 'network-timer': (message as NetworkTimer).waiter.timeUp(); break
      default: this.#open.answer(message as Reply)
    }
  }

  /** Answers that have not been encoded yet never will be: this may be the end of a life that broke off while it did that. */
  async close (): Promise<void> {
    for (const { connection } of this.#sessions) connection.end(stopReason)
  }

  #replaceMetadata ({ topics, cluster }: MetadataImage | MetadataReplaced): void {
    this.metadata.replace(topics, cluster)
  }

  #changeMetadata (change: MetadataChanged): void {
    for (const id of change.deleted) {
      // Open files of a deleted partition would keep its space on the disk.
      const count = this.metadata.byId(id)?.partitions.length ?? 0
      for (let index = 0; index < count; index++) this.reader.forget(this.options.partitionDirectory(id, index))
    }
    this.metadata.change(change)
  }

  // ---- connections

  /** Takes a socket that was accepted. */
  accept (handle: unknown, remote: string): void {
    const session = new Session(this, this.#writer, owner => new Connection({
      id: this.#connectionNext++, handle, remote, owner, limits: this.options.limits, shared: this.#shared, pool: this.#pool, joiner: this.#joiner, sockets: this.#sockets
    }))
    this.#sessions.add(session)
    const { connection } = session
    connection.lastActiveMs = this.#runtime.now
    this.#metrics.add(metrics.connectionsOpened)
    this.#metrics.set(metrics.connections, this.#sessions.size)
    if (this.#closing) connection.destroy(stopReason)
    else if (this.#sessions.size > this.options.connectionsMax) {
      this.#metrics.add(metrics.connectionsRefused)
      connection.destroy(`max_connections (${this.options.connectionsMax}) is reached`)
    }
  }

  get connections (): number { return this.#sessions.size }

  /** Produce and fetch requests that have come, answered or not: as long as they come, clients work with this broker. */
  get recordRequests (): number { return this.#recordRequests }

  /** Requests that are under way, for a broker that waits for them before it stops. */
  get openExchanges (): number {
    let count = 0
    for (const session of this.#sessions) count += session.openExchanges
    return count
  }

  /** No further requests: what is under way is answered. */
  quiesce (): void {
    this.#closing = true
    for (const { connection } of this.#sessions) connection.pause()
  }

  handleDirty (session: Session): void {
    this.#dirty.push(session)
    this.#out.turnEnd()
  }

  handleClosed (session: Session): void {
    const { connection } = session
    this.#sessions.delete(session)
    this.#metrics.set(metrics.connections, this.#sessions.size)
    this.#countTraffic(connection)
    if (connection.closeReason !== undefined && !quietReasons.has(connection.closeReason)) {
      this.#logger.warn({ remote: connection.remote, connection: connection.id }, `connection closed: ${connection.closeReason}`)
    }
  }

  handleHttp ({ connection }: Session, first: Uint8Array): void {
    this.#http.serve(connection, first)
  }

  #flush (): void {
    const dirty = this.#dirty
    this.#dirty = this.#spare
    for (let i = 0; i < dirty.length; i++) dirty[i]!.flush()
    dirty.length = 0
    this.#spare = dirty
  }

  #sweep (now: number): void {
    for (const { connection } of this.#sessions) {
      if (this.#countTraffic(connection) > 0) connection.lastActiveMs = now
      const idleMs = now - connection.lastActiveMs
      if (connection.midFrame && idleMs > midFrameMsMax) connection.destroy(`nothing came for ${midFrameMsMax} ms in the middle of a request`)
      else if (connection.isFrameLate(sweepMs)) connection.destroy('its request came too slowly')
      else if (idleMs > this.options.idleMs) connection.destroy(idleReason)
    }
    this.#out.timer(sweepMs, sweep)
  }

  /** Returns the bytes that came and went since the last look. */
  #countTraffic (connection: Connection): number {
    const { read, written } = connection.takeTraffic()
    this.#metrics.add(metrics.bytesIn, read)
    this.#metrics.add(metrics.bytesOut, written)
    return read + written
  }

  // ---- requests

  handleFrame (session: Session, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#closing || !session.admits()) return false
    if (this.#open.room < requestsPerFrame) {
      this.#waitForRoom(session)
      return false
    }
    try {
      return this.#handleRequest(session, bytes, start, end)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#metrics.add(metrics.malformedFrames)
      session.connection.destroy(`malformed request: ${error.message}`)
      return false
    }
  }

  #handleRequest (session: Session, bytes: Uint8Array, start: number, end: number): boolean {
    const frame = this.#frame.reset(bytes, start, end)
    const header = readRequestHeader(frame)
    const { api, codec, apiVersion, correlationId } = header
    if (api === apis.apiVersions) return this.#answerVersions(session, header, frame)
    const handler = api === undefined ? undefined : routes[api.name as keyof typeof routes] as Handler<any> | undefined
    if (api === undefined || handler === undefined) throw new ProtocolError(`API key ${header.apiKey} is not known`)
    if (codec === undefined) throw new ProtocolError(`version ${apiVersion} of ${api.name} is not known`)
    session.clientId = header.clientId
    const request = readRequest(frame, codec)
    const exchange = new Exchange(session, api, apiVersion, correlationId, this.#runtime.now)
    if (!handler(exchange, request, this)) {
      this.#metrics.add(metrics.readsPaused)
      return false
    }
    session.begin(exchange)
    if (api === apis.produce || api === apis.fetch) this.#recordRequests++
    this.#metrics.add(metrics.requests, 1, apiIndex(api.key))
    return true
  }

  /** A client's first question: in a version that nobody knows yet it is answered in version 0, so that the client can ask again. */
  #answerVersions (session: Session, { apiVersion, correlationId, codec }: RequestHeader, frame: Reader): boolean {
    const api: AnyApi = apis.apiVersions
    const known = api.serves(apiVersion)
    if (known) session.introduce(codec!.readRequest(frame).clientSoftwareName)
    const exchange = new Exchange(session, api, known ? apiVersion : 0, correlationId, this.#runtime.now)
    session.begin(exchange)
    this.#metrics.add(metrics.requests, 1, apiIndex(api.key))
    exchange.answer({ errorCode: known ? ErrorCode.NONE : ErrorCode.UNSUPPORTED_VERSION, apiKeys: offered, ...describeFeatures(this) })
    return true
  }

  // ---- what handlers use

  get self (): ActorId { return this.#self }

  nextFetchSessionId (): number {
    this.#fetchSessionNext = this.#fetchSessionNext % 0x7fffffff + 1
    return this.#fetchSessionNext
  }

  /**
   * Sends a question to an actor; its answer goes to `asker`. Becomes a request by getting `replyTo` and `correlation`.
   *
   * With too many questions open it is answered at once, as if the actor's mailbox were full.
   *
   * @param bytes  credit that was taken for it, given back with the answer
   * @returns the question's correlation, for {@link forget}
   */
  ask (asker: Asker, part: number, target: ActorId, question: Question, bytes: number, deadlineMs: number): number {
    if (this.#open.room === 0) {
      if (bytes > 0) this.giveBack(target, bytes)
      asker.answered(part, tooManyOpen)
      return 0
    }
    const correlation = this.#open.open(asker, part, target, bytes)
    const request = question as { -readonly [K in keyof Request]: Request[K] }
    request.replyTo = this.#self
    request.correlation = correlation
    this.#runtime.ask(target, request, deadlineMs)
    return correlation
  }

  tell (target: ActorId, message: Message): void {
    this.#runtime.tell(target, message)
  }

  /** The answer to this question is not wanted any more. */
  forget (correlation: number): void {
    this.#open.forget(correlation)
    this.#runtime.forget(this.#self, correlation)
  }

  /** Takes credit of one actor. @returns false: there is none; the session's connection is resumed when there is */
  admit (target: ActorId, bytes: number, session: Session): boolean {
    if (!this.#hasRoom(bytes, session)) return false
    if (!this.#credits.take(target, bytes)) return this.#waitForCredit([{ target, bytes }], session)
    this.#bytesInFlight += bytes
    return true
  }

  /** As {@link admit}, for several at once: takes credit of all of them or of none. */
  admitAll (wanted: readonly CreditWanted[], session: Session): boolean {
    let bytes = 0
    for (const one of wanted) bytes += one.bytes
    if (!this.#hasRoom(bytes, session)) return false
    if (!this.#credits.takeAll(wanted)) return this.#waitForCredit(wanted, session)
    this.#bytesInFlight += bytes
    return true
  }

  #waitForRoom (session: Session): void {
    if (session.waitsToBegin) return
    session.waitsToBegin = true
    this.#roomWaiters.push(session)
  }

  /** After an answer: those that wait try again in turn, until one finds no room and is the first in line again; one that has left takes none. */
  #resumeWaiters (): void {
    const waiters = this.#roomWaiters
    while (waiters.length > 0 && this.#bytesInFlight < bytesInFlightMax && this.#open.room >= requestsPerFrame) {
      const session = waiters.shift()!
      session.waitsToBegin = false
      session.connection.resume()
      if (session.waitsToBegin && waiters.at(-1) === session) {
        waiters.unshift(waiters.pop()!)
        return
      }
    }
  }

  /** Whether the batches of all targets together leave room for so many more; a single larger request goes alone. */
  #hasRoom (bytes: number, session: Session): boolean {
    if (this.#bytesInFlight === 0 || this.#bytesInFlight + bytes <= bytesInFlightMax) return true
    this.#waitForRoom(session)
    return false
  }

  /** A session waits once at a time, whoever else resumes its connection meanwhile. */
  #waitForCredit (wanted: readonly CreditWanted[], session: Session): false {
    if (!session.waitsToBegin) {
      session.waitsToBegin = true
      this.#credits.waitForAll(wanted, () => {
        session.waitsToBegin = false
        session.connection.resume()
      })
    }
    return false
  }

  /** Gives back credit that was taken for a request that was not sent. */
  giveBack (target: ActorId, bytes: number): void {
    this.#bytesInFlight -= bytes
    this.#credits.give(target, bytes)
  }

  /** Counts an answer to a client: how long it took, and with which error. */
  countLatency (histogram: Metric, exchange: Exchange): void {
    this.#metrics.observe(histogram, (this.#runtime.now - exchange.startedAt) / 1000)
  }

  countError (errorCode: number): void {
    this.#metrics.add(metrics.errors, 1, errorIndex(errorClass(errorCode)))
  }

  count (counter: Metric, amount: number): void {
    this.#metrics.add(counter, amount)
  }

  /** Tells `waiter` once, after `delayMs`. */
  onTimer (delayMs: number, waiter: TimeWaiter): TimerId {
    return this.#out.timer(delayMs, { kind: 'network-timer', waiter } as NetworkTimer)
  }

  cancelTimer (timer: TimerId): void {
    this.#out.cancel(timer)
  }

  #subscribe (): void {
    const asker: Asker = {
      answered: (_part, reply) => {
        if (reply.kind === 'metadata-image') this.#replaceMetadata(reply as MetadataImage)
        else this.#out.timer(resubscribeMs, resubscribe)
      }
    }
    this.ask(asker, 0, this.controller, { kind: 'subscribe-metadata' }, 0, subscribeDeadlineMs)
  }
}

const offered = advertise(routedApis)
const tooManyOpen: Undeliverable = { kind: 'undeliverable', correlation: 0, reason: 'mailbox-full' }
const idleReason = 'idle'
const stopReason = 'the broker stops'
/** Ends of connections that are nobody's fault and no news. */
const quietReasons = new Set(['', 'ECONNRESET', 'EPIPE', idleReason, stopReason])
