/**
 * What clients did to a cluster and what they were told: the material of checker.ts.
 *
 * A record is known by its producer and its number in that producer's order, whatever the partition: its text is
 * `PRODUCER:NUMBER:filling`, its value here one number. A key is one partition of one topic. Every operation has the moment before
 * its first request left and the moment after its last answer came, retries included, by one clock for all clients.
 */

export type Outcome =
  /** The cluster said that it is done. */
  | 'ok'
  /** The cluster said that it is not done and never will be. */
  | 'fail'
  /** Nobody knows: no answer, or one that leaves it open. It may also be done later. */
  | 'info'

/** A batch of records `first` to `first + count - 1` of one producer to one key. */
export interface Send {
  readonly producer: number
  readonly key: number
  readonly first: number
  readonly count: number
  readonly start: number
  readonly end: number
  readonly outcome: Outcome
  /** Of the first record, as the cluster told it; -1: it did not. */
  readonly offset: number
}

/** What one fetch brought, in the order in which it came. Fetches that brought nothing are not kept. */
export interface Poll {
  readonly process: number
  readonly key: number
  readonly start: number
  readonly end: number
  readonly offsets: readonly number[]
  /** See {@link valueOf}; {@link foreign} for a text that is none of ours. */
  readonly values: readonly number[]
}

/** A reader goes to another place: what it read before says nothing about what comes now. */
export interface Assign {
  readonly process: number
  readonly key: number
  readonly start: number
  /** The next offset it asks for; -1: left to the cluster. */
  readonly from: number
}

/** The cluster named the end of a key: the first offset that is not readable yet. */
export interface End {
  readonly process: number
  readonly key: number
  readonly start: number
  readonly end: number
  readonly offset: number
}

/**
 * Every producer is idempotent, and does not go on after a send whose outcome it does not know: then another one takes its
 * place. So its records stand in its own order, none twice, and a later one is there only if all earlier ones of its key are.
 */
export interface ProducerKind {
  /** Each send is one batch, which is stored whole: its records stand side by side. */
  readonly atomic: boolean
}

/** Stands for a text that no producer of this history can have written. */
export const foreign = -1

const numbersMax = 2 ** 32
const producersMax = 2 ** 20

export function valueOf (producer: number, number: number): number {
  return producer * numbersMax + number
}

export function producerOf (value: number): number {
  return Math.floor(value / numbersMax)
}

export function numberOf (value: number): number {
  return value % numbersMax
}

/** The way a record is named in messages. */
export function nameOf (value: number): string {
  return value < 0 ? 'a foreign record' : `${producerOf(value)}:${numberOf(value)}`
}

export function textOf (producer: number, number: number, filling = ''): string {
  return `${producer}:${number}:${filling}`
}

/** The value of a record's text, or {@link foreign}. */
export function valueIn (text: string): number {
  const match = /^(\d{1,7}):(\d{1,10}):/.exec(text)
  if (match === null) return foreign
  const [producer, number] = [Number(match[1]), Number(match[2])]
  return producer < producersMax && number < numbersMax ? valueOf(producer, number) : foreign
}

export class History {
  readonly sends: Send[] = []
  /** Those of one process in the order in which it made them, with its {@link assigns} between them. */
  readonly reads: Array<Poll | Assign> = []
  readonly ends: End[] = []
  readonly producers: ProducerKind[] = []
  /** Those who read a key from its start to its end after everything was over: together they see all that is there. */
  readonly lastReaders = new Set<number>()
  /** Names of keys, for messages. */
  readonly keys: string[] = []
  #processes = 0

  /** @returns its number; a client that begins anew under another identity is a new producer */
  addProducer (kind: ProducerKind): number {
    if (this.producers.length === producersMax) throw new Error('too many producers for one history')
    return this.producers.push(kind) - 1
  }

  /** @returns the number of a reader */
  addProcess (): number { return this.#processes++ }

  addKey (name: string): number { return this.keys.push(name) - 1 }

  /** Operations so far. */
  get size (): number { return this.sends.length + this.reads.length + this.ends.length }
}
