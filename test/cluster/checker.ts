/**
 * Says what is wrong with a history, in the words of Jepsen's Kafka workload (its kafka.clj explains each analysis).
 *
 * ```
 *   sends told of their offsets ─┐                      ┌─ who wrote it, was it refused, when was it sent
 *                                ├─> what stands where ─┼─ each reader's steps along the offsets      (read-order.ts)
 *   polls, whatever they read ───┘                      ├─ each producer's own order, batches whole
 *                                                       └─ what was known before a send began         (real-time.ts)
 * ```
 *
 * Jepsen looks for cycles between transactions over several keys. Here an operation touches one key, and where operations of one
 * key each take effect at one moment between start and end, those of all keys do (linearizability is local): the orders
 * above are all there is to check. Takes a few passes over the operations and two sorts: seconds for a million.
 */
import { Anomalies } from './anomalies.ts'
import { foreign, type History, nameOf, numberOf, type Poll, producerOf, type Send, valueOf } from './history.ts'
import { LogOfKey } from './log-of-key.ts'
import { checkReadOrder } from './read-order.ts'
import { checkEnds, checkRealTime, type Known } from './real-time.ts'

export interface CheckOptions {
  /** Every key has one of the history's last readers: nothing may be missing then. */
  readonly finished: boolean
}

export interface Report {
  readonly anomalies: Anomalies
  /** What Kafka does not promise and is worth knowing: ends that a deposed leader still named. */
  readonly notes: Anomalies
  /** Records that stand somewhere. */
  readonly records: number
  /** Records that were acknowledged. */
  readonly acknowledged: number
  /** Of the records of sends without an outcome, those that are there. */
  readonly unknownStored: number
}

/** Beyond that an offset is a mistake whatever the history. */
const offsetMax = 2 ** 32

/** What is known of one producer's records, by number. */
class Written {
  /** Index of the send; -1: no such record. */
  readonly send: Int32Array
  /** NaN: not known. */
  readonly offset: Float64Array
  /** 1: by somebody; 3: also by a last reader. */
  readonly read: Uint8Array
  /** The highest number that was read, by key. */
  readonly lastRead = new Map<number, number>()

  constructor (count: number) {
    this.send = new Int32Array(count).fill(-1)
    this.offset = new Float64Array(count).fill(NaN)
    this.read = new Uint8Array(count)
  }
}

export function check (history: History, options: CheckOptions): Report {
  return new Checker(history).run(options)
}

class Checker {
  readonly #history: History
  readonly #anomalies = new Anomalies()
  readonly #notes = new Anomalies()
  readonly #written: Written[]
  readonly #logs: LogOfKey[]
  /** Highest offset read, by key. */
  readonly #lastRead: number[]

  constructor (history: History) {
    this.#history = history
    this.#logs = history.keys.map(() => new LogOfKey())
    this.#lastRead = history.keys.map(() => -1)
    const counts = history.producers.map(() => 0)
    for (const { producer, first, count } of history.sends) counts[producer] = Math.max(counts[producer]!, first + count)
    this.#written = counts.map(count => new Written(count))
  }

  run ({ finished }: CheckOptions): Report {
    this.#indexSends()
    for (const send of this.#history.sends) this.#placeSend(send)
    for (const read of this.#history.reads) if ('offsets' in read) this.#placePoll(read)
    const counts = { acknowledged: 0, unknownStored: 0 }
    for (const producer of this.#written.keys()) this.#checkProducer(producer, finished, counts)
    checkReadOrder(this.#history, this.#logs, this.#anomalies)
    const known = this.#known()
    checkRealTime(this.#history, known, send => this.#offsetOf(send), this.#anomalies)
    checkEnds(this.#history, known, this.#notes)
    return { anomalies: this.#anomalies, notes: this.#notes, records: this.#logs.reduce((sum, log) => sum + log.count, 0), ...counts }
  }

  /** @throws when one number was sent twice: then the history itself is made wrongly */
  #indexSends (): void {
    for (const [index, { producer, first, count }] of this.#history.sends.entries()) {
      const { send } = this.#written[producer]!
      for (let number = first; number < first + count; number++) {
        if (send[number] !== -1) throw new Error(`record ${producer}:${number} is in two sends of the history`)
        send[number] = index
      }
    }
  }

  #placeSend (send: Send): void {
    if (send.outcome !== 'ok' || send.offset === -1) return
    for (let i = 0; i < send.count; i++) {
      this.#place(send.key, send.offset + i, valueOf(send.producer, send.first + i), 'acknowledged')
    }
  }

  #placePoll (poll: Poll): void {
    for (const [i, value] of poll.values.entries()) {
      const offset = poll.offsets[i]!
      const send = this.#sendOf(value)
      const where = (): string => `${nameOf(value)} at offset ${offset} of ${this.#history.keys[poll.key]}, read by ${poll.process}`
      if (send === undefined) {
        this.#anomalies.add('foreign-read', where)
        continue
      }
      if (send.key !== poll.key) this.#anomalies.add('foreign-read', () => `${where()}, was sent to ${this.#history.keys[send.key]}`)
      if (send.outcome === 'fail') this.#anomalies.add('G1a', where)
      if (poll.end < send.start) this.#anomalies.add('read-before-send', where)
      if (!this.#place(poll.key, offset, value, 'read')) continue
      const written = this.#written[send.producer]!
      const number = numberOf(value)
      written.read[number]! |= this.#history.lastReaders.has(poll.process) ? 3 : 1
      if (number > (written.lastRead.get(poll.key) ?? -1)) written.lastRead.set(poll.key, number)
      if (offset > this.#lastRead[poll.key]!) this.#lastRead[poll.key] = offset
    }
  }

  #sendOf (value: number): Send | undefined {
    if (value === foreign) return undefined
    const index = this.#written[producerOf(value)]?.send[numberOf(value)] ?? -1
    return this.#history.sends[index]
  }

  /** @returns whether it is a place at all */
  #place (key: number, offset: number, value: number, told: 'acknowledged' | 'read'): boolean {
    const name = this.#history.keys[key]
    if (!(Number.isInteger(offset) && offset >= 0 && offset < offsetMax)) {
      this.#anomalies.add('wild-offset', () => `${nameOf(value)} was ${told} at ${offset} of ${name}`)
      return false
    }
    const there = this.#logs[key]!.place(offset, value)
    if (there !== value) this.#anomalies.add('inconsistent-offsets', () => `offset ${offset} of ${name} has ${nameOf(there)}, and ${nameOf(value)} was ${told} there`)
    const offsets = this.#written[producerOf(value)]!.offset
    const before = offsets[numberOf(value)]!
    if (Number.isNaN(before)) offsets[numberOf(value)] = offset
    else if (before !== offset) this.#anomalies.add('duplicate', () => `${nameOf(value)} stands at offset ${before} of ${name} and was ${told} at ${offset}`)
    return true
  }

  /** The place of a send's first record, as told or as it was read. */
  #offsetOf (send: Send): number {
    return this.#written[send.producer]!.offset[send.first]!
  }

  /** The producer's own order, whole batches, and nothing missing. */
  #checkProducer (producer: number, finished: boolean, counts: { acknowledged: number, unknownStored: number }): void {
    const written = this.#written[producer]!
    /** By key, the last record whose place is known. */
    const last = new Map<number, number>()
    for (let number = 0; number < written.send.length;) {
      const index = written.send[number]!
      if (index === -1) {
        number++
        continue
      }
      const send = this.#history.sends[index]!
      this.#checkBatch(send, written, last)
      this.#checkPresence(send, written, finished, counts)
      number += send.count
    }
  }

  #checkBatch ({ producer, key, first, count }: Send, { offset }: Written, last: Map<number, number>): void {
    const at = (number: number): string => `${producer}:${number} at offset ${offset[number]} of ${this.#history.keys[key]}`
    for (let number = first; number < first + count; number++) {
      if (Number.isNaN(offset[number])) continue
      const before = last.get(key)
      last.set(key, number)
      if (before === undefined) continue
      const step = offset[number]! - offset[before]!
      const pair = (): string => `${at(before)}, then ${at(number)}`
      if (before < first) {
        if (step <= 0) this.#anomalies.add('nonmonotonic-send', pair)
      } else if (step <= 0) {
        this.#anomalies.add('int-nonmonotonic-send', pair)
      } else if (step > number - before && this.#history.producers[producer]!.atomic) {
        this.#anomalies.add('int-send-skip', pair)
      }
    }
  }

  #checkPresence (send: Send, written: Written, finished: boolean, counts: { acknowledged: number, unknownStored: number }): void {
    const { producer, key, first, count, outcome } = send
    if (outcome === 'fail') return
    const end = first + count
    const readAt = written.read.subarray(first, end).findIndex(read => read !== 0)
    if (outcome === 'ok') counts.acknowledged += count
    else if (readAt !== -1) counts.unknownStored += count
    // A batch of which one record is there is there as a whole, side by side.
    const isWhole = readAt !== -1 && this.#history.producers[producer]!.atomic
    const isStored = outcome === 'ok' || isWhole
    for (let number = first; number < end; number++) {
      if (written.read[number] !== 0) {
        if (finished && written.read[number] === 1) this.#anomalies.add('undone', () => `${producer}:${number}, read at offset ${written.offset[number]} of ${this.#history.keys[key]}`)
        continue
      }
      const place = Number.isNaN(written.offset[number]) && isWhole ? written.offset[first + readAt]! + number - first - readAt : written.offset[number]!
      const name = `${producer}:${number} of ${this.#history.keys[key]}`
      if (isStored && place <= this.#lastRead[key]!) {
        this.#anomalies.add('lost-write', () => `${name}, ${outcome === 'ok' ? 'acknowledged' : 'whose batch stands'} at offset ${place}; offset ${this.#lastRead[key]} was read`)
      } else if (number < (written.lastRead.get(key) ?? -1)) {
        this.#anomalies.add('sequence-gap', () => `${name}; ${producer}:${written.lastRead.get(key)} was read`)
      } else if (isStored && finished) {
        this.#anomalies.add('unseen', () => `${name}, ${Number.isNaN(place) ? 'acknowledged' : `acknowledged at offset ${place}`}`)
      }
    }
  }

  /** By key, from when on which offsets were known to be taken. */
  #known (): Known[][] {
    const known: Known[][] = this.#history.keys.map(() => [])
    for (const send of this.#history.sends) {
      if (send.outcome === 'ok' && send.offset >= 0) known[send.key]!.push({ since: send.end, offset: send.offset + send.count - 1 })
    }
    for (const read of this.#history.reads) {
      if ('offsets' in read) known[read.key]!.push({ since: read.end, offset: read.offsets.reduce((a, b) => Math.max(a, b), -1) })
    }
    for (const events of known) events.sort((a, b) => a.since - b.since)
    return known
  }
}
