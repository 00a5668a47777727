/** Reads partitions from start to end by plain fetch requests, checks that offsets follow each other and that every CRC is right. */
import { connect, type Socket } from 'node:net'
import { type Cpu, cpuOfProcess, cpuSince, memoryOfProcess } from '../process-stats.ts'
import { percentiles, type Percentiles } from '../harness.ts'
import { batchField, crcFits, fetchRequest } from '../wire.ts'

export interface FetchLoad {
  readonly port: number
  readonly topic: string
  /** Where each partition starts and ends; exclusive end. */
  readonly startOffsets: readonly number[]
  readonly endOffsets: readonly number[]
  /** Partitions are dealt out to the connections; each has one request in flight. */
  readonly connections: number
  /** Of each partition in an answer. */
  readonly maxBytes: number
  readonly passes: number
  readonly secondsMax: number
  readonly serverPid: number
}

export interface FetchOutcome {
  readonly messages: number
  readonly seconds: number
  readonly latencyMs: Percentiles
  readonly cpu: Cpu
  readonly peakRssBytes: number
  readonly loaderBusy: number
}

/** Walks the record batches in `bytes` from `offset` on; returns the offset after the last whole one. @throws on a gap or a wrong CRC */
export function walkBatches (bytes: Buffer, offset: number): number {
  let at = 0
  let next = offset
  while (bytes.length - at >= batchField.records) {
    const end = at + 12 + bytes.readInt32BE(at + batchField.length)
    if (end > bytes.length) break
    const baseOffset = bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4)
    const after = baseOffset + bytes.readInt32BE(at + batchField.lastOffsetDelta) + 1
    if (baseOffset > next || (baseOffset < next && at > 0)) throw new Error(`a batch at offset ${baseOffset}, expected ${next}`)
    if (!crcFits(bytes.subarray(at, end))) throw new Error(`the batch at offset ${baseOffset} has a wrong CRC`)
    next = Math.max(next, after)
    at = end
  }
  return next
}

/** One connection that fetches its partitions; `fetched` sees each answer's records. */
export class Fetcher {
  readonly #socket: Socket
  #answer = Buffer.allocUnsafeSlow(2 ** 20)
  #end = 0
  #resolve: ((answer: Buffer) => void) | undefined
  #reject: ((error: Error) => void) | undefined

  private constructor (port: number, connected: () => void) {
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      // Answers are received right where they are looked at.
      onread: { buffer: () => this.#answer.subarray(this.#end), callback: bytes => { this.#received(bytes); return true } }
    }, connected)
    this.#socket.on('error', error => this.#reject?.(error))
    this.#socket.on('close', () => this.#reject?.(new Error('the server closed a connection')))
  }

  static async connect (port: number): Promise<Fetcher> {
    return await new Promise((resolve, reject) => {
      const fetcher: Fetcher = new Fetcher(port, () => resolve(fetcher))
      fetcher.#reject = reject
    })
  }

  /** Sends one request; its answer is valid until the next one is sent. */
  async fetch (frame: Uint8Array): Promise<Buffer> {
    return await new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#socket.write(frame)
    })
  }

  close (): void {
    this.#reject = undefined
    this.#socket.destroy()
  }

  #received (bytes: number): void {
    this.#end += bytes
    if (this.#end < 4) return
    const size = this.#answer.readInt32BE(0) + 4
    // Room for one byte more, as a read into no room would look like an end.
    if (size + 1 > this.#answer.length) {
      const larger = Buffer.allocUnsafeSlow(size + 2 ** 20)
      larger.set(this.#answer.subarray(0, this.#end))
      this.#answer = larger
    }
    if (this.#end < size) return
    this.#end = 0
    this.#resolve?.(this.#answer.subarray(0, size))
  }
}

/** Calls `visit` with each partition's records in the answer to a Fetch 4. @throws on an error code */
export function forRecords (answer: Buffer, visit: (partition: number, records: Buffer) => void): void {
  if (answer.readInt32BE(12) === 0) return
  let at = 18 + answer.readInt16BE(16)
  const count = answer.readInt32BE(at)
  at += 4
  for (let left = count; left > 0; left--) {
    const partition = answer.readInt32BE(at)
    const error = answer.readInt16BE(at + 4)
    // NOT_LEADER_OR_FOLLOWER: the partition is on its way to another thread and is asked again.
    if (error !== 0 && error !== 6) throw new Error(`fetch of partition ${partition} failed with error ${error}`)
    const aborted = Math.max(0, answer.readInt32BE(at + 22))
    at += 26 + aborted * 16
    const bytes = Math.max(0, answer.readInt32BE(at))
    visit(partition, answer.subarray(at + 4, at + 4 + bytes))
    at += 4 + bytes
  }
}

async function readAll (load: FetchLoad, fetcher: Fetcher, partitions: readonly number[], deadline: number, latencies: number[]): Promise<number> {
  const next = new Map(partitions.map(partition => [partition, load.startOffsets[partition]!]))
  let messages = 0
  while (performance.now() < deadline) {
    const parts = [...next].filter(([partition, offset]) => offset < load.endOffsets[partition]!).map(([partition, offset]) => ({ partition, offset }))
    if (parts.length === 0) return messages
    const sent = performance.now()
    const answer = await fetcher.fetch(fetchRequest(load.topic, parts, load.maxBytes, 500))
    latencies.push(performance.now() - sent)
    forRecords(answer, (partition, records) => {
      const offset = next.get(partition)!
      const after = walkBatches(records, offset)
      messages += after - offset
      next.set(partition, after)
    })
  }
  throw new Error(`the partitions were not read within ${load.secondsMax} s`)
}

/** One unmeasured pass, then `passes` measured ones. @throws when records are missing, doubled or damaged */
export async function runFetches (load: FetchLoad): Promise<FetchOutcome> {
  const deadline = performance.now() + load.secondsMax * 1000
  const dealt = Array.from({ length: load.connections }, (_, index) => load.endOffsets.flatMap((_, partition) => partition % load.connections === index ? [partition] : []))
  const fetchers = await Promise.all(dealt.map(async () => await Fetcher.connect(load.port)))
  const latencies: number[] = []
  const pass = async (): Promise<number> => {
    const counts = await Promise.all(fetchers.map(async (fetcher, index) => await readAll(load, fetcher, dealt[index]!, deadline, latencies)))
    return counts.reduce((sum, count) => sum + count, 0)
  }
  try {
    await pass()
    latencies.length = 0
    const before = cpuOfProcess(load.serverPid)
    const ownBefore = process.cpuUsage()
    const started = performance.now()
    let messages = 0
    for (let left = load.passes; left > 0; left--) messages += await pass()
    const seconds = (performance.now() - started) / 1000
    const own = process.cpuUsage(ownBefore)
    return {
      messages,
      seconds,
      latencyMs: percentiles(Float64Array.from(latencies)),
      cpu: cpuSince(before, cpuOfProcess(load.serverPid)),
      peakRssBytes: memoryOfProcess(load.serverPid).peakRssBytes,
      loaderBusy: (own.user + own.system) / 1e6 / seconds
    }
  } finally {
    for (const fetcher of fetchers) fetcher.close()
  }
}
