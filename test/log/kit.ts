/** Drives a log as its actor would: effects run after the call that handed them out, completions come back as messages. */
import type { Effect, EffectSink, Message } from '../../src/base/effect.ts'
import type { Offset, Term } from '../../src/base/ids.ts'
import { systemClock } from '../../src/base/clock.ts'
import { BlockPool } from '../../src/log/block-pool.ts'
import { defaultLogConfig, Log, type LogConfig, type LogEvent, type LogMessage, type LogReplay, type ReadPlan } from '../../src/log/log.ts'
import type { SegmentReader } from '../../src/log/segment-reader.ts'
import type { Disk, DiskFile } from '../../src/log/disk.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { buildBatch } from '../../src/record/records.ts'
import { batchBytesOf, baseOffsetOf, lastOffsetDeltaOf, maxTimestampOf, nextOffsetOf } from '../../src/record/record-batch.ts'

const patienceMs = Number(process.env.LOG_PATIENCE_MS ?? 10_000)

export interface OpenInput {
  readonly directory: string
  readonly disk: Disk
  readonly config?: Partial<LogConfig>
  readonly pool?: BlockPool
  readonly bootId?: string
  readonly replay?: LogReplay
}

/** A log with the loop around it that an actor system would be. */
export class LogHost implements EffectSink {
  readonly log: Log
  readonly events: LogEvent[] = []
  scannedBytes = 0
  cutBytes = 0
  readonly #effects: Effect[] = []
  readonly #mailbox: Message[] = []
  #wake: (() => void) | undefined

  constructor (log: Log) {
    this.log = log
  }

  static async open (input: OpenInput): Promise<LogHost> {
    const opened = await Log.open({
      directory: input.directory,
      disk: input.disk,
      pool: input.pool ?? new BlockPool(1 << 20, 4096),
      clock: systemClock,
      config: { ...defaultLogConfig, ...input.config },
      ...(input.bootId === undefined ? {} : { bootId: input.bootId })
    }, input.replay)
    if (opened.state === 'damaged') throw new Error(`damaged: ${opened.damage.reason}`)
    const host = new LogHost(opened.log)
    host.scannedBytes = opened.scannedBytes
    host.cutBytes = opened.cutBytes
    return host
  }

  effect (effect: Effect): void {
    this.#effects.push(effect)
  }

  /** Runs what is ready, without waiting for the disk. */
  drain (): void {
    for (let i = 0; i < 10_000; i++) {
      const effect = this.#effects.shift()
      if (effect !== undefined) {
        effect.run(message => {
          this.#mailbox.push(message)
          this.#wake?.()
        })
        continue
      }
      const message = this.#mailbox.shift()
      if (message === undefined) return
      this.events.push(this.log.handle(message as LogMessage, this))
    }
    throw new Error('the log never comes to rest')
  }

  /** Lets the disk work until `until` holds. */
  async settle (until: () => boolean): Promise<void> {
    for (let i = 0; i < 100_000; i++) {
      this.drain()
      if (until()) return
      await this.#posted()
    }
    throw new Error('what was waited for never came')
  }

  /** Resolves when a completion arrives; fails if none does for long. */
  async #posted (): Promise<void> {
    if (this.#mailbox.length > 0) return
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve, reject) => {
      this.#wake = resolve
      timer = setTimeout(() => reject(new Error('no completion came')), patienceMs)
    })
    clearTimeout(timer)
    this.#wake = undefined
  }

  append (batch: Uint8Array, term = 1): Offset {
    return this.log.append(batch, term as Term, lastOffsetDeltaOf(batch, 0), maxTimestampOf(batch, 0))
  }

  /** Flushes and waits until everything appended is durable. */
  async flush (): Promise<void> {
    this.log.flush(this)
    await this.settle(() => this.log.durableEndOffset === this.log.logEndOffset)
    this.log.advanceHighWatermark(this.log.durableEndOffset)
  }

  async waitFor (event: LogEvent): Promise<void> {
    const from = this.events.length
    await this.settle(() => this.events.indexOf(event, from) >= 0)
  }
}

/** Notes what a real disk may punish with the bytes of another file: the use of a descriptor that was given back. */
export class CountingDisk extends FaultyDisk {
  openFiles = 0
  misuses = 0
  /** Indexes are opened when it resolves. */
  indexGate: Promise<void> | undefined

  override async open (path: string, mode: 'read' | 'write'): Promise<DiskFile> {
    if (path.endsWith('.index')) await this.indexGate
    const file = await super.open(path, mode)
    let isOpen = true
    this.openFiles++
    const checked = <In extends unknown[], Out>(method: (...input: In) => Out) => (...input: In): Out => {
      if (!isOpen) this.misuses++
      return method.apply(file, input)
    }
    const close = checked(file.close)
    return Object.assign(file, {
      read: checked(file.read),
      readNow: checked(file.readNow),
      close: () => {
        const closed = close()
        if (isOpen) this.openFiles--
        isOpen = false
        return closed
      }
    })
  }
}

export function batchOf (count: number, valueBytes: number, timestamp = 1000, fill = 'x'): Uint8Array {
  return buildBatch({ records: Array.from({ length: count }, () => ({ value: fill.repeat(valueBytes) })), timestamp })
}

export interface BatchSeen {
  readonly base: number
  readonly next: number
  readonly bytes: Uint8Array
}

export function splitBatches (bytes: Uint8Array): BatchSeen[] {
  const batches: BatchSeen[] = []
  for (let at = 0; at < bytes.length;) {
    const size = batchBytesOf(bytes, at)
    batches.push({ base: baseOffsetOf(bytes, at), next: nextOffsetOf(bytes, at), bytes: bytes.slice(at, at + size) })
    at += size
  }
  return batches
}

export function readPlan (reader: SegmentReader, directory: string, plan: ReadPlan, maxBytes: number, minOneBatch = true): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    reader.read(directory, plan, maxBytes, minOneBatch, (error, lease) => {
      if (error !== undefined) return reject(error)
      resolve(lease === undefined ? new Uint8Array(0) : lease.bytes.slice())
      lease?.release()
    })
  })
}

/** Reads from memory or file, as a partition and a connection would together. */
export async function readFrom (host: LogHost, reader: SegmentReader, offset: number, maxBytes = 1 << 20, end: number = host.log.highWatermark): Promise<BatchSeen[]> {
  const plan = host.log.read(offset as Offset, maxBytes, end as Offset)
  if (plan === undefined) return []
  return splitBatches(plan.memory !== undefined ? plan.memory.slice() : await readPlan(reader, host.log.directory, plan, maxBytes))
}

export async function readAll (host: LogHost, reader: SegmentReader, from: number = host.log.logStartOffset, maxBytes = 1 << 20): Promise<BatchSeen[]> {
  const all: BatchSeen[] = []
  for (let offset = from; offset < host.log.highWatermark;) {
    const batches = await readFrom(host, reader, offset, maxBytes)
    if (batches.length === 0) throw new Error(`nothing at offset ${offset}`)
    all.push(...batches)
    offset = batches.at(-1)!.next
  }
  return all
}
