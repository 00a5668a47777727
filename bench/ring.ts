/**
 * `npm run bench -- ring`: one message from here to there, 32 B to 64 KiB, on one thread and to another: our ring,
 * ringbuf.js, and postMessage. One way, as fast as the receiver takes them; the receiver looks at each message's ends.
 * A ring's sender and receiver spin for each other here, so this shows the ring alone, without doorbells.
 */
import { once } from 'node:events'
import { isMainThread, MessageChannel, parentPort, receiveMessageOnPort, Worker, workerData, type MessagePort } from 'node:worker_threads'
import { RingBuffer } from 'ringbuf.js'
import { createRing, RingReader, RingWriter } from '../src/runtime/ring.ts'
import { benchOptions, printResults, Results, seed, summary, type Measurement, type Result } from './harness.ts'

const ways = ['ring', 'ringbuf', 'postMessage'] as const
type Way = typeof ways[number]
const ringBytes = 1 << 20
const sizes = [32, 64, 256, 1024, 4096, 16_384, 65_536]
/** Published together, as a turn of the event loop does. */
const batch = 16

interface Sender {
  /** Returns false when there is no room now. */
  send (payload: Uint8Array): boolean
  flush (): void
}

interface Receiver {
  /** Takes what is there, up to a batch. Returns how many messages that were. */
  receive (take: (bytes: Uint8Array, offset: number, length: number) => void): number
}

function ringSender (shared: SharedArrayBuffer): Sender {
  const ring = new RingWriter(shared)
  return {
    send: payload => {
      const offset = ring.reserve(payload.length)
      if (offset < 0) return false
      ring.memory.bytes.set(payload, offset)
      ring.commit(1)
      return true
    },
    flush: () => { ring.publish() }
  }
}

function ringReceiver (shared: SharedArrayBuffer): Receiver {
  const ring = new RingReader(shared)
  return {
    receive: take => {
      let count = 0
      for (; count < batch && ring.next(); count++) take(ring.memory.bytes, ring.offset, ring.length)
      ring.release()
      return count
    }
  }
}

/** ringbuf.js moves elements: a message is its length and its bytes. */
function ringbufSender (shared: SharedArrayBuffer): Sender {
  const ring = new RingBuffer(shared, Uint8Array as never)
  const length = new Uint8Array(4)
  const view = new DataView(length.buffer)
  return {
    send: payload => {
      if (ring.availableWrite() < payload.length + 4) return false
      view.setUint32(0, payload.length)
      ring.push(length, 4)
      ring.push(payload, payload.length)
      return true
    },
    flush: () => {}
  }
}

function ringbufReceiver (shared: SharedArrayBuffer): Receiver {
  const ring = new RingBuffer(shared, Uint8Array as never)
  const length = new Uint8Array(4)
  const view = new DataView(length.buffer)
  const bytes = new Uint8Array(sizes.at(-1)!)
  return {
    receive: take => {
      let count = 0
      for (; count < batch && ring.availableRead() >= 4; count++) {
        ring.pop(length, 4, 0)
        const payloadBytes = view.getUint32(0)
        // The length may be visible before the bytes are.
        while (ring.availableRead() < payloadBytes);
        ring.pop(bytes, payloadBytes, 0)
        take(bytes, 0, payloadBytes)
      }
      return count
    }
  }
}

function createShared (way: Way): SharedArrayBuffer {
  return way === 'ring' ? createRing(ringBytes) : RingBuffer.getStorageForCapacity(ringBytes, Uint8Array as never)
}

const senderOf = (way: Way, shared: SharedArrayBuffer): Sender => way === 'ring' ? ringSender(shared) : ringbufSender(shared)
const receiverOf = (way: Way, shared: SharedArrayBuffer): Receiver => way === 'ring' ? ringReceiver(shared) : ringbufReceiver(shared)

/** Folds each message's length, first and last byte, in order. */
class Checksum {
  #hash = 0x811c9dc5
  count = 0

  readonly take = (bytes: Uint8Array, offset: number, length: number): void => {
    this.#hash = Math.imul(this.#hash ^ length ^ (bytes[offset]! << 8) ^ (bytes[offset + length - 1]! << 16), 0x01000193)
    this.count++
  }

  toString (): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0')
  }
}

/** Stamps a message so that no two in a row are alike. */
function stamp (payload: Uint8Array, number: number): void {
  payload[0] = number
  payload[payload.length - 1] = number >> 8
}

function sendAll (sender: Sender, payload: Uint8Array, start: number, end: number, onFull: () => void): void {
  for (let i = start; i < end; i++) {
    stamp(payload, i)
    while (!sender.send(payload)) {
      sender.flush()
      onFull()
    }
    if (i % batch === batch - 1) sender.flush()
  }
  sender.flush()
}

/** Gives the other side a moment once spinning has not helped: the machine may have fewer cores than threads. */
const idle = new Int32Array(new SharedArrayBuffer(4))
let spins = 0
function relax (): void {
  if (++spins % 10_000 === 0) Atomics.wait(idle, 0, 0, 0.05)
}

interface Job { readonly way: Way, readonly shared: SharedArrayBuffer | undefined, readonly count: number }

/** The receiving thread: one job after the other, each answered with its checksum. */
function serve (port: MessagePort): void {
  let checksum = new Checksum()
  let wanted = 0
  port.on('message', (message: Job | Uint8Array) => {
    if (message instanceof Uint8Array) {
      checksum.take(message, 0, message.length)
    } else {
      checksum = new Checksum()
      wanted = message.count
      if (message.shared !== undefined) {
        const receiver = receiverOf(message.way, message.shared)
        while (checksum.count < wanted) if (receiver.receive(checksum.take) === 0) relax()
      }
    }
    if (checksum.count === wanted) port.postMessage(String(checksum))
  })
}

function oneThread (way: Way, size: number, count: number): string {
  const checksum = new Checksum()
  const payload = new Uint8Array(size).fill(seed & 0xff)
  if (way === 'postMessage') {
    const { port1, port2 } = new MessageChannel()
    for (let i = 0; i < count; i++) {
      stamp(payload, i)
      port1.postMessage(payload)
      if (i % batch !== batch - 1 && i !== count - 1) continue
      for (let got; (got = receiveMessageOnPort(port2)) !== undefined;) checksum.take(got.message as Uint8Array, 0, size)
    }
    port1.close()
    return String(checksum)
  }
  const shared = createShared(way)
  const sender = senderOf(way, shared)
  const receiver = receiverOf(way, shared)
  for (let sent = 0; sent < count;) {
    const some = Math.min(batch, count - sent, Math.max(1, (ringBytes >> 1) / size))
    sendAll(sender, payload, sent, sent + some, relax)
    sent += some
    while (checksum.count < sent) receiver.receive(checksum.take)
  }
  return String(checksum)
}

async function toThread (worker: Worker, way: Way, size: number, count: number): Promise<string> {
  const payload = new Uint8Array(size).fill(seed & 0xff)
  const done = once(worker, 'message')
  const shared = way === 'postMessage' ? undefined : createShared(way)
  worker.postMessage({ way, shared, count } satisfies Job)
  if (shared !== undefined) {
    sendAll(senderOf(way, shared), payload, 0, count, relax)
  } else {
    for (let i = 0; i < count; i++) {
      stamp(payload, i)
      worker.postMessage(payload)
      // Its queue has no bound of its own.
      if (i % 1024 === 1023) await new Promise(resolve => setImmediate(resolve))
    }
  }
  const [checksum] = await done as [string]
  return checksum
}

async function measure (count: number, size: number, run: () => Promise<string> | string): Promise<Measurement> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  const checksum = await run()
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return { messages: count, bytes: count * size, seconds, cpu: { user: user / 1e6, system: system / 1e6 }, checksum }
}

async function main (): Promise<void> {
  const options = benchOptions()
  const results = new Results('ring', options)
  const worker = new Worker(new URL(import.meta.url), { workerData: 'receiver' })
  const medians: Result[] = []
  for (const size of options.smoke ? [32, 4096] : sizes) {
    for (const where of ['one-thread', 'two-threads']) {
      for (const way of ways) {
        const count = options.smoke ? 1000 : Math.min(way === 'postMessage' ? 200_000 : 2_000_000, Math.ceil(2e9 / size))
        const run = (count: number): Promise<string> | string => where === 'one-thread' ? oneThread(way, size, count) : toThread(worker, way, size, count)
        await run(Math.ceil(count / 10))
        const rounds: Result[] = []
        for (let round = 0; round < options.rounds; round++) {
          rounds.push(await results.measure(where, { way, size, count, batch, ringBytes }, () => measure(count, size, () => run(count)), round))
        }
        medians.push(summary(rounds))
      }
    }
  }
  printResults(medians)
  await worker.terminate()
}

if (isMainThread) await main()
else if (workerData === 'receiver') serve(parentPort!)
