/** produce: one text N times, or the lines of a file or of stdin, each a message, byte for byte. */
import { SingleBar } from 'cli-progress'
import { createReadStream, statSync } from 'node:fs'
import { systemClock } from '../base/clock.ts'
import { formatBytes } from '../base/units.ts'
import { TopicWriter } from '../client/topic-writer.ts'
import { Codec } from '../record/compression.ts'
import { type ClientFlags, requireTopic, type Session } from './client-session.ts'
import { CliError, exitCode } from './failure.ts'
import { LineSplitter } from './lines.ts'

const readBytes = 2 ** 20
const lineBytesMax = 64 * 2 ** 20

export async function produce ({ config, cluster, logger }: Session, flags: ClientFlags): Promise<void> {
  const topic = requireTopic(config)
  const codec = parseCodec(flags.compression ?? 'none')
  const acks = parseAcks(flags.acks ?? 'all')
  if (flags.file !== undefined && flags.message !== undefined) throw new CliError('--message and --file exclude each other', exitCode.usage)
  const sizeOfFile = flags.file === undefined ? 0 : fileSize(flags.file)
  const key = flags.key === undefined ? null : Buffer.from(flags.key)
  const startedMs = systemClock.monotonicMs()
  const writer = await TopicWriter.open(cluster, { topic, partition: config.partition < 0 ? undefined : config.partition, acks, codec })
  const sender = new Sender(writer, key)

  if (flags.file !== undefined) {
    const bar = process.stderr.isTTY ? new SingleBar({ format: '{bar} {percentage}%  {value}/{total} MiB  {eta_formatted} left', stream: process.stderr }) : undefined
    bar?.start(toMib(sizeOfFile), 0)
    await sendLines(createReadStream(flags.file, { highWaterMark: readBytes }), sender, config.count, bytesRead => bar?.update(toMib(bytesRead)))
    bar?.stop()
  } else if (config.message !== '' || flags.message !== undefined) {
    const value = Buffer.from(config.message)
    for (let i = 0; i < (config.count < 0 ? 1 : config.count); i++) {
      if (!sender.offer(value)) await sender.waitAndOffer(value)
    }
  } else {
    if (process.stdin.isTTY) console.error('one message a line; Ctrl-D ends')
    // Someone may be typing: each chunk is on its way before the next is read.
    await sendLines(process.stdin, sender, config.count, () => writer.push())
  }
  await writer.flush()

  const seconds = Math.max((systemClock.monotonicMs() - startedMs) / 1000, 0.001)
  const { messages, bytes } = sender
  logger.info({ topic, messages, bytes, seconds }, 'messages produced')
  const offsets = [...writer.lastOffsets].sort(([a], [b]) => a - b).map(([partition, offset]) => `${partition}:${offset}`)
  console.log(`produced ${messages} ${messages === 1 ? 'message' : 'messages'} (${formatBytes(bytes)}) to ${topic} in ${seconds.toFixed(2)} s: ` +
    `${Math.round(messages / seconds)} messages/s, ${formatBytes(Math.round(bytes / seconds))}/s` +
    (offsets.length === 0 ? '' : `; last offset by partition: ${offsets.slice(0, 10).join(' ')}${offsets.length > 10 ? ' …' : ''}`))
}

/** Counts what it hands to the writer. */
class Sender {
  readonly #writer: TopicWriter
  readonly #key: Buffer | null
  nowMs = systemClock.wallMs()
  messages = 0
  bytes = 0

  constructor (writer: TopicWriter, key: Buffer | null) {
    this.#writer = writer
    this.#key = key
  }

  offer (value: Uint8Array): boolean {
    if (!this.#writer.offer(this.#key, value, this.nowMs)) return false
    this.messages++
    this.bytes += value.length
    return true
  }

  async waitAndOffer (value: Uint8Array): Promise<void> {
    do await this.#writer.room()
    while (!this.offer(value))
    this.nowMs = systemClock.wallMs()
  }
}

/** Sends each line of `input`, and what follows the last \n if anything does; at most `count` lines where that is not negative. */
async function sendLines (input: AsyncIterable<Buffer>, sender: Sender, count: number, afterChunk: (bytesRead: number) => void): Promise<void> {
  const splitter = new LineSplitter(lineBytesMax)
  const linesMax = count < 0 ? Infinity : count
  let bytesRead = 0
  for await (const chunk of input) {
    sender.nowMs = systemClock.wallMs()
    for (const line of splitter.lines(chunk)) {
      if (sender.messages >= linesMax) return
      if (!sender.offer(line)) await sender.waitAndOffer(line)
    }
    bytesRead += chunk.length
    afterChunk(bytesRead)
  }
  const last = splitter.last()
  if (last !== undefined && sender.messages < linesMax && !sender.offer(last)) await sender.waitAndOffer(last)
}

const toMib = (bytes: number): number => Math.round(bytes / 2 ** 20 * 10) / 10

function fileSize (path: string): number {
  try {
    return statSync(path).size
  } catch (error) {
    throw new CliError(`cannot read ${path}: ${(error as Error).message}`)
  }
}

function parseCodec (name: string): Codec {
  if (!Object.hasOwn(Codec, name)) throw new CliError(`--compression: ${JSON.stringify(name)} is not allowed; allowed: ${Object.keys(Codec).join(', ')}`, exitCode.usage)
  return Codec[name as keyof typeof Codec]
}

function parseAcks (text: string): -1 | 0 | 1 {
  const acks = ({ all: -1, '-1': -1, 1: 1, 0: 0 } as const)[text]
  if (acks === undefined) throw new CliError(`--acks: ${JSON.stringify(text)} is not allowed; allowed: all, 1, 0`, exitCode.usage)
  return acks
}
