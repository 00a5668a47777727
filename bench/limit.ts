/**
 * The limit: one thread that does only what no broker can leave out, with the means that a Node program has. It reads
 * frames, checks each batch's CRC, stamps its base offset, writes a loop turn's batches with one call per partition and
 * answers; a fetch is one read of the file. No actors, rings, recovery, quotas, or checks of what clients send: a bare
 * broker to measure the distance to, for loaders and Kafka's perf tools.
 *
 * node bench/limit.ts --data-dir D --log-flush os|always [--sync dsync|fdatasync] [--piece-bytes N] [--port P]
 */
import { mkdirSync } from 'node:fs'
import { createServer, Socket } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { answer, type ConnectionLike, type Topics } from './limit-answers.ts'
import { Partition, pool, type SyncKind } from './limit-partition.ts'
import { apiKey } from './wire.ts'

const readBytes = 256 * 1024
/** A frame that misses more than this is received right into its own memory. */
const directBytes = 16 * 1024
const frameBytesMax = 100 * 2 ** 20

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'data-dir': { type: 'string' },
    'log-flush': { type: 'string', default: 'os' },
    sync: { type: 'string', default: 'dsync' },
    'piece-bytes': { type: 'string', default: String(2 ** 20) }
  }
})
const always = values['log-flush'] === 'always'
const sync: SyncKind = !always ? 'none' : values.sync === 'fdatasync' ? 'fdatasync' : 'dsync'
const pieceBytes = Number(values['piece-bytes'])
if (values['data-dir'] === undefined) throw new Error('--data-dir is missing')
const dataDir = values['data-dir']

class Broker implements Topics {
  readonly topics = new Map<string, Partition[]>()

  create (name: string, partitions: number): void {
    if (this.topics.has(name) || !/^[\w.-]{1,200}$/.test(name)) return
    this.topics.set(name, Array.from({ length: partitions }, (_, index) => new Partition(join(dataDir, `${name}-${index}.log`), sync)))
  }

  delete (name: string): void {
    for (const partition of this.topics.get(name) ?? []) partition.close()
    this.topics.delete(name)
  }

  partitions (name: string): number | undefined { return this.topics.get(name)?.length }
  ends (name: string): number[] { return this.topics.get(name)!.map(partition => partition.visible) }
}
const broker = new Broker()

/** One partition of a fetch, as asked. */
interface FetchPart { readonly topic: string, readonly partition: number, readonly offset: number, readonly maxBytes: number }
interface Waiting { readonly correlation: number, readonly parts: readonly FetchPart[], readonly timer: NodeJS.Timeout, due: boolean }

/** The batches and answers of a loop turn, and the memory that its writes need; while one is being synced, the next forms. */
let dirty = new Set<Partition>()
let answering: Connection[] = []
let lent: Buffer<ArrayBuffer>[] = []
let turnScheduled = false
let flushing = false
const waiting = new Set<Connection>()

function scheduleTurn (): void {
  if (turnScheduled || flushing) return
  turnScheduled = true
  setImmediate(endTurn)
}

function endTurn (): void {
  turnScheduled = false
  const [partitions, connections] = [dirty, answering]
  dirty = new Set()
  answering = []
  const answers = connections.map(connection => connection.seal())
  const memory = lent
  lent = []
  let left = partitions.size
  const finish = (): void => {
    flushing = false
    for (const buffer of memory) pool.give(buffer)
    connections.forEach((connection, index) => connection.send(answers[index]!))
    for (const connection of waiting) connection.wake(false)
    if (dirty.size > 0 || answering.length > 0) scheduleTurn()
  }
  if (left === 0) return finish()
  flushing = true
  for (const partition of partitions) partition.flush(memory, () => { if (--left === 0) finish() })
}

const shared = Buffer.allocUnsafeSlow(readBytes)

class Connection implements ConnectionLike {
  readonly #socket: Socket
  /** A frame that is not complete yet, and how much of it is there. */
  #frame: Buffer<ArrayBuffer> | undefined
  #frameBytes = 0
  #frameEnd = 0
  /** Answers of the open group. */
  #out = Buffer.allocUnsafeSlow(1024)
  #outEnd = 0
  #queued = false
  /** Groups that hold answers of this connection: a fetch must not overtake them. */
  #groups = 0
  #waiting: Waiting | undefined

  constructor (handle: unknown) {
    this.#socket = new Socket({
      // @ts-expect-error: the types know no `handle`; a socket made from one is how a shared read buffer comes to an accepted connection
      handle,
      onread: { buffer: () => this.#nextBuffer(), callback: (bytes: number) => { this.#received(bytes); return true } }
    })
    this.#socket.setNoDelay(true)
    this.#socket.on('error', () => {}).on('close', () => { clearTimeout(this.#waiting?.timer); waiting.delete(this) })
    this.#socket.resume()
  }

  /** Where the next bytes go: the shared buffer, or right into a large frame that is under way. */
  #nextBuffer (): Buffer {
    if (this.#frame !== undefined && this.#frameBytes - this.#frameEnd > directBytes) return this.#frame.subarray(this.#frameEnd, this.#frameBytes)
    return shared
  }

  #received (bytes: number): void {
    if (this.#frame !== undefined && this.#frameBytes - this.#frameEnd > directBytes) {
      this.#frameEnd += bytes
      if (this.#frameEnd === this.#frameBytes) this.#completed()
      return
    }
    let at = 0
    while (at < bytes) {
      if (this.#frame === undefined) {
        const left = bytes - at
        const size = left < 4 ? 4 : this.#sizeOf(shared, at)
        if (left >= 4 && left >= size) {
          this.#handle(shared, at + 4, at + size, false)
          at += size
          continue
        }
        this.#frame = pool.take(size)
        this.#frameBytes = size
        this.#frameEnd = 0
      }
      const taken = Math.min(bytes - at, this.#frameBytes - this.#frameEnd)
      this.#frame.set(shared.subarray(at, at + taken), this.#frameEnd)
      this.#frameEnd += taken
      at += taken
      if (this.#frameEnd < this.#frameBytes) return
      if (this.#frameBytes === 4) this.#frame = grown(this.#frame, this.#frameBytes = this.#sizeOf(this.#frame, 0), 4)
      else this.#completed()
    }
  }

  #sizeOf (bytes: Buffer, at: number): number {
    const size = bytes.readInt32BE(at) + 4
    if (size < 12 || size > frameBytesMax) throw new Error(`frame of ${size} bytes`)
    return size
  }

  #completed (): void {
    const frame = this.#frame!
    this.#frame = undefined
    if (!this.#handle(frame, 4, this.#frameBytes, true)) pool.give(frame)
  }

  /** Handles the request in `bytes` from `at` to `end`; returns whether its memory is kept until the group is written. */
  #handle (bytes: Buffer<ArrayBuffer>, at: number, end: number, mayLend: boolean): boolean {
    if (this.#waiting !== undefined) {
      this.wake(true)
      if (this.#waiting !== undefined) throw new Error('more requests behind a fetch than the limit keeps in order')
    }
    const correlation = bytes.readInt32BE(at + 4)
    const key = bytes.readInt16BE(at)
    const body = at + 10 + Math.max(0, bytes.readInt16BE(at + 8))
    switch (key) {
      case apiKey.produce: return this.#produce(bytes, body, correlation, mayLend && end - at > directBytes)
      case apiKey.fetch: this.#fetch(bytes, body, correlation); return false
      default: answer(this, broker, listening.port, key, bytes.readInt16BE(at + 2), correlation, bytes.subarray(body, end)); return false
    }
  }

  /** Produce 3 to 7: the answer, but for the base offsets, repeats the request's topics and partitions. */
  #produce (bytes: Buffer<ArrayBuffer>, body: number, correlation: number, mayLend: boolean): boolean {
    let at = body + 2 + Math.max(0, bytes.readInt16BE(body)) + 6
    const acks = bytes.readInt16BE(at - 6)
    const start = this.#outEnd
    let keeps = false
    this.#int32(0)
    this.#int32(correlation)
    let topics = bytes.readInt32BE(at)
    this.#int32(topics)
    for (at += 4; topics > 0; topics--) {
      const nameEnd = at + 2 + bytes.readInt16BE(at)
      const partitions = broker.topics.get(bytes.toString('latin1', at + 2, nameEnd))
      this.#copy(bytes, at, nameEnd)
      let count = bytes.readInt32BE(nameEnd)
      this.#int32(count)
      for (at = nameEnd + 4; count > 0; count--) {
        const index = bytes.readInt32BE(at)
        const length = bytes.readInt32BE(at + 4)
        const partition = partitions?.[index]
        const baseOffset = partition === undefined ? -1 : partition.append(bytes.subarray(at + 8, at + 8 + length), mayLend, lent)
        if (baseOffset >= 0) {
          dirty.add(partition!)
          keeps = mayLend
        }
        at += 8 + length
        this.#int32(index)
        this.#int16(partition === undefined ? 3 : baseOffset < 0 ? 2 : 0)
        this.#int64(baseOffset)
        this.#int64(-1)
        this.#int64(0)
      }
    }
    this.#int32(0)
    this.#out.writeInt32BE(this.#outEnd - start - 4, start)
    if (acks === 0) this.#outEnd = start
    this.#queue()
    if (keeps) lent.push(bytes)
    return keeps
  }

  /** Fetch 4. */
  #fetch (bytes: Buffer, body: number, correlation: number): void {
    let at = body + 21
    const maxWaitMs = bytes.readInt32BE(body + 4)
    const parts: FetchPart[] = []
    for (let topics = bytes.readInt32BE(body + 17); topics > 0; topics--) {
      const nameEnd = at + 2 + bytes.readInt16BE(at)
      const topic = bytes.toString('latin1', at + 2, nameEnd)
      let count = bytes.readInt32BE(nameEnd)
      for (at = nameEnd + 4; count > 0; count--, at += 16) {
        parts.push({ topic, partition: bytes.readInt32BE(at), offset: bytes.readInt32BE(at + 4) * 2 ** 32 + bytes.readUInt32BE(at + 8), maxBytes: Math.min(pieceBytes, bytes.readInt32BE(at + 12)) })
      }
    }
    if (this.#groups === 0 && (maxWaitMs === 0 || this.#available(parts))) return this.#answerFetch(correlation, parts)
    this.#waiting = { correlation, parts, timer: setTimeout(() => this.wake(true), maxWaitMs), due: maxWaitMs === 0 }
    waiting.add(this)
  }

  #available (parts: readonly FetchPart[]): boolean {
    return parts.some(part => part.offset < (broker.topics.get(part.topic)?.[part.partition]?.visible ?? Infinity))
  }

  /** Answers a waiting fetch when there is something, or at any rate. */
  wake (atAnyRate: boolean): void {
    if (this.#waiting === undefined) return
    this.#waiting.due ||= atAnyRate
    if (this.#groups > 0 || !(this.#waiting.due || this.#available(this.#waiting.parts))) return
    const { correlation, parts, timer } = this.#waiting
    clearTimeout(timer)
    this.#waiting = undefined
    waiting.delete(this)
    this.#answerFetch(correlation, parts)
  }

  /** Head and record bytes lie in one buffer and leave in one write. */
  #answerFetch (correlation: number, parts: readonly FetchPart[]): void {
    const names = new Map<string, FetchPart[]>()
    for (const part of parts) names.set(part.topic, [...names.get(part.topic) ?? [], part])
    const capacity = 64 + parts.reduce((sum, part) => sum + 64 + part.topic.length + part.maxBytes, 0)
    const target = pool.take(capacity)
    target.writeInt32BE(correlation, 4)
    target.writeInt32BE(0, 8)
    let at = target.writeInt32BE(names.size, 12)
    for (const [name, asked] of names) {
      at = target.writeInt16BE(name.length, at)
      at += target.write(name, at, 'latin1')
      at = target.writeInt32BE(asked.length, at)
      for (const part of asked) {
        const partition = broker.topics.get(name)?.[part.partition]
        const visible = partition?.visible ?? -1
        at = target.writeInt32BE(part.partition, at)
        at = target.writeInt16BE(partition === undefined ? 3 : part.offset > visible ? 1 : 0, at)
        for (let twice = 0; twice < 2; twice++) {
          at = target.writeInt32BE(Math.floor(visible / 2 ** 32), at)
          at = target.writeInt32BE(visible | 0, at)
        }
        at = target.writeInt32BE(-1, at)
        const bytes = partition !== undefined && part.offset < visible ? partition.read(part.offset, target, at + 4, part.maxBytes) : 0
        at = target.writeInt32BE(bytes, at) + bytes
      }
    }
    target.writeInt32BE(at - 4, 0)
    this.#socket.write(target.subarray(0, at), () => pool.give(target))
  }

  /** An answer that is complete, its size at the head. */
  answer (bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#out.set(bytes, this.#outEnd)
    this.#outEnd += bytes.length
    this.#queue()
  }

  #queue (): void {
    if (!this.#queued) {
      this.#queued = true
      this.#groups++
      answering.push(this)
    }
    scheduleTurn()
  }

  /** Takes the answers of the group that closes now. Unless groups are synced they are sent before new ones come, so their memory is used again. */
  seal (): Buffer {
    this.#queued = false
    const answers = this.#out.subarray(0, this.#outEnd)
    this.#outEnd = 0
    if (always) this.#out = Buffer.allocUnsafe(1024) as Buffer<ArrayBuffer>
    return answers
  }

  send (answers: Buffer): void {
    this.#groups--
    if (answers.length === 0 || this.#socket.destroyed) return
    this.#socket.write(answers)
    // What the kernel did not take at once is still being read from this memory.
    if (this.#socket.writableLength > 0) this.#out = Buffer.allocUnsafeSlow(1024)
  }

  #room (bytes: number): void { if (this.#outEnd + bytes > this.#out.length) this.#out = grown(this.#out, (this.#outEnd + bytes) * 2, this.#outEnd) }
  #int16 (value: number): void { this.#room(2); this.#outEnd = this.#out.writeInt16BE(value, this.#outEnd) }
  #int32 (value: number): void { this.#room(4); this.#outEnd = this.#out.writeInt32BE(value, this.#outEnd) }
  #int64 (value: number): void { this.#int32(Math.floor(value / 2 ** 32)); this.#int32(value | 0) }
  #copy (bytes: Buffer, from: number, to: number): void {
    this.#room(to - from)
    this.#outEnd += bytes.copy(this.#out, this.#outEnd, from, to)
  }
}

function grown (buffer: Buffer<ArrayBuffer>, bytes: number, used: number): Buffer<ArrayBuffer> {
  if (bytes <= buffer.length) return buffer
  const larger = Buffer.allocUnsafeSlow(bytes)
  larger.set(buffer.subarray(0, used))
  return larger
}

const listening = { port: 0 }
mkdirSync(dataDir, { recursive: true })
const server = createServer({ pauseOnConnect: true }, socket => {
  // @ts-expect-error: not in the types
  const handle = socket._handle
  // @ts-expect-error: the handle gets an owner of its own
  socket._handle = null
  // eslint-disable-next-line no-new
  new Connection(handle)
})
server.listen(Number(values.port), '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address !== 'string') listening.port = address.port
  console.log(`listening on ${listening.port}`)
})
process.once('SIGTERM', () => {
  for (const name of [...broker.topics.keys()]) broker.delete(name)
  process.exit(0)
})
