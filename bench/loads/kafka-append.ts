/** Produce requests, one batch each, and the proof that every batch got an offset range of its own without gaps. */
import type { AppendProtocol } from './append.ts'
import { correlationAt, produceRequest } from '../wire.ts'

/** Which offsets were given away, for all connections and partitions of a load. */
export class OffsetLedger {
  readonly #taken: Uint8Array[]
  readonly #recordsPerBatch: number
  readonly #startOffsets: readonly number[]

  constructor (startOffsets: readonly number[], batchesMax: number, recordsPerBatch: number) {
    this.#startOffsets = startOffsets
    this.#taken = startOffsets.map(() => new Uint8Array(batchesMax))
    this.#recordsPerBatch = recordsPerBatch
  }

  take (partition: number, baseOffset: number): void {
    const batch = (baseOffset - this.#startOffsets[partition]!) / this.#recordsPerBatch
    const taken = this.#taken[partition]!
    if (!(batch >= 0 && batch < taken.length && Number.isInteger(batch))) throw new Error(`partition ${partition} gave base offset ${baseOffset}, which no batch can have`)
    if (taken[batch] === 1) throw new Error(`partition ${partition} gave base offset ${baseOffset} twice`)
    taken[batch] = 1
  }

  /** Records appended. @throws when the offsets of a partition have a gap or do not end at `endOffsets` */
  verify (endOffsets: readonly number[]): number {
    let records = 0
    for (const [partition, taken] of this.#taken.entries()) {
      const batches = taken.lastIndexOf(1) + 1
      if (taken.subarray(0, batches).includes(0)) throw new Error(`partition ${partition} left a gap between base offsets`)
      const end = this.#startOffsets[partition]! + batches * this.#recordsPerBatch
      if (end !== endOffsets[partition]) throw new Error(`partition ${partition} ends at ${endOffsets[partition]}, answers said ${end}`)
      records += batches * this.#recordsPerBatch
    }
    return records
  }
}

/** NOT_LEADER_OR_FOLLOWER: the partition is on its way to another thread, clients try again. A few are counted, many are a failure. */
const notLeader = 6
const refusedMax = 10_000

/** A connection that sends `batch` to `partitions` in turn. */
export class KafkaAppend implements AppendProtocol {
  readonly frames: Buffer
  readonly frameBytes: number
  readonly frameCount: number
  refused = 0
  readonly #ledger: OffsetLedger
  readonly #baseOffsetAt: number
  readonly #answerBytes: number
  readonly #lastOffsets = new Map<number, number>()
  #answers = 0

  constructor (ledger: OffsetLedger, topic: string, partitions: readonly number[], batch: Uint8Array, inFlight: number) {
    const requests = partitions.map(partition => produceRequest(topic, [{ partition, batch }]))
    this.#ledger = ledger
    this.frameBytes = requests[0]!.length
    this.frameCount = partitions.length * inFlight
    this.frames = Buffer.concat(Array.from({ length: this.frameCount }, (_, index) => requests[index % partitions.length]!))
    this.#baseOffsetAt = 24 + Buffer.byteLength(topic)
    this.#answerBytes = this.#baseOffsetAt + 28
  }

  stamp (index: number, sequence: number): void {
    this.frames.writeInt32BE(sequence | 0, index * this.frameBytes + correlationAt)
  }

  parse (bytes: Buffer, at: number, end: number): number {
    if (end - at < this.#answerBytes) return -1
    if (bytes.readInt32BE(at) !== this.#answerBytes - 4) throw new Error(`an answer of ${bytes.readInt32BE(at)} bytes`)
    if (bytes.readInt32BE(at + 4) !== (this.#answers++ | 0)) throw new Error('an answer out of order')
    const field = at + this.#baseOffsetAt
    const error = bytes.readInt16BE(field - 2)
    if (error === notLeader && ++this.refused <= refusedMax) return at + this.#answerBytes
    if (error !== 0) throw new Error(`produce failed with error ${error}, answer ${this.#answers} of this connection`)
    const partition = bytes.readInt32BE(field - 6)
    const baseOffset = bytes.readInt32BE(field) * 2 ** 32 + bytes.readUInt32BE(field + 4)
    if (baseOffset <= (this.#lastOffsets.get(partition) ?? -1)) throw new Error(`base offset ${baseOffset} came after a larger one`)
    this.#lastOffsets.set(partition, baseOffset)
    this.#ledger.take(partition, baseOffset)
    return at + this.#answerBytes
  }
}
