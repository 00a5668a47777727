/**
 * How long nothing is acknowledged when the leader of a partition is lost, or leaves in order: one record after the other is
 * produced with acks=all, each tried for 200 ms at whoever is said to lead, and the gap between two successes is the figure.
 * What was acknowledged is read and checked at the end.
 */
import { seededChance } from '../../src/base/prng.ts'
import { check } from '../../test/cluster/checker.ts'
import { ClusterClient, sleep } from '../../test/cluster/cluster-client.ts'
import { History } from '../../test/cluster/history.ts'
import { readEverything } from '../../test/cluster/raw-consumer.ts'
import { RawProducer } from '../../test/cluster/raw-producer.ts'
import { RealProducer, realClientNames } from '../../test/cluster/real-clients.ts'
import { median } from '../harness.ts'
import type { Values } from './figures.ts'
import type { ClusterSubject } from './subject.ts'
import { eventually, leaderIndex, topicWithThree, wholeTopic } from './topics.ts'

export const failures = ['kill', 'pause', 'drop', 'graceful'] as const
export type Failure = typeof failures[number]

const topicPartitions = 6
const answerMs = 200
const patientMs = 5000
const successesAfter = 50
const recoverMsMax = 60_000
let topics = 0

/** Breaks and mends `times` times. Figures: the gaps, and with `graceful` what users of libraries saw. */
export async function failOver (subject: ClusterSubject, failure: Failure, times: number): Promise<Values> {
  const { addresses } = subject
  const looker = new ClusterClient({ addresses, answerMs: patientMs })
  const prober = new ClusterClient({ addresses, answerMs })
  const history = new History()
  const topic = `${failure}-${process.pid}-${topics++}`
  await topicWithThree(looker, addresses, topic, topicPartitions)
  const keys = Array.from({ length: topicPartitions }, (_, i) => history.addKey(`${topic}/${i}`))
  const producer = new RawProducer({ client: prober, history, topic, partition: 0, key: keys[0]!, chance: seededChance(1), window: 1, paceMs: 1, retryMs: 2, recordsMax: 1 })
  const libraries = failure === 'graceful' ? realClientNames.map(name => new RealProducer(name, { addresses, topic, keys, history, chance: seededChance(2), paceMs: 5 })) : []
  producer.start()
  for (const library of libraries) library.start()
  const gapsMs: number[] = []
  const libraryGapsMs = libraries.map(() => [] as number[])
  try {
    for (let i = 0; i < times; i++) {
      await moved(producer, successesAfter)
      for (const library of libraries) await moved(library, 5)
      const leader = await leaderIndex(looker, addresses, topic, 0)
      const faultAt = performance.now()
      await fail(subject, failure, leader)
      await moved(producer, successesAfter)
      gapsMs.push(producer.pulse.longestGap(faultAt, performance.now()))
      if (failure === 'pause') subject.resume(leader)
      else if (failure === 'drop') await subject.heal()
      else await subject.start(leader)
      await wholeTopic(looker, addresses, topic, topicPartitions)
      await sleep(500)
      for (const [at, { pulse }] of libraries.entries()) libraryGapsMs[at]!.push(pulse.longestGap(faultAt, performance.now()))
    }
    await producer.stop()
    for (const library of libraries) await library.stop()
    for (const [partition, key] of keys.entries()) await readEverything({ client: looker, history, topic, partition, key })
    const { anomalies, acknowledged } = check(history, { finished: true })
    if (!anomalies.isEmpty) throw new Error(`${subject.name}: the history is not sound:\n${anomalies}`)
    if (producer.faults.length > 0) throw new Error(producer.faults.join('\n'))
    const seen = libraries.flatMap(({ errors }) => [...errors])
    for (const [error, count] of seen) process.stderr.write(`${subject.name} ${failure}: ${error} ${count}\n`)
    return {
      'ms without an acknowledgement, median': median(gapsMs),
      'ms without an acknowledgement, least': Math.min(...gapsMs),
      'ms without an acknowledgement, most': Math.max(...gapsMs),
      times,
      'records acknowledged, none lost': acknowledged,
      ...Object.fromEntries(libraries.map(({ name }, at) => [`ms without an acknowledgement, ${name}, median`, median(libraryGapsMs[at]!)])),
      ...failure === 'graceful' ? { 'errors seen by users of kafkajs and platformatic': seen.reduce((sum, [, count]) => sum + count, 0) } : {}
    }
  } finally {
    await looker.close()
    await prober.close()
  }
}

async function fail (subject: ClusterSubject, failure: Failure, leader: number): Promise<void> {
  switch (failure) {
    case 'kill': return await subject.kill(leader)
    case 'pause': return subject.pause(leader)
    case 'drop':
      if (subject.cutOff === undefined) throw new Error('packets cannot be dropped in this network')
      return await subject.cutOff(leader)
    case 'graceful': return await subject.stop(leader)
  }
}

async function moved ({ pulse }: Pick<RawProducer, 'pulse'>, more: number): Promise<void> {
  const goal = pulse.count + more
  const end = performance.now() + recoverMsMax
  while (pulse.count < goal) {
    if (performance.now() > end) throw new Error(`${goal - pulse.count} of ${more} records were not acknowledged within ${recoverMsMax} ms`)
    await sleep(10)
  }
}

/** Kills the broker that leads most of many partitions. Figures: until every partition has a leader again, and takes a record. */
export async function electionStorm (subject: ClusterSubject, partitions: number): Promise<Values> {
  const { addresses } = subject
  const client = new ClusterClient({ addresses, answerMs: patientMs })
  const topic = `storm-${process.pid}-${topics++}`
  try {
    await topicWithThree(client, addresses, topic, partitions)
    await sleep(2000)
    const { brokers, topics } = await client.metadata([topic])
    const led = Map.groupBy(topics[0]!.partitions, ({ leaderId }) => leaderId)
    const [nodeId, lost] = [...led].toSorted((a, b) => b[1].length - a[1].length)[0]!
    const broker = brokers.find(broker => broker.nodeId === nodeId)!
    const index = addresses.indexOf(`${broker.host}:${broker.port}`)
    const survivor = addresses[(index + 1) % addresses.length]!
    const killedAt = performance.now()
    await subject.kill(index)
    await eventually('every partition has a new leader', async () => {
      const view = (await client.metadataFrom(survivor, [topic])).topics[0]!.partitions
      return view.length === partitions && view.every(({ leaderId }) => leaderId >= 0 && leaderId !== nodeId)
    })
    const ledMs = performance.now() - killedAt
    const writer = new ClusterClient({ addresses: addresses.filter((_, i) => i !== index), answerMs: 1000 })
    const history = new History()
    const producers = lost.map(({ index: partition }) => new RawProducer({ client: writer, history, topic, partition, key: history.addKey(`${topic}/${partition}`), chance: seededChance(partition), window: 1, paceMs: 10_000, recordsMax: 1 }))
    for (const producer of producers) producer.start()
    await eventually('every partition takes a record', async () => producers.every(({ pulse }) => pulse.count > 0))
    const writableMs = performance.now() - killedAt
    await Promise.all(producers.map(async producer => await producer.stop()))
    await writer.close()
    await subject.start(index)
    await wholeTopic(client, addresses, topic, partitions)
    return { partitions, 'led by the one that was killed': lost.length, 'ms until all have leaders': ledMs, 'ms until all take a record, clients of each starting then': writableMs }
  } finally {
    await client.close()
  }
}
