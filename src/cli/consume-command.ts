/** consume: the messages of one partition or all, straight from their leaders, as plain lines or as JSON lines. */
import { isUtf8 } from 'node:buffer'
import { messagesIn, readBatches, type ReadPosition, type ReceivedMessage } from '../client/topic-reader.ts'
import type { OffsetRange, TopicInfo } from '../client/cluster.ts'
import { type ClientFlags, requireTopic, type Session } from './client-session.ts'
import { CliError, exitCode } from './failure.ts'

const outputBytes = 256 * 1024
const newline = Buffer.from('\n')

/**
 * Without --follow it ends at what was there when it began. In plain form each message is its bytes and one \n, so a file
 * of lines comes back byte for byte (one whose last line lacks its \n gains it).
 */
export async function consume ({ config, cluster, logger }: Session, flags: ClientFlags): Promise<void> {
  const name = requireTopic(config)
  const topic = await cluster.topic(name)
  const partitions = chosenPartitions(topic, config.partition)
  const offsets = await cluster.offsets(topic, partitions)
  const positions = partitions.map(partition => startPosition(partition, config.offset, offsets.get(partition)!, flags.follow ?? false))
  const countMax = config.count < 0 ? Infinity : config.count

  const stop = new AbortController()
  const onSignal = (): void => stop.abort()
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  const output = new Output()
  let count = 0
  try {
    if (countMax === 0) return
    for await (const fetched of readBatches(cluster, name, positions, stop.signal)) {
      for (const message of messagesIn(fetched)) {
        output.write(flags.json === true ? [jsonLine(name, fetched.partition, message)] : [message.value ?? Buffer.alloc(0), newline])
        if (output.isFull) await output.flush()
        if (++count >= countMax || output.closed) stop.abort()
        if (stop.signal.aborted) break
      }
      await output.flush() // whoever watches sees what has come, before the next wait
      if (stop.signal.aborted) break
    }
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
  logger.info({ topic: name, messages: count }, 'messages consumed')
  if (count === 0 && process.stderr.isTTY) console.error(`no messages in ${name} from there on; see ringmq describe-topic --topic ${name}`)
}

function chosenPartitions (topic: TopicInfo, partition: number): number[] {
  if (partition < 0) return topic.partitions.map(({ index }) => index)
  if (partition >= topic.partitions.length) throw new CliError(`topic ${topic.name} has partitions 0 to ${topic.partitions.length - 1}, not ${partition}`)
  return [partition]
}

function startPosition (partition: number, text: string, range: OffsetRange, follow: boolean): ReadPosition {
  const end = follow ? Infinity : range.end
  if (text === '-1' || text === 'earliest') return { partition, offset: range.start, end }
  if (text === 'latest') return { partition, offset: range.end, end }
  if (!/^\d{1,15}$/.test(text)) throw new CliError(`--offset: ${JSON.stringify(text)} is not allowed; allowed: a number from 0, earliest, latest`, exitCode.usage)
  const offset = Number(text)
  if (offset < range.start || offset > range.end) throw new CliError(`partition ${partition} holds offsets from ${range.start} up to ${range.end}, not ${offset}; use --offset earliest or latest`)
  return { partition, offset, end }
}

/** Bytes that are UTF-8 are shown as text under the name itself, others in base64 under `…Base64`. */
function jsonLine (topic: string, partition: number, { offset, timestamp, key, value, headers }: ReceivedMessage): Buffer {
  const line = {
    topic,
    partition,
    offset,
    timestamp,
    ...asText('key', key),
    ...asText('value', value),
    ...(headers.length === 0 ? {} : { headers: headers.map(header => ({ name: header.key, ...asText('value', header.value) })) })
  }
  return Buffer.from(JSON.stringify(line) + '\n')
}

function asText (name: string, bytes: Uint8Array | null): Record<string, string | null> {
  if (bytes === null) return { [name]: null }
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return isUtf8(buffer) ? { [name]: buffer.toString('utf8') } : { [`${name}Base64`]: buffer.toString('base64') }
}

/** Gathers small writes to stdout, and takes a reader that went away (`| head`) for the end. */
class Output {
  #parts: Uint8Array[] = []
  #bytes = 0
  closed = false

  constructor () {
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      this.closed = true
    })
  }

  get isFull (): boolean {
    return this.#bytes >= outputBytes
  }

  write (parts: readonly Uint8Array[]): void {
    for (const part of parts) {
      this.#parts.push(part)
      this.#bytes += part.length
    }
  }

  async flush (): Promise<void> {
    if (this.#bytes === 0 || this.closed) return
    const bytes = Buffer.concat(this.#parts, this.#bytes)
    this.#parts = []
    this.#bytes = 0
    await new Promise<void>(resolve => process.stdout.write(bytes, () => resolve()))
  }
}
