/**
 * Makes random sound histories: a plain list for each key, producers with several batches under way, answers that never come,
 * batches that arrive after their producer gave up, batches that are refused, control batches, readers that lag, go back, or
 * are sent elsewhere by their group. Tests of the checker only.
 */
import type { Chance } from '../../src/base/prng.ts'
import { History, type Outcome, type Send, valueOf } from './history.ts'

interface Waiting {
  readonly send: Omit<Send, 'end' | 'outcome' | 'offset'>
  readonly refused: boolean
  /** -1: not in the log. */
  offset: number
}

interface Reader { readonly process: number, readonly positions: number[], pollStart: number }

/** Most that one fetch brings, and a reader goes back. */
const recordsMax = 100

/** In a log: an offset without a record. */
const control = -1

export interface ModelOptions {
  readonly steps: number
  readonly keys: number
  readonly producers: number
  readonly readers: number
}

/** A sound history that ends with a reading of everything. */
export function soundHistory (chance: Chance, options: ModelOptions): History {
  return new Model(chance, options).run(options.steps)
}

class Model {
  readonly #chance: Chance
  readonly #history = new History()
  readonly #logs: number[][]
  readonly #producers: Array<{ id: number, next: number, waiting: Waiting[] }>
  readonly #readers: Reader[]
  /** Batches of producers that gave up, each list in its order: they may still arrive. */
  #late: Waiting[][] = []
  #now = 0

  constructor (chance: Chance, { keys, producers, readers }: ModelOptions) {
    this.#chance = chance
    this.#logs = Array.from({ length: keys }, (_, key) => { this.#history.addKey(`key-${key}`); return [] })
    this.#producers = Array.from({ length: producers }, () => this.#producer())
    this.#readers = Array.from({ length: readers }, () => ({ process: this.#history.addProcess(), positions: this.#logs.map(() => 0), pollStart: -1 }))
  }

  run (steps: number): History {
    for (let step = 0; step < steps; step++) this.#step()
    for (const producer of this.#producers) this.#giveUp(producer)
    while (this.#late.length > 0 && this.#below(8) > 0) this.#arriveLate()
    const process = this.#history.addProcess()
    this.#history.lastReaders.add(process)
    for (const key of this.#logs.keys()) this.#read(process, key, 0, this.#logs[key]!.length, this.#now++)
    return this.#history
  }

  #below (end: number): number { return Math.floor(this.#chance.next() * end) }
  #pick<T> (items: readonly T[]): T { return items[this.#below(items.length)]! }
  #producer (): { id: number, next: number, waiting: Waiting[] } { return { id: this.#history.addProducer({ atomic: true }), next: 0, waiting: [] } }

  #step (): void {
    const producer = this.#pick(this.#producers)
    switch (this.#below(12)) {
      case 0:
      case 1:
      case 2:
        if (producer.waiting.length < 5) this.#send(producer)
        break
      case 3:
      case 4:
      case 5: this.#arrive(producer.waiting); break
      case 6:
      case 7: this.#answer(producer.waiting); break
      case 8:
        if (this.#below(10) === 0) this.#giveUp(producer)
        else if (this.#late.length > 0) this.#arriveLate()
        break
      case 9: this.#end(); break
      default: if (this.#readers.length > 0) this.#poll(this.#pick(this.#readers))
    }
  }

  #send (producer: { id: number, next: number, waiting: Waiting[] }): void {
    const count = 1 + this.#below(4)
    const send = { producer: producer.id, key: this.#below(this.#logs.length), first: producer.next, count, start: this.#now++ }
    producer.next += count
    producer.waiting.push({ send, refused: this.#below(10) === 0, offset: -1 })
  }

  /** The oldest that is not in the log comes to it. */
  #arrive (waiting: readonly Waiting[]): void {
    const next = waiting.find(({ offset, refused }) => offset === -1 && !refused)
    if (next === undefined) return
    const log = this.#logs[next.send.key]!
    while (this.#below(10) === 0) log.push(control)
    next.offset = log.length
    for (let i = 0; i < next.send.count; i++) log.push(valueOf(next.send.producer, next.send.first + i))
  }

  #arriveLate (): void {
    const waiting = this.#pick(this.#late)
    this.#arrive(waiting)
    if (waiting.every(({ offset, refused }) => offset !== -1 || refused)) this.#late = this.#late.filter(other => other !== waiting)
  }

  #answer (waiting: Waiting[]): void {
    const answerable = waiting.filter(({ offset, refused }) => offset !== -1 || refused)
    if (answerable.length === 0) return
    const answered = this.#pick(answerable)
    waiting.splice(waiting.indexOf(answered), 1)
    if (answered.refused) this.#record(answered, 'fail', -1)
    else this.#record(answered, 'ok', this.#below(20) === 0 ? -1 : answered.offset)
  }

  #giveUp (producer: { id: number, next: number, waiting: Waiting[] }): void {
    // What is refused is no part of the producer's sequence, and refused whether or not the answer comes.
    for (const waiting of producer.waiting) this.#record(waiting, waiting.refused ? 'fail' : 'info', -1)
    if (producer.waiting.some(({ offset, refused }) => offset === -1 && !refused)) this.#late.push(producer.waiting)
    Object.assign(producer, this.#producer())
  }

  #record ({ send }: Waiting, outcome: Outcome, offset: number): void {
    this.#history.sends.push({ ...send, end: outcome === 'info' ? Infinity : this.#now++, outcome, offset })
  }

  #end (): void {
    const key = this.#below(this.#logs.length)
    const start = this.#now++
    const offset = this.#logs[key]!.length
    this.#history.ends.push({ process: 0, key, start, end: this.#now++, offset })
  }

  #poll (reader: Reader): void {
    const key = this.#below(this.#logs.length)
    const log = this.#logs[key]!
    if (this.#below(20) === 0) {
      const from = Math.max(0, reader.positions[key]! - this.#below(recordsMax))
      reader.positions[key] = from
      this.#history.reads.push({ process: reader.process, key, start: this.#now++, from: this.#below(2) === 0 ? from : -1 })
    } else if (reader.pollStart === -1) {
      reader.pollStart = this.#now++
    } else {
      const from = reader.positions[key]!
      reader.positions[key] = this.#read(reader.process, key, from, from + this.#below(Math.min(log.length - from, recordsMax) + 1), reader.pollStart)
      reader.pollStart = -1
    }
  }

  /** @returns the next position */
  #read (process: number, key: number, from: number, end: number, start: number): number {
    const offsets: number[] = []
    const values: number[] = []
    for (let offset = from; offset < end; offset++) {
      const value = this.#logs[key]![offset]!
      if (value === control) continue
      offsets.push(offset)
      values.push(value)
    }
    if (offsets.length > 0) this.#history.reads.push({ process, key, start, end: this.#now++, offsets, values })
    return end
  }
}
