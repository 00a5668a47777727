/** An endless seeded stream of frames that are wrong in every way one can think of, and in some that chance thinks of. */
import type { Chance } from '../../src/base/prng.ts'
import type { AnyApi } from '../../src/protocol/api.ts'
import { apis } from '../../src/protocol/apis.ts'
import { produce } from '../../src/protocol/apis/produce.ts'
import { requestFrame } from '../broker/raw-client.ts'
import { batchOf } from '../broker/requests.ts'
import { sampleOf, versionsOf } from '../protocol/values.ts'

/** What a length, a count, a varint or a number may pretend. */
const lies = ['00', 'ff', '7fffffff', '80000000', 'ffffffff', 'fffffffe', '7fff', '8000', 'ffff', 'ffffffff0f', 'ffffffffff', 'feffffff07', '7fffffffffffffff', '8000000000000000', '00000000']
  .map(hex => Buffer.from(hex, 'hex'))

export type Kind = 'mutated' | 'lying' | 'cut' | 'oversized' | 'unknown' | 'random' | 'batch'
const kinds: readonly Kind[] = ['mutated', 'mutated', 'mutated', 'lying', 'lying', 'cut', 'oversized', 'unknown', 'random', 'batch', 'batch']

export class MalformedFrames {
  readonly #chance: Chance
  readonly #topic: string
  readonly #frames: readonly Buffer[]

  /** @param topic  where batches that happen to be sound may go */
  constructor (chance: Chance, topic: string) {
    this.#chance = chance
    this.#topic = topic
    this.#frames = Object.values<AnyApi>(apis).flatMap(api => versionsOf(api).flatMap(version =>
      (['full', 'sparse'] as const).map(kind => requestFrame(api, version, sampleOf(api.request, version, kind) as never, 7))))
  }

  next (): { readonly kind: Kind, readonly bytes: Buffer } {
    const kind = this.#pick(kinds)
    return { kind, bytes: this.#make(kind) }
  }

  #make (kind: Kind): Buffer {
    switch (kind) {
      case 'mutated': return this.#mutated(this.#pick(this.#frames))
      case 'lying': return this.#lying(this.#pick(this.#frames))
      case 'cut': {
        const frame = this.#pick(this.#frames)
        return frame.subarray(0, 1 + this.#below(frame.length - 1))
      }
      case 'oversized': {
        const frame = Buffer.from(this.#pick(this.#frames))
        frame.writeInt32BE(this.#pick([-1, -0x80000000, 0x7fffffff, 100 * 2 ** 20 + 1, 0, 1, 7]), 0)
        return frame
      }
      case 'unknown': {
        const frame = Buffer.from(this.#pick(this.#frames))
        if (this.#below(2) === 0) frame.writeInt16BE(this.#below(0x10000) - 0x8000, 4)
        else frame.writeInt16BE(this.#pick([-1, 0x7fff, 19, 100, -0x8000]), 6)
        return frame
      }
      case 'random': {
        const bytes = Buffer.from(Array.from({ length: 1 + this.#below(200) }, () => this.#below(256)))
        // Half of them as a frame that is complete, so that what is inside is looked at.
        if (bytes.length > 4 && this.#below(2) === 0) bytes.writeInt32BE(bytes.length - 4, 0)
        return bytes
      }
      case 'batch': return this.#batch()
    }
  }

  /** Some bytes changed, put in or left out, the frame's own length right again. */
  #mutated (golden: Buffer): Buffer {
    let frame = Buffer.from(golden)
    for (let count = 1 + this.#below(4); count > 0; count--) {
      const at = 4 + this.#below(frame.length - 4)
      switch (this.#below(4)) {
        case 0: frame[at] = this.#below(256); break
        case 1: frame[at]! ^= 1 << this.#below(8); break
        case 2: frame = Buffer.concat([frame.subarray(0, at), Buffer.alloc(this.#below(9), this.#below(256)), frame.subarray(at)]); break
        case 3: if (frame.length > 16) frame = Buffer.concat([frame.subarray(0, at), frame.subarray(at + 1)])
      }
    }
    frame.writeInt32BE(frame.length - 4, 0)
    return frame
  }

  #lying (golden: Buffer): Buffer {
    const frame = Buffer.from(golden)
    const lie = this.#pick(lies)
    lie.copy(frame, 12 + this.#below(Math.max(1, frame.length - 12)))
    return frame
  }

  /** A sound request with an unsound batch, or one that says what it is not. */
  #batch (): Buffer {
    const sound = batchOf(Array.from({ length: 1 + this.#below(3) }, (_, i) => `${i}`.padStart(this.#below(300), 'x')))
    let batch = Buffer.from(sound)
    for (let count = 1 + this.#below(2); count > 0; count--) {
      switch (this.#below(4)) {
        case 0: batch[this.#below(Math.min(61, batch.length))] = this.#below(256); break
        case 1: this.#pick(lies).copy(batch, this.#below(batch.length)); break
        case 2: batch = batch.subarray(0, this.#below(batch.length)); break
        case 3: batch = Buffer.concat([batch, batch.subarray(0, this.#below(batch.length))])
      }
      if (batch.length === 0) break
    }
    const acks = this.#pick([-1, -1, 1, 0, 7])
    return requestFrame(produce, 3 + this.#below(10), { acks, timeoutMs: 1000, topics: [{ name: this.#topic, partitions: [{ index: this.#pick([0, 0, 0, 1, -1, 99]), records: batch }] }] }, 7)
  }

  #below (end: number): number {
    return Math.floor(this.#chance.next() * end)
  }

  #pick<T> (values: readonly T[]): T {
    return values[this.#below(values.length)]!
  }
}
