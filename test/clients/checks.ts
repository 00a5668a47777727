/** What every client has to get right with a broker. Each check makes its own topic and throws if something is wrong. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { Kafka, logLevel } from 'kafkajs'
import { type Client, type Member, type Sample, type Target, until } from './client.ts'
import { storedBatches } from './stored-batches.ts'
import { sha256OfFile, type TextFile } from './text-file.ts'

export type Check = (client: Client, broker: string, file: () => Promise<TextFile>) => Promise<void>

const partitionCount = 4

/** In the order they run; a client without the means for one leaves it out. */
export const checks: Readonly<Record<string, Check>> = { quick, values, codecs, idempotent, group, file }

/** Three records in and out: enough to see that a client works at all. */
async function quick (client: Client, broker: string): Promise<void> {
  const target = await newTopic(broker, 1)
  const samples = [sample('k', 'one'), sample(null, 'two'), sample('k', 'three')]
  await client.produce(target, samples)
  assert.deepEqual(await client.consume(target, samples.length), samples)
}

/** Keys, values and headers that are null, empty, long, or not ASCII. */
async function values (client: Client, broker: string): Promise<void> {
  const target = await newTopic(broker, 1)
  const samples = [
    sample('key', 'value'),
    sample(null, 'without a key'),
    sample('', 'with an empty key'),
    sample('tombstone', null),
    sample('empty', ''),
    sample('ключ', 'zażółć gęślą jaźń 👩‍🚀'),
    sample('headers', 'three', [['a', '1'], ['b', 'ü'], ['empty', '']]),
    sample('headers', 'one name twice', [['a', '1'], ['a', '2']]),
    sample('headers', 'null', [['a', null]]),
    sample('long', 'long '.repeat(40_000))
  ].filter(each => client.canSend?.(each) ?? true)
  await client.produce(target, samples)
  assert.deepEqual(await client.consume(target, samples.length), samples)
}

/** Every codec arrives as it was sent: compressed in the log, and readable by the same client. */
async function codecs (client: Client, broker: string): Promise<void> {
  for (const codec of client.codecs) {
    const target = await newTopic(broker, 1)
    const samples = Array.from({ length: 200 }, (_, index) => sample('k', `${codec} ${index} ${'again and '.repeat(20)}`))
    await client.produce(target, samples, { codec })
    const batches = await storedBatches(target, samples.length)
    assert.deepEqual([...new Set(batches.map(batch => batch.codec))], [codec], 'the codec in the log')
    assert.equal(total(batches.map(batch => batch.recordCount)), samples.length)
    if (codec !== 'none') assert.ok(total(batches.map(batch => batch.bytes)) < 24_000, `${codec} makes it smaller`)
    assert.deepEqual(await client.consume(target, samples.length), samples)
  }
}

/** The batches of an idempotent producer carry its id and gapless sequences; nothing is lost, doubled or out of order. */
async function idempotent (client: Client, broker: string): Promise<void> {
  const target = await newTopic(broker, 1)
  const samples = Array.from({ length: 2_000 }, (_, index) => sample(null, `record ${index}`))
  await client.produce(target, samples, { idempotent: true })
  const batches = await storedBatches(target, samples.length)
  const producerIds = new Set(batches.map(batch => batch.producerId))
  assert.equal(producerIds.size, 1)
  assert.ok(!producerIds.has(-1), 'the batches have a producer id')
  let sequence = 0
  for (const batch of batches) {
    assert.equal(batch.baseSequence, sequence)
    sequence += batch.recordCount
  }
  assert.deepEqual(await client.consume(target, samples.length), samples)
}

/** One member has everything, two share, the one that stays takes over, and a third goes on where they stopped. */
async function group (client: Client, broker: string): Promise<void> {
  const target = await newTopic(broker, partitionCount)
  const name = `group-${randomUUID()}`
  const members: Member[] = []
  const open = new Set<Member>()
  const join = async (): Promise<Member> => {
    const member = await client.join!(target, name)
    members.push(member)
    open.add(member)
    return member
  }
  const leave = async (member: Member): Promise<void> => {
    open.delete(member)
    await member.close()
  }
  const received = (): number => new Set(members.flatMap(member => [...member.received])).size
  try {
    await spread(target, 40)
    const first = await join()
    await until('the first member reads all', [first], () => first.assigned.length === partitionCount && received() === 40)

    const second = await join()
    const shared = (): boolean => first.assigned.length === 2 && second.assigned.length === 2 &&
      new Set([...first.assigned, ...second.assigned]).size === partitionCount
    await until('two members share the partitions', [first, second], shared)
    await spread(target, 40)
    await until('two members read all', [first, second], () => received() === 80 && second.received.size >= 20)

    await leave(second)
    await until('the first member takes over', [first], () => first.assigned.length === partitionCount)
    await spread(target, 40)
    await until('the first member reads all again', [first], () => received() === 120)
    await leave(first)

    const third = await join()
    await spread(target, 4)
    await until('a third member goes on', [third], () => third.received.size >= 4 && received() === 124)
    assert.equal(third.received.size, 4, 'what was committed is not read again')
    await leave(third)
  } finally {
    for (const member of open) await member.close().catch(() => {})
  }
}

/** A large text file comes back byte for byte. */
async function file (client: Client, broker: string, file: () => Promise<TextFile>): Promise<void> {
  const { path, lines, sha256 } = await file()
  const target = await newTopic(broker, 1)
  const copy = `${path}.${client.name}`
  try {
    await client.produceFile!(target, path)
    await client.consumeFile!(target, copy, lines)
    assert.equal(await sha256OfFile(copy), sha256)
  } finally {
    await rm(copy, { force: true })
  }
}

/** True if the client has the means for this check. */
export function applies (check: string, client: Client): boolean {
  return (check !== 'file' || client.produceFile !== undefined) && (client.checks?.includes(check) ?? true)
}

export async function newTopic (broker: string, numPartitions: number): Promise<Target> {
  const topic = `clients-${randomUUID()}`
  const admin = quietKafka(broker).admin()
  await admin.connect()
  try {
    await admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1 }], waitForLeaders: true })
  } finally {
    await admin.disconnect()
  }
  return { broker, topic }
}

/** Sends `count` records, as many to each partition. */
async function spread ({ broker, topic }: Target, count: number): Promise<void> {
  const producer = quietKafka(broker).producer({ allowAutoTopicCreation: false })
  await producer.connect()
  try {
    await producer.send({ topic, messages: Array.from({ length: count }, (_, index) => ({ value: `${index}`, partition: index % partitionCount })) })
  } finally {
    await producer.disconnect()
  }
}

export function quietKafka (broker: string): Kafka {
  return new Kafka({ clientId: 'clients-test', brokers: [broker], logLevel: logLevel.NOTHING })
}

export function sample (key: string | null, value: string | null, headers: Sample['headers'] = []): Sample {
  return { key, value, headers }
}

function total (numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0)
}
