/** What the threads of these tests run: actors that flood, echo, spin and eat memory, and a board on which they say how far they are. */
import type { Message } from '../../src/base/effect.ts'
import type { ActorId } from '../../src/base/ids.ts'
import { seededChance, type Chance } from '../../src/base/prng.ts'
import type { Actor, Outbox, Reply, Request } from '../../src/runtime/actor.ts'
import type { ActorContext } from '../../src/runtime/cell.ts'
import type { MessageCodec } from '../../src/runtime/codec.ts'
import type { ActorSpec, Program } from '../../src/runtime/program.ts'

export interface Init { readonly board: SharedArrayBuffer }

/** Words of the board; each actor of a test gets one of its own to count up. */
export function post (board: Int32Array, word: number, count = 1): void {
  Atomics.add(board, word, count)
  Atomics.notify(board, word)
}

/** Resolves when the word has reached `goal`. @throws after `waitMs` */
export async function reached (board: Int32Array, word: number, goal: number, waitMs = 60_000): Promise<void> {
  const end = performance.now() + waitMs
  // A pending waitAsync does not hold the event loop open.
  const keepAlive = setInterval(() => {}, 1000)
  try {
    for (let value; (value = Atomics.load(board, word)) < goal;) {
      const left = end - performance.now()
      if (left <= 0) throw new Error(`board word ${word} is ${value} and not ${goal} after ${waitMs} ms`)
      await Atomics.waitAsync(board, word, value, left).value
    }
  } finally {
    clearInterval(keepAlive)
  }
}

export interface Data extends Request { readonly kind: 'data', readonly sequence: number, readonly bytes: Uint8Array }
export interface Echoed extends Reply { readonly kind: 'echoed', readonly sequence: number, readonly bytes: Uint8Array }

const dataCodec: MessageCodec<Data> = {
  kind: 'data',
  code: 1,
  size: ({ bytes }) => 16 + bytes.length,
  write: ({ replyTo, correlation, sequence, bytes }, memory, offset) => {
    memory.view.setUint32(offset, replyTo)
    memory.view.setUint32(offset + 4, correlation)
    memory.view.setUint32(offset + 8, sequence)
    memory.bytes.set(bytes, offset + 16)
  },
  read: ({ view, bytes }, offset, length) => ({
    kind: 'data',
    replyTo: view.getUint32(offset) as ActorId,
    correlation: view.getUint32(offset + 4),
    sequence: view.getUint32(offset + 8),
    bytes: bytes.subarray(offset + 16, offset + length)
  })
}

/** What a sender and its receiver both can compute for a sequence number. */
function fillOf (sequence: number, length: number): number {
  return (sequence * 31 + length) & 0xff
}

function isIntact (bytes: Uint8Array, sequence: number): boolean {
  const fill = fillOf(sequence, bytes.length)
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== fill) return false
  return true
}

export interface FloodSpec extends ActorSpec {
  readonly type: 'flood'
  readonly target: ActorId
  readonly count: number
  readonly sizeMax: number
  readonly seed: number
  /** Requests in flight. */
  readonly window: number
  /** Chance that the next request waits for a timer first, so that threads fall asleep. */
  readonly pauses: number
  /** Requests that cannot be delivered are sent again; otherwise they count as errors. */
  readonly retry: boolean
  /** Board words: counted up for each answer, for each wrong thing, and for each undeliverable request. */
  readonly answers: number
  readonly errors: number
  readonly undelivered: number
}

/** Sends numbered requests to an echo, and checks that answers come in order, whole and once. */
class Flood implements Actor {
  readonly #spec: FloodSpec
  readonly #board: Int32Array
  readonly #chance: Chance
  #correlation: number
  #sent = 0
  #expected = 0

  constructor (spec: FloodSpec, board: Int32Array, { life }: ActorContext) {
    this.#spec = spec
    this.#board = board
    this.#chance = seededChance(spec.seed)
    this.#correlation = life << 12
  }

  started (out: Outbox): void {
    for (let i = 0; i < this.#spec.window; i++) this.#send(out)
  }

  receive (message: Message, out: Outbox): void {
    const spec = this.#spec
    switch (message.kind) {
      case 'echoed': {
        const { sequence, bytes } = message as Echoed
        if (!spec.retry && sequence !== this.#expected++) post(this.#board, spec.errors)
        if (!isIntact(bytes, sequence)) post(this.#board, spec.errors)
        post(this.#board, spec.answers)
        if (this.#chance.next() < spec.pauses) out.timer(this.#chance.next() * 4, { kind: 'go-on' })
        else this.#send(out)
        break
      }
      case 'undeliverable':
        post(this.#board, spec.undelivered)
        if (!spec.retry) break
        this.#sent--
        out.timer(5, { kind: 'go-on' })
        break
      case 'go-on': this.#send(out)
    }
  }

  #send (out: Outbox): void {
    if (this.#sent >= this.#spec.count) return
    const sequence = this.#sent++
    const length = this.#chance.uint32() % (this.#spec.sizeMax + 1)
    const bytes = Buffer.alloc(length, fillOf(sequence, length))
    this.#correlation = (this.#correlation + 1) >>> 0
    const data: Data = { kind: 'data', replyTo: out.self, correlation: this.#correlation, sequence, bytes }
    out.ask(this.#spec.target, data, 60_000)
  }
}

/** Answers with the same bytes; some answers by MessagePack. Alone of all it can be made to break. */
class Echo implements Actor {
  readonly #hoard: unknown[] = []

  receive (message: Message, out: Outbox): void {
    switch (message.kind) {
      case 'data': {
        const { replyTo, correlation, sequence, bytes } = message as Data
        out.tell(replyTo, { kind: 'echoed', correlation, sequence, bytes } as Echoed)
        break
      }
      case 'throw': throw new Error('told to throw')
      case 'spin': for (;;);
      case 'hog': for (;;) this.#eat()
      case 'nibble':
        for (let i = 0; i < 2_000; i++) this.#eat()
        out.timer(0, message)
        break
      case 'exit': process.exit(3)
    }
  }

  #eat (): void {
    this.#hoard.push({ number: this.#hoard.length, list: [this.#hoard.length] })
  }
}

export interface PokeSpec extends ActorSpec { readonly type: 'poke', readonly target: ActorId, readonly message: Message }

export interface StreamSpec extends ActorSpec {
  readonly type: 'stream'
  readonly target: ActorId
  readonly count: number
  readonly stream: number
  readonly sent: number
}

/** Tells numbered messages, some a turn, without waiting for anything. */
class Stream implements Actor {
  readonly #spec: StreamSpec
  readonly #board: Int32Array
  #next = 0

  constructor (spec: StreamSpec, board: Int32Array) {
    this.#spec = spec
    this.#board = board
  }

  started (out: Outbox): void {
    out.timer(0, { kind: 'go-on' })
  }

  receive (_message: Message, out: Outbox): void {
    const { target, count, stream, sent } = this.#spec
    for (let i = 0; i < 20 && this.#next < count; i++) {
      out.tell(target, { kind: 'item', stream, sequence: this.#next++ } as Message)
      post(this.#board, sent)
    }
    if (this.#next < count) out.timer(1, { kind: 'go-on' })
  }
}

export interface SinkSpec extends ActorSpec {
  readonly type: 'sink'
  readonly received: number
  readonly errors: number
  /** First board word of the next number expected of each stream: memory that outlives a move, as a log would. */
  readonly expected: number
}

class Sink implements Actor {
  readonly #spec: SinkSpec
  readonly #board: Int32Array

  constructor (spec: SinkSpec, board: Int32Array) {
    this.#spec = spec
    this.#board = board
  }

  receive (message: Message): void {
    const { stream, sequence } = message as Message & { stream: number, sequence: number }
    const word = this.#spec.expected + stream
    if (Atomics.load(this.#board, word) !== sequence) post(this.#board, this.#spec.errors)
    Atomics.store(this.#board, word, sequence + 1)
    post(this.#board, this.#spec.received)
  }
}

export interface SlowSpec extends ActorSpec { readonly type: 'slow', readonly closeMs: number, readonly opened: number, readonly closed: number }

export const program: Program<Init> = {
  codecs: [dataCodec],
  open: async ({ init }) => {
    const board = new Int32Array(init.board)
    return {
      factories: {
        network: async () => ({ receive: () => {} }),
        echo: async () => new Echo(),
        flood: async (spec: FloodSpec, context) => new Flood(spec, board, context),
        poke: async ({ target, message }: PokeSpec) => ({ started: out => out.tell(target, message), receive: () => {} }),
        stream: async (spec: StreamSpec) => new Stream(spec, board),
        sink: async (spec: SinkSpec) => new Sink(spec, board),
        slow: async ({ closeMs, opened, closed }: SlowSpec) => {
          post(board, opened)
          const close = async (): Promise<void> => {
            await new Promise(resolve => setTimeout(resolve, closeMs))
            post(board, closed)
          }
          return { receive: () => {}, close }
        }
      }
    }
  }
}
