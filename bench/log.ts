/**
 * Append and read through the log on the real disk: `node bench/log.ts [--smoke] [--directory DIR]`.
 * One JSON line per case; CPU of this process, pool threads included, user and system apart. The checksum is of the bytes read back.
 */
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/base/clock.ts'
import { crc32c } from '../src/base/crc32c.ts'
import type { Effect, EffectSink, Message } from '../src/base/effect.ts'
import type { Offset, Term } from '../src/base/ids.ts'
import { BlockPool } from '../src/log/block-pool.ts'
import { diskQuotas, RealDisk } from '../src/log/disk.ts'
import { defaultLogConfig, type FlushMode, Log, type LogMessage } from '../src/log/log.ts'
import { SegmentReader } from '../src/log/segment-reader.ts'
import { buildBatch } from '../src/record/records.ts'
import { BatchFault, lastOffsetDeltaOf, maxTimestampOf, nextOffsetOf, validateBatch, batchBytesOf } from '../src/record/record-batch.ts'

const { values: flags } = parseArgs({ options: { smoke: { type: 'boolean', default: false }, directory: { type: 'string' }, only: { type: 'string' } } })
const root = fs.mkdtempSync(join(flags.directory ?? os.tmpdir(), 'ringmq-bench-log-'))

/** The loop that an actor system would be, without its mailboxes. */
class Loop implements EffectSink {
  log!: Log
  #effects: Effect[] = []
  #inbox: Message[] = []
  #wake: (() => void) | undefined
  readonly #post = (message: Message): void => {
    this.#inbox.push(message)
    this.#wake?.()
  }

  effect (effect: Effect): void {
    this.#effects.push(effect)
  }

  drain (): void {
    while (this.#effects.length > 0 || this.#inbox.length > 0) {
      const effect = this.#effects.pop()
      if (effect !== undefined) effect.run(this.#post)
      const message = this.#inbox.pop()
      if (message !== undefined) this.log.handle(message as LogMessage, this)
    }
  }

  async posted (): Promise<void> {
    if (this.#inbox.length > 0) return
    await new Promise<void>(resolve => { this.#wake = resolve })
    this.#wake = undefined
  }
}

interface Case {
  readonly flush: FlushMode
  readonly recordBytes: number
  readonly recordsPerBatch: number
  /** Batches appended between two flushes: what one loop turn brings. */
  readonly batchesPerTurn: number
  readonly bytes: number
}

const scale = flags.smoke ? 1 / 256 : 1
const mib = 1 << 20
const cases: Case[] = [
  { flush: 'os', recordBytes: 100, recordsPerBatch: 1, batchesPerTurn: 1, bytes: 64 * mib },
  { flush: 'os', recordBytes: 100, recordsPerBatch: 1, batchesPerTurn: 64, bytes: 128 * mib },
  { flush: 'os', recordBytes: 100, recordsPerBatch: 150, batchesPerTurn: 8, bytes: 1024 * mib },
  { flush: 'os', recordBytes: 1024, recordsPerBatch: 16, batchesPerTurn: 8, bytes: 1024 * mib },
  { flush: 'os', recordBytes: 1024, recordsPerBatch: 1000, batchesPerTurn: 2, bytes: 1024 * mib },
  { flush: 'always', recordBytes: 100, recordsPerBatch: 1, batchesPerTurn: 1, bytes: 1 * mib },
  { flush: 'always', recordBytes: 100, recordsPerBatch: 1, batchesPerTurn: 64, bytes: 32 * mib },
  { flush: 'always', recordBytes: 1024, recordsPerBatch: 16, batchesPerTurn: 8, bytes: 512 * mib },
  { flush: 'always', recordBytes: 1024, recordsPerBatch: 1000, batchesPerTurn: 2, bytes: 512 * mib }
]

function cpuSince (before: NodeJS.CpuUsage): { userUs: number, systemUs: number } {
  const used = process.cpuUsage(before)
  return { userUs: used.user, systemUs: used.system }
}

function report (name: string, one: Case, units: { batches: number, bytes: number, ms: number }, cpu: { userUs: number, systemUs: number }, checksum: number): void {
  console.log(JSON.stringify({
    bench: name,
    flush: one.flush,
    recordBytes: one.recordBytes,
    recordsPerBatch: one.recordsPerBatch,
    batchesPerTurn: one.batchesPerTurn,
    batches: units.batches,
    mebibytes: Math.round(units.bytes / mib),
    seconds: Number((units.ms / 1000).toFixed(3)),
    mebibytesPerSecond: Math.round(units.bytes / mib / (units.ms / 1000)),
    userUsPerBatch: Number((cpu.userUs / units.batches).toFixed(3)),
    systemUsPerBatch: Number((cpu.systemUs / units.batches).toFixed(3)),
    userSecondsPerGb: Number((cpu.userUs / 1e6 / (units.bytes / 1e9)).toFixed(3)),
    systemSecondsPerGb: Number((cpu.systemUs / 1e6 / (units.bytes / 1e9)).toFixed(3)),
    peakRssMebibytes: Math.round(process.resourceUsage().maxRSS / 1024),
    checksum: checksum.toString(16)
  }))
}

async function run (one: Case): Promise<void> {
  const directory = join(root, `${one.flush}-${one.recordBytes}-${one.recordsPerBatch}-${one.batchesPerTurn}`)
  const disk = new RealDisk(diskQuotas(Number(process.env.UV_THREADPOOL_SIZE ?? 4), 1))
  const opened = await Log.open({
    directory, disk, pool: new BlockPool(16 * mib), clock: systemClock, config: { ...defaultLogConfig, flush: one.flush }, bootId: 'bench'
  })
  if (opened.state !== 'ready') throw new Error('a new log is sound')
  const { log } = opened
  const loop = new Loop()
  loop.log = log
  const batch = buildBatch({
    records: Array.from({ length: one.recordsPerBatch }, (_, i) => ({ value: Buffer.alloc(one.recordBytes, 97 + i % 26) })), timestamp: 1_700_000_000_000
  })
  const turns = Math.max(1, Math.round(one.bytes * scale / batch.length / one.batchesPerTurn))
  const append = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn++) {
      for (let i = 0; i < one.batchesPerTurn; i++) {
        if (validateBatch(batch, 0, batch.length) !== BatchFault.none) throw new Error('the batch is sound')
        log.append(batch, 1 as Term, lastOffsetDeltaOf(batch, 0), maxTimestampOf(batch, 0))
      }
      log.flush(loop)
      loop.drain()
      while (log.durableEndOffset < log.logEndOffset) {
        await loop.posted()
        loop.drain()
      }
      log.advanceHighWatermark(log.durableEndOffset)
    }
  }
  await append(Math.ceil(turns / 20))
  const from = log.logEndOffset
  let cpu = process.cpuUsage()
  let startMs = performance.now()
  await append(turns)
  const units = { batches: turns * one.batchesPerTurn, bytes: turns * one.batchesPerTurn * batch.length, ms: performance.now() - startMs }
  report('append', one, units, cpuSince(cpu), log.logEndOffset)

  const reader = new SegmentReader({ disk })
  let checksum = 0
  let offset: number = from
  let bytes = 0
  cpu = process.cpuUsage()
  startMs = performance.now()
  while (offset < log.highWatermark) {
    const plan = log.read(offset as Offset, mib, log.highWatermark)!
    if (plan.memory !== undefined) {
      bytes += plan.memory.length
      offset = nextOf(plan.memory)
      continue
    }
    await new Promise<void>((resolve, reject) => {
      reader.read(directory, plan, mib, true, (error, lease) => {
        if (error !== undefined || lease === undefined) return reject(error ?? new Error(`nothing at ${offset}`))
        bytes += lease.bytes.length
        checksum = crc32c(lease.bytes.subarray(0, 61), checksum)
        offset = nextOf(lease.bytes)
        lease.release()
        resolve()
      })
    })
  }
  report('read', one, { batches: units.batches, bytes, ms: performance.now() - startMs }, cpuSince(cpu), checksum)
  await reader.close()
  await log.close()
  fs.rmSync(directory, { recursive: true })
}

/** The offset after the last of these whole batches. */
function nextOf (bytes: Uint8Array): number {
  let next = 0
  for (let at = 0; at < bytes.length; at += batchBytesOf(bytes, at)) next = nextOffsetOf(bytes, at)
  return next
}

try {
  for (const [index, one] of cases.entries()) {
    if (flags.only === undefined || Number(flags.only) === index) await run(one)
  }
} finally {
  fs.rmSync(root, { recursive: true, force: true })
}
