/** XADD commands to a Redis stream, one entry each, in the same shape as the produce load. */
import { connect } from 'node:net'
import type { AppendProtocol } from './append.ts'

const lineEnd = 13

/** A command in RESP. */
export function redisCommand (...words: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...words.flatMap(word => {
    const bytes = Buffer.from(word)
    return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]
  })])
}

/** Sends one command and returns the first line of its answer. */
export async function redisCall (port: number, ...words: readonly string[]): Promise<string> {
  return await new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(redisCommand(...words)))
    socket.setTimeout(30_000, () => socket.destroy(new Error('no answer within 30 s')))
    socket.once('data', bytes => { socket.destroy(); resolve(bytes.toString('latin1').split('\r\n', 1)[0]!) })
    socket.once('error', reject)
  })
}

/** Entry ids are "milliseconds-sequence": as one number they grow with every entry. */
export class RedisAppend implements AppendProtocol {
  readonly frames: Buffer
  readonly frameBytes: number
  readonly frameCount: number
  #lastMs = 0
  #lastSequence = -1

  constructor (stream: string, value: Uint8Array, inFlight: number) {
    const frame = redisCommand('XADD', stream, '*', 'v', value)
    this.frameBytes = frame.length
    this.frameCount = inFlight
    this.frames = Buffer.concat(Array.from({ length: inFlight }, () => frame))
  }

  stamp (): void {}

  parse (bytes: Buffer, at: number, end: number): number {
    // $15\r\n1718000000000-0\r\n
    let position = bytes.indexOf(lineEnd, at) + 2
    if (position < 2 || position >= end) return -1
    if (bytes[at] !== 0x24) throw new Error(`XADD failed: ${bytes.toString('latin1', at, position)}`)
    const last = bytes.indexOf(lineEnd, position)
    if (last < 0 || last + 2 > end) return -1
    const numbers = [0, 0]
    for (let part = 0; position < last; position++) {
      const digit = bytes[position]! - 48
      if (digit >= 0 && digit <= 9) numbers[part] = numbers[part]! * 10 + digit
      else part = 1
    }
    const [ms, sequence] = [numbers[0]!, numbers[1]!]
    if (ms < this.#lastMs || (ms === this.#lastMs && sequence <= this.#lastSequence)) throw new Error('an entry id came after a larger one')
    this.#lastMs = ms
    this.#lastSequence = sequence
    return last + 2
  }
}
