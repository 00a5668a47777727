/** What the tests ask of a client, whatever language it is written in. */

export interface Sample {
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [name: string, value: string | null])[]
}

export type Codec = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** Where a check works: partition 0 of the topic unless it says otherwise. */
export interface Target {
  /** HOST:PORT */
  readonly broker: string
  readonly topic: string
}

export interface ProduceOptions {
  readonly codec?: Codec
  /** Sent by an idempotent producer, in batches of at most some hundred records. */
  readonly idempotent?: boolean
}

export interface Client {
  readonly name: string
  /** Those of the common checks that it has the means for; all by default, `file` where the methods for files are there. */
  readonly checks?: readonly string[]
  /** Those it can write. */
  readonly codecs: readonly Codec[]
  /** False for records that this client has no way to express. */
  canSend? (sample: Sample): boolean
  /** Installs or builds what it needs. @throws if the client cannot be had */
  prepare (): Promise<void>
  /** Sends the records in order, to partition 0, and waits until all are acknowledged. */
  produce (target: Target, samples: readonly Sample[], options?: ProduceOptions): Promise<void>
  /** Reads `count` records from the start of partition 0, without a group if the client can. */
  consume (target: Target, count: number): Promise<Sample[]>
  /** Starts a member that reads the topic from the beginning where nothing is committed. */
  join? (target: Target, group: string): Promise<Member>
  /** Sends a text file, one record a line. */
  produceFile? (target: Target, path: string): Promise<void>
  /** Writes the values of the first `count` records to a file, one a line. */
  consumeFile? (target: Target, path: string, count: number): Promise<void>
  /** Checks that only this client has. */
  readonly extra?: Readonly<Record<string, (target: Target) => Promise<void>>>
}

/** A running member of a consumer group. */
export class Member {
  readonly #close: () => Promise<void>
  /** Its partitions, ascending. */
  assigned: number[] = []
  /** What it was given, as `partition-offset`. */
  readonly received = new Set<string>()
  failure: Error | undefined
  /** Called after each change. */
  onChange: (() => void) | undefined

  constructor (close: () => Promise<void>) {
    this.#close = close
  }

  take (partition: number, offset: number): void {
    this.received.add(`${partition}-${offset}`)
    this.onChange?.()
  }

  assign (partitions: readonly number[]): void {
    this.assigned = partitions.toSorted((a, b) => a - b)
    this.onChange?.()
  }

  fail (error: Error): void {
    this.failure = error
    this.onChange?.()
  }

  /** Leaves the group, its offsets committed. */
  async close (): Promise<void> {
    await this.#close()
  }
}

/** Waits until the members are as `isThere` wants them. @throws if one fails, or with what they are like when the time is over */
export async function until (what: string, members: readonly Member[], isThere: () => boolean, withinMs = 90_000): Promise<void> {
  const done = Promise.withResolvers<void>()
  const look = (): void => {
    const failure = members.find(member => member.failure !== undefined)?.failure
    if (failure !== undefined) done.reject(failure)
    else if (isThere()) done.resolve()
  }
  const timer = setTimeout(() => {
    const state = members.map(({ assigned, received }) => `[${assigned.join(' ')}] with ${received.size} records`)
    done.reject(new Error(`not within ${withinMs} ms: ${what}; the members hold ${state.join(' and ')}`))
  }, withinMs)
  for (const member of members) member.onChange = look
  look()
  await done.promise.finally(() => {
    clearTimeout(timer)
    for (const member of members) member.onChange = undefined
  })
}
