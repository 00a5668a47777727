/**
 * The two rings between this thread and another, and what waits in front of the outgoing one.
 *
 * A frame's tag says for whom it is and how it is written: `code << 24 | actor id`. A payload above a quarter of the ring
 * goes in pieces, one after the other, which the receiver puts together in one buffer. While the outgoing ring is full,
 * frames wait in a bounded list; the thread never waits for the peer and goes on draining what comes in.
 */
import { assert } from '../base/assert.ts'
import type { Message } from '../base/effect.ts'
import type { ActorId, ThreadIndex } from '../base/ids.ts'
import type { Codecs } from './codec.ts'
import { ringDoorbell } from './doorbell.ts'
import { Mailbox } from './mailbox.ts'
import { memoryOf, RingReader, RingWriter, type Memory } from './ring.ts'

/** What the supervisor hands to a thread for each of its peers. */
export interface LinkEnds {
  readonly thread: ThreadIndex
  readonly outgoing: SharedArrayBuffer
  readonly incoming: SharedArrayBuffer
  /** The peer's words, for its doorbell. */
  readonly peer: SharedArrayBuffer
}

export interface LinkLimits {
  /** Largest message that may cross threads, and so the largest buffer for pieces. */
  readonly messageBytesMax: number
  /** Bytes that may wait for a full ring before requests and plain tells are refused. */
  readonly waitingBytesMax: number
}

/** Frames stepped over per call of {@link Link.receive}: what one turn of the event loop may take from one peer. */
const framesPerTurnMax = 4096
const waitingFramesMax = 1 << 17
const firstPieceCode = 120
const pieceCode = 121
const firstPieceHeaderBytes = 8
/** A buffer for pieces above this is given back after use. */
const assemblyBytesKept = 2 << 20
export const actorIdBits = 24

/** A frame that found no room: its bytes are a copy. */
interface WaitingFrame {
  readonly tag: number
  readonly bytes: Uint8Array
  /** Bytes that already went out as pieces. */
  sent: number
}

export class Link {
  readonly thread: ThreadIndex
  readonly #codecs: Codecs
  readonly #limits: LinkLimits
  readonly #writer: RingWriter
  readonly #reader: RingReader
  readonly #peer: Int32Array
  readonly #pieceBytesMax: number
  readonly #waiting = new Mailbox<WaitingFrame>(waitingFramesMax)
  framesSent = 0
  /** Frames that found no room at once. */
  framesWaited = 0
  /** Times the peer was asleep. */
  doorbellRings = 0
  #waitingBytes = 0
  #assembly: Memory | undefined
  #assemblyTag = 0
  #assemblyBytes = 0
  #assembledBytes = 0

  constructor (ends: LinkEnds, codecs: Codecs, limits: LinkLimits) {
    this.thread = ends.thread
    this.#codecs = codecs
    this.#limits = limits
    this.#writer = new RingWriter(ends.outgoing)
    this.#reader = new RingReader(ends.incoming)
    this.#peer = new Int32Array(ends.peer)
    this.#pieceBytesMax = this.#writer.capacity / 4
  }

  /** Bytes of frames that wait for room in the outgoing ring. */
  get waitingBytes (): number {
    return this.#waitingBytes
  }

  /**
   * Writes a message into the outgoing ring, or lets it wait behind those that wait.
   * @param reserved  its room was reserved when its request was admitted: it may always wait
   * @returns false when it was refused for want of room, or because it is too large to cross at all
   */
  send (to: ActorId, message: Message, reserved: boolean): boolean {
    const codec = this.#codecs.of(message.kind)
    if (codec !== undefined && this.#waiting.count === 0) {
      const length = codec.size(message)
      if (length <= this.#pieceBytesMax) {
        const offset = this.#writer.reserve(length)
        if (offset >= 0) {
          codec.write(message, this.#writer.memory, offset)
          this.#commit((codec.code << actorIdBits) | to)
          return true
        }
      }
    }
    if (!reserved && this.#waitingBytes > this.#limits.waitingBytesMax) return false
    return this.sendEncoded(to, codec?.code ?? 0, this.#codecs.encode(message))
  }

  /** As {@link send}, of a payload from {@link Codecs.encode}. If taken, it is kept until it has gone out, and then given back. */
  sendEncoded (to: ActorId, code: number, bytes: Uint8Array): boolean {
    if (bytes.length > this.#limits.messageBytesMax) return false
    const frame = { tag: (code << actorIdBits) | to, bytes, sent: 0 }
    if (this.#waiting.count === 0 && this.#write(frame)) {
      this.#codecs.giveBack(bytes)
      return true
    }
    if (!this.#waiting.push(frame)) return false
    this.framesWaited++
    this.#waitingBytes += bytes.length
    return true
  }

  /** Ends the batch: writes what waits as far as there is room and makes it visible. @returns whether the peer has something new */
  publish (): boolean {
    for (let frame; (frame = this.#waiting.peek()) !== undefined && this.#write(frame);) {
      this.#waiting.shift()
      this.#waitingBytes -= frame.bytes.length
      this.#codecs.giveBack(frame.bytes)
    }
    const published = this.#writer.publish()
    if (this.#waiting.count > 0) this.#writer.wantSpace()
    return published
  }

  /** Wakes the peer, if it sleeps. */
  ring (): void {
    if (ringDoorbell(this.#peer)) this.doorbellRings++
  }

  /**
   * Hands over the messages that have come in, at most some thousand. Bytes in them are valid only inside `deliver`.
   * @returns how many frames there were
   */
  receive (deliver: (to: ActorId, message: Message) => void): number {
    const reader = this.#reader
    let frames = 0
    while (frames < framesPerTurnMax && reader.next()) {
      frames++
      const code = reader.tag >>> actorIdBits
      if (code < firstPieceCode) {
        deliver((reader.tag & 0xffffff) as ActorId, this.#codecs.decode(code, reader.memory, reader.offset, reader.length))
      } else {
        this.#assemble(code, deliver)
      }
      if (reader.unreleasedBytes >= this.#pieceBytesMax) this.#release()
    }
    this.#release()
    return frames
  }

  /** Whether a frame is waiting to be received, or one that waits to be sent could go on. */
  hasWork (): boolean {
    if (this.#reader.hasNext()) return true
    const frame = this.#waiting.peek()
    return frame !== undefined && this.#writer.hasRoom(this.#nextPieceBytes(frame))
  }

  #commit (tag: number): void {
    this.#writer.commit(tag)
    this.framesSent++
    // Lets the peer begin while this turn still writes, and never fills the ring with what it cannot see.
    if (this.#writer.unpublishedBytes >= this.#pieceBytesMax && this.#writer.publish()) this.ring()
  }

  #release (): void {
    if (this.#reader.release()) ringDoorbell(this.#peer)
  }

  /** Bytes of the next frame that carries (a part of) a waiting one. */
  #nextPieceBytes (frame: WaitingFrame): number {
    if (frame.bytes.length <= this.#pieceBytesMax) return frame.bytes.length
    if (frame.sent === 0) return this.#pieceBytesMax
    return Math.min(frame.bytes.length - frame.sent, this.#pieceBytesMax)
  }

  /** Writes a frame, whole or in pieces. Returns false when some of it still has to wait. */
  #write (frame: WaitingFrame): boolean {
    const { bytes, tag } = frame
    const writer = this.#writer
    const whole = bytes.length <= this.#pieceBytesMax
    do {
      const pieceBytes = this.#nextPieceBytes(frame)
      let offset = writer.reserve(pieceBytes)
      if (offset < 0) return false
      if (whole) {
        writer.memory.bytes.set(bytes, offset)
        this.#commit(tag)
        return true
      }
      let room = pieceBytes
      if (frame.sent === 0) {
        writer.memory.view.setInt32(offset, bytes.length, true)
        writer.memory.view.setInt32(offset + 4, tag, true)
        offset += firstPieceHeaderBytes
        room -= firstPieceHeaderBytes
      }
      writer.memory.bytes.set(bytes.subarray(frame.sent, frame.sent + room), offset)
      this.#commit((frame.sent === 0 ? firstPieceCode : pieceCode) << actorIdBits)
      frame.sent += room
    } while (frame.sent < bytes.length)
    return true
  }

  /** Copies a piece to its place; hands the message over when it is complete. */
  #assemble (code: number, deliver: (to: ActorId, message: Message) => void): void {
    const { memory } = this.#reader
    let { offset, length } = this.#reader
    if (code === firstPieceCode) {
      this.#assemblyBytes = memory.view.getInt32(offset, true)
      this.#assemblyTag = memory.view.getInt32(offset + 4, true)
      this.#assembledBytes = 0
      assert(this.#assemblyBytes <= this.#limits.messageBytesMax, 'announced message is too large')
      if (this.#assembly === undefined || this.#assembly.bytes.length < this.#assemblyBytes) {
        this.#assembly = memoryOf(new ArrayBuffer(this.#assemblyBytes))
      }
      offset += firstPieceHeaderBytes
      length -= firstPieceHeaderBytes
    }
    const assembly = this.#assembly
    assert(assembly !== undefined && this.#assembledBytes + length <= this.#assemblyBytes, 'piece without its message')
    // A named copy: a message larger than a quarter of the ring is put together here.
    assembly.bytes.set(memory.bytes.subarray(offset, offset + length), this.#assembledBytes)
    this.#assembledBytes += length
    if (this.#assembledBytes < this.#assemblyBytes) return
    const tag = this.#assemblyTag
    if (assembly.bytes.length > assemblyBytesKept) this.#assembly = undefined
    deliver((tag & 0xffffff) as ActorId, this.#codecs.decode(tag >>> actorIdBits, assembly, 0, this.#assemblyBytes))
  }
}
