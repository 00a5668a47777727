/** What many partitions of three copies cost when nothing happens, and how long they take to make; and whether leaders stay under full load. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ClusterClient, type Metadata } from '../../test/cluster/cluster-client.ts'
import { runKafkaTool } from '../peers/kafka.ts'
import type { Values } from './figures.ts'
import { type ClusterSubject, costSince, cpuOf, memoryOf } from './subject.ts'
import { topicWithThree } from './topics.ts'

export async function idle (subject: ClusterSubject, partitions: number, settleSeconds: number, seconds: number): Promise<Values> {
  const client = new ClusterClient({ addresses: subject.addresses, answerMs: 10_000 })
  try {
    const createMs = await topicWithThree(client, subject.addresses, `idle-${process.pid}`, partitions)
    await sleep(settleSeconds * 1000)
    const before = cpuOf(subject)
    const started = performance.now()
    await sleep(seconds * 1000)
    const { byServer } = costSince(before, cpuOf(subject))
    const elapsed = (performance.now() - started) / 1000
    const { mebibytes, peakMebibytes } = memoryOf(subject)
    return {
      partitions,
      's to create': createMs / 1000,
      '% of a core, the busiest': Math.max(...byServer) / elapsed * 100,
      '% of a core, the least busy': Math.min(...byServer) / elapsed * 100,
      'RSS MiB of the largest': Math.max(...mebibytes),
      'peak RSS MiB of the largest': Math.max(...peakMebibytes)
    }
  } finally {
    await client.close()
  }
}

/** Full load for some minutes: every leader that changes was elected without need. */
export async function steady (subject: ClusterSubject, partitions: number, minutes: number): Promise<Values> {
  const client = new ClusterClient({ addresses: subject.addresses, answerMs: 30_000 })
  const topic = `steady-${process.pid}`
  const messages = 500_000
  try {
    await topicWithThree(client, subject.addresses, topic, partitions)
    const before = await client.metadata([topic])
    const started = performance.now()
    const end = started + minutes * 60_000
    let sent = 0
    let after = before
    while (performance.now() < end) {
      await runKafkaTool('producerPerformance', ['--topic', topic, '--num-records', String(messages), '--record-size', '1024', '--throughput', '-1', '--bootstrap-server', subject.addresses.join(), '--command-property', 'acks=all'], { withinMs: 600_000 })
      sent += messages
      // Brokers close connections that nobody uses for ten minutes.
      after = await client.metadata([topic])
    }
    return {
      minutes: (performance.now() - started) / 60_000,
      'MB/s': sent * 1024 / 1e3 / (performance.now() - started),
      'elections of partitions': termsOf(after) - termsOf(before),
      'controller moved': after.controllerId === before.controllerId ? 0 : 1
    }
  } finally {
    await client.close()
  }
}

function termsOf ({ topics }: Metadata): number {
  return topics[0]!.partitions.reduce((sum, { leaderEpoch }) => sum + leaderEpoch, 0)
}
