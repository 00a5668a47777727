/** kafkajs, in this process. It brings gzip; the other codecs are plugged in from ours, as its users do with packages. */
import { createReadStream, createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import kafkajs, { type IHeaders, type KafkaMessage, type Message } from 'kafkajs'
import { Codec, compress, decompress } from '../../src/record/compression.ts'
import { quietKafka } from './checks.ts'
import { type Client, Member, type Sample, type Target } from './client.ts'

const { CompressionCodecs, CompressionTypes } = kafkajs
const bytesMax = 1 << 26
const linesPerSend = 2_000

const types = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy, lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD }

export const kafkaJs: Client = {
  name: 'kafkajs',
  codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
  canSend: ({ headers }) => headers.every(([, value]) => value !== null),

  async prepare () {
    for (const name of ['snappy', 'lz4', 'zstd'] as const) {
      const plugged: Record<number, unknown> = CompressionCodecs
      plugged[types[name]] = () => ({
        compress: async (encoder: { buffer: Buffer }) => Buffer.from(compress(Codec[name], encoder.buffer)),
        decompress: async (bytes: Buffer) => Buffer.from(decompress(Codec[name], bytes, bytesMax))
      })
    }
  },

  async produce ({ broker, topic }, samples, { codec = 'none', idempotent = false } = {}) {
    const producer = quietKafka(broker).producer({ idempotent, maxInFlightRequests: idempotent ? 1 : 5, allowAutoTopicCreation: false })
    await producer.connect()
    try {
      const perSend = idempotent ? 100 : samples.length
      for (let start = 0; start < samples.length; start += perSend) {
        const messages = samples.slice(start, start + perSend).map(toMessage)
        await producer.send({ topic, messages, acks: -1, compression: types[codec] })
      }
    } finally {
      await producer.disconnect()
    }
  },

  async consume (target, count) {
    const samples: Sample[] = []
    await consume(target, count, async message => { samples.push(fromMessage(message)) })
    return samples
  },

  async join ({ broker, topic }, groupId) {
    const consumer = quietKafka(broker).consumer({ groupId, sessionTimeout: 10_000, heartbeatInterval: 500, rebalanceTimeout: 20_000, maxWaitTimeInMs: 200 })
    const member = new Member(async () => await consumer.disconnect())
    consumer.on('consumer.group_join', ({ payload }) => member.assign(payload.memberAssignment[topic] ?? []))
    consumer.on('consumer.crash', ({ payload }) => member.fail(payload.error))
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({ eachMessage: async ({ partition, message }) => member.take(partition, Number(message.offset)) })
    return member
  },

  async produceFile ({ broker, topic }, path) {
    const producer = quietKafka(broker).producer({ allowAutoTopicCreation: false })
    await producer.connect()
    try {
      let messages: Message[] = []
      const send = async (): Promise<void> => {
        if (messages.length > 0) await producer.send({ topic, messages, acks: -1 })
        messages = []
      }
      for await (const line of createInterface(createReadStream(path))) {
        messages.push({ value: line, partition: 0 })
        if (messages.length === linesPerSend) await send()
      }
      await send()
    } finally {
      await producer.disconnect()
    }
  },

  async consumeFile (target, path, count) {
    const out = createWriteStream(path)
    await consume(target, count, async ({ value }) => {
      out.write(value!)
      if (!out.write('\n')) await once(out, 'drain')
    })
    out.end()
    await once(out, 'finish')
  }
}

/** kafkajs reads through a group only, so this makes one that nobody else has. */
async function consume ({ broker, topic }: Target, count: number, each: (message: KafkaMessage) => Promise<void>): Promise<void> {
  const consumer = quietKafka(broker).consumer({ groupId: `reader-of-${topic}`, allowAutoTopicCreation: false })
  const done = Promise.withResolvers<void>()
  consumer.on('consumer.crash', ({ payload }) => done.reject(payload.error))
  const timer = setTimeout(() => done.reject(new Error(`not within two minutes: ${count} records, ${seen} came`)), 120_000)
  let seen = 0
  try {
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ message }) => {
        if (seen === count) return
        await each(message)
        if (++seen === count) done.resolve()
      }
    })
    await done.promise
  } finally {
    clearTimeout(timer)
    await consumer.disconnect()
  }
}

function toMessage ({ key, value, headers }: Sample): Message {
  const byName: Record<string, string[]> = {}
  for (const [name, value] of headers) (byName[name] ??= []).push(value as string)
  return { key, value, partition: 0, headers: Object.fromEntries(Object.entries(byName).map(([name, values]) => [name, values.length === 1 ? values[0] : values])) }
}

function fromMessage ({ key, value, headers = {} }: KafkaMessage): Sample {
  return { key: key?.toString() ?? null, value: value?.toString() ?? null, headers: Object.entries(headers).flatMap(([name, value]) => headerPairs(name, value)) }
}

function headerPairs (name: string, value: IHeaders[string]): [string, string | null][] {
  return (Array.isArray(value) ? value : [value]).map(each => [name, each?.toString() ?? null])
}
