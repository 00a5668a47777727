/** @platformatic/kafka, in this process. */
import { once } from 'node:events'
import { Consumer, type Message, MessagesStreamFallbackModes, MessagesStreamModes, Producer, stringDeserializer, stringSerializer } from '@platformatic/kafka'
import { type Client, Member, type Sample } from './client.ts'

type Text = string | null

const clientId = 'clients-test'
/** Null passes as null: the library's own pair turns it into an empty value. */
const serialize = (value?: Text): Buffer | undefined => value === null ? undefined : stringSerializer(value)
const deserialize = (bytes?: Buffer): Text => bytes === null || bytes === undefined ? null : stringDeserializer(bytes)!

export const platformatic: Client = {
  name: 'platformatic',
  codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
  // Headers are a map.
  canSend: ({ headers }) => new Set(headers.map(([name]) => name)).size === headers.length,

  async prepare () {},

  async produce ({ broker, topic }, samples, { codec = 'none', idempotent = false } = {}) {
    const producer = new Producer<Text, Text, Text, Text>({
      clientId,
      bootstrapBrokers: [broker],
      serializers: { key: serialize, value: serialize, headerKey: serialize, headerValue: serialize },
      idempotent
    })
    try {
      const perSend = idempotent ? 100 : samples.length
      for (let start = 0; start < samples.length; start += perSend) {
        const messages = samples.slice(start, start + perSend).map(({ key, value, headers }) => ({ topic, partition: 0, key, value, headers: new Map(headers) }))
        await producer.send({ messages, compression: codec, acks: -1 })
      }
    } finally {
      await producer.close()
    }
  },

  async consume ({ broker, topic }, count) {
    const consumer = newConsumer(broker, `reader-of-${topic}`)
    const samples: Sample[] = []
    try {
      const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST, autocommit: false, maxWaitTime: 500 })
      const timer = setTimeout(() => stream.destroy(new Error(`not within a minute: ${count} records, ${samples.length} came`)), 60_000)
      for await (const message of stream) {
        samples.push(toSample(message))
        if (samples.length === count) break
      }
      clearTimeout(timer)
    } finally {
      await consumer.close(true)
    }
    return samples
  },

  async join ({ broker, topic }, groupId) {
    const consumer = newConsumer(broker, groupId)
    const member = new Member(async () => {
      await stream.close()
      await consumer.close()
    })
    consumer.on('consumer:group:join', ({ assignments }) => member.assign(assignments?.find(each => each.topic === topic)?.partitions ?? []))
    const stream = await consumer.consume({
      topics: [topic],
      mode: MessagesStreamModes.COMMITTED,
      fallbackMode: MessagesStreamFallbackModes.EARLIEST,
      autocommit: 100,
      maxWaitTime: 200,
      sessionTimeout: 10_000,
      heartbeatInterval: 500,
      rebalanceTimeout: 20_000
    })
    stream.on('data', message => member.take(message.partition, Number(message.offset)))
    stream.on('error', error => member.fail(error))
    if (consumer.assignments === null) await once(consumer, 'consumer:group:join')
    return member
  }
}

function newConsumer (broker: string, groupId: string): Consumer<Text, Text, Text, Text> {
  return new Consumer({
    clientId,
    groupId,
    bootstrapBrokers: [broker],
    deserializers: { key: deserialize, value: deserialize, headerKey: deserialize, headerValue: deserialize }
  })
}

function toSample ({ key, value, headers }: Message<Text, Text, Text, Text>): Sample {
  return { key, value, headers: Array.from(headers, ([name, value]) => [name!, value] as const) }
}
