/**
 * kill -9 in the middle of load, again and again on the same data: nothing acknowledged is lost, nothing is doubled, the
 * order of each producer is kept, offsets are dense, and no producer id is given twice.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededChance } from '../../src/base/prng.ts'
import { initProducerId } from '../../src/protocol/apis/init-producer-id.ts'
import { RawClient } from '../broker/raw-client.ts'
import { createTopic, readAll, whenLed } from '../broker/requests.ts'
import { BrokerProcess } from './broker-process.ts'
import { History } from './history.ts'
import { LoadProducer, Progress } from './load.ts'

export interface KillOptions {
  readonly kills: number
  readonly seed: number
  readonly say: (line: string) => void
}

const campaigns = [
  { flush: 'always', partitions: 1, threads: 1 },
  { flush: 'os', partitions: 8, threads: 2 },
  { flush: 'always', partitions: 8, threads: 2 },
  { flush: 'os', partitions: 1, threads: 2 }
] as const

const topic = 'load'
/** Batches acknowledged between two kills, at most. */
const batchesMax = 300
/** Every so many kills all partitions are read and checked. */
const checkEvery = 4

/** @throws with the seed, what to run, and what is wrong */
export async function killAgainAndAgain ({ kills, seed, say }: KillOptions): Promise<void> {
  let left = kills
  for (const [i, campaign] of campaigns.entries()) {
    const share = Math.ceil(left / (campaigns.length - i))
    left -= share
    if (share === 0) continue
    const name = `${share} kills, flush ${campaign.flush}, ${campaign.partitions} partitions, ${campaign.threads} threads`
    try {
      say(`${name}: ${await runCampaign(campaign, share, seed + i)}`)
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}\nseed=${seed}; again: npm run test:crash -- --only kills --kills ${kills} --seed ${seed}`, { cause: error })
    }
  }
}

async function runCampaign ({ flush, partitions, threads }: typeof campaigns[number], kills: number, seed: number): Promise<string> {
  const chance = seededChance(seed)
  const below = (end: number): number => Math.floor(chance.next() * end)
  const dataDir = await mkdtemp(join(tmpdir(), 'ringmq-kills-'))
  const options = {
    dataDir,
    // Small segments, so that kills also meet a change of segment.
    flags: ['--log-flush', flush, '--threads', String(threads), '--log-segment-bytes', String(below(2) === 0 ? '1GiB' : '300KiB'), '--logging-level', 'warn']
  }
  const histories = Array.from({ length: partitions }, () => new History())
  const progress = new Progress()
  const producers = Array.from({ length: Math.max(4, partitions) }, (_, i) => new LoadProducer({
    name: `p${i}`,
    topic,
    partition: i % partitions,
    history: histories[i % partitions]!,
    progress,
    chance: seededChance(seed * 1000 + i),
    idempotent: i % 4 !== 3
  }))
  let broker = await BrokerProcess.start(options)
  let killedWhileStarting = 0
  const producerIds = new Set<number>()
  try {
    const first = await RawClient.connect(broker.address)
    await createTopic(first, topic, partitions)
    first.close()
    for (let kill = 0; kill < kills; kill++) {
      await Promise.all(producers.map(async producer => await producer.start(broker.address)))
      await progress.reached(progress.count + 1 + below(batchesMax))
      // In the middle of whatever that was: some turns of this loop later.
      for (let turns = below(20); turns > 0; turns--) await new Promise(resolve => setImmediate(resolve))
      await broker.kill()
      await Promise.all(producers.map(async producer => await producer.ended()))
      if (below(4) === 0 && kill + 1 < kills) {
        kill++
        killedWhileStarting++
        broker = BrokerProcess.spawn(options)
        await new Promise(resolve => setTimeout(resolve, below(1500)))
        await broker.kill()
      }
      broker = await BrokerProcess.start(options)
      await checkProducerId(broker, producers, producerIds)
      if (kill % checkEvery === checkEvery - 1) await checkAll(broker, histories, false)
    }
    await Promise.all(producers.map(async producer => await producer.start(broker.address)))
    await progress.reached(progress.count + 20)
    await Promise.all(producers.map(async producer => await producer.stop()))
    await progress.reached(0)
    const records = await checkAll(broker, histories, true)
    const exit = await broker.signal('SIGTERM')
    if (exit.code !== 0) throw new Error(`the last broker ended with ${exit.code ?? exit.signal}: ${broker.output.slice(-2000)}`)
    return `${records} records, ${progress.count} batches acknowledged, ${killedWhileStarting} of the kills while it started`
  } finally {
    await broker.kill()
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function checkProducerId (broker: BrokerProcess, producers: readonly LoadProducer[], given: Set<number>): Promise<void> {
  const client = await RawClient.connect(broker.address)
  for (let tries = 0; ; tries++) {
    const { errorCode, producerId } = await client.call(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 1000 })
    if (errorCode === 0) {
      if (given.has(producerId) || producers.some(producer => producer.producerId === producerId)) throw new Error(`producer id ${producerId} was given twice`)
      given.add(producerId)
      break
    }
    if (tries === 1000) throw new Error(`no producer id: error ${errorCode}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  client.close()
}

/** Reads all partitions. @returns the number of records */
async function checkAll (broker: BrokerProcess, histories: readonly History[], finished: boolean): Promise<number> {
  const client = await RawClient.connect(broker.address)
  let count = 0
  try {
    await whenLed(client, topic)
    for (const [partition, history] of histories.entries()) {
      const stored = await readAll(client, topic, partition)
      count += stored.length
      const problems = history.problems(stored, finished)
      if (problems.length > 0) throw new Error(`partition ${partition}, ${stored.length} records:\n${problems.join('\n')}\n${broker.errors.slice(-2000)}`)
    }
  } finally {
    client.close()
  }
  return count
}
