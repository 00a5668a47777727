/** Publishes to a NATS JetStream stream, one message each, answered when it is stored. */
import { connect } from 'node:net'
import type { AppendProtocol } from './append.ts'

const lineFeed = 10

/** Connects, sends one request and returns the payload of its answer. */
export async function natsRequest (port: number, subject: string, payload: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(`CONNECT {"verbose":false,"pedantic":false}\r\nSUB _INBOX.call 1\r\nPUB ${subject} _INBOX.call ${Buffer.byteLength(payload)}\r\n${payload}\r\n`))
    socket.setTimeout(30_000, () => socket.destroy(new Error('no answer within 30 s')))
    socket.once('error', reject)
    socket.on('data', bytes => {
      text += bytes.toString('latin1')
      const answer = /MSG _INBOX\.call 1 (\d+)\r\n([^]*)/.exec(text)
      if (answer === null || answer[2]!.length < Number(answer[1])) return
      socket.destroy()
      resolve(answer[2]!.slice(0, Number(answer[1])))
    })
  })
}

export class NatsAppend implements AppendProtocol {
  readonly frames: Buffer
  readonly frameBytes: number
  readonly frameCount: number
  /** To be sent at connect: each connection has an inbox of its own. */
  readonly greeting: Buffer
  #lastSequence = 0

  constructor (subject: string, value: Uint8Array, inFlight: number, connection: number) {
    const inbox = `_INBOX.${connection}`
    this.greeting = Buffer.from(`CONNECT {"verbose":false,"pedantic":false}\r\nSUB ${inbox} 1\r\n`)
    const frame = Buffer.concat([Buffer.from(`PUB ${subject} ${inbox} ${value.length}\r\n`), value, Buffer.from('\r\n')])
    this.frameBytes = frame.length
    this.frameCount = inFlight
    this.frames = Buffer.concat(Array.from({ length: inFlight }, () => frame))
  }

  stamp (): void {}

  parse (bytes: Buffer, at: number, end: number): number {
    for (;;) {
      const headEnd = bytes.indexOf(lineFeed, at) + 1
      if (headEnd === 0 || headEnd > end) return -1
      const first = bytes[at]!
      // Between answers: PING once in a while, INFO when the server has news. A load ends before a missing PONG matters.
      if (first === 0x50 || first === 0x49) {
        at = headEnd
        if (at >= end) return -1
        continue
      }
      if (first !== 0x4d) throw new Error(`NATS: ${bytes.toString('latin1', at, headEnd)}`)
      const space = bytes.lastIndexOf(0x20, headEnd)
      let length = 0
      for (let digit = space + 1; digit < headEnd - 2; digit++) length = length * 10 + bytes[digit]! - 48
      const next = headEnd + length + 2
      if (next > end) return -1
      // {"stream":"S","seq":12}
      const mark = bytes.indexOf('"seq":', headEnd)
      if (mark < 0 || mark > next) throw new Error(`NATS: ${bytes.toString('latin1', headEnd, next)}`)
      let sequence = 0
      for (let digit = mark + 6; bytes[digit]! >= 48 && bytes[digit]! <= 57; digit++) sequence = sequence * 10 + bytes[digit]! - 48
      if (sequence <= this.#lastSequence) throw new Error('a sequence came after a larger one')
      this.#lastSequence = sequence
      return next
    }
  }
}
