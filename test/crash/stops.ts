/** Two brokers for one folder or port, stopping under load, and a disk without room. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ErrorCode } from '../../src/base/error-code.ts'
import { seededChance } from '../../src/base/prng.ts'
import { RawClient } from '../broker/raw-client.ts'
import { append, batchOf, createTopic, offsetAt, readAll, whenLed } from '../broker/requests.ts'
import { BrokerProcess } from './broker-process.ts'
import { Bystander } from './bystander.ts'
import { faultFlags, faultWords } from './fault-words.ts'
import { History } from './history.ts'
import { LoadProducer, Progress } from './load.ts'

type Say = (line: string) => void

async function inFolder (work: (dataDir: string) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'ringmq-stops-'))
  try {
    await work(dataDir)
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** @throws unless the second one says in one line why it does not start, ends with 1, and the first goes on */
export async function startTwice (say: Say): Promise<void> {
  await inFolder(async dataDir => {
    const first = await BrokerProcess.start({ dataDir: join(dataDir, 'one'), flags: ['--threads', '1'] })
    const bystander = await Bystander.start(first.address)
    try {
      const cases: ReadonlyArray<[what: string, options: { dataDir: string, port?: number }]> = [
        ['folder', { dataDir: join(dataDir, 'one') }],
        ['port', { dataDir: join(dataDir, 'two'), port: Number(first.address.split(':')[1]) }]
      ]
      for (const [what, options] of cases) {
        const second = BrokerProcess.spawn({ ...options, flags: ['--threads', '1'] })
        try {
          const started = second.ready().then(() => true, () => false)
          if (await started) throw new Error(`a second broker started on the same ${what}`)
          const { code } = await second.exited
          const lines = second.errors.trim().split('\n')
          if (code !== 1 || lines.length !== 1 || !lines[0]!.startsWith('ringmq: cannot start')) throw new Error(`a second broker on the same ${what} ended with ${code} and said: ${second.output}`)
          say(`second broker on the same ${what}: ${lines[0]!.replaceAll(dataDir, 'DIR')}`)
        } finally {
          await second.kill()
        }
        await bystander.goesOn()
      }
      await bystander.stop()
      // What failed must not have touched the folder of the first.
      const { code } = await first.signal('SIGTERM')
      if (code !== 0) throw new Error(`the first broker ended with ${code}`)
    } finally {
      await first.kill()
    }
  })
}

/** @throws unless SIGTERM under load ends with 0, everything acknowledged is there, and the next start finds a clean stop */
export async function stopUnderLoad (say: Say): Promise<void> {
  await inFolder(async dataDir => {
    const options = { dataDir, flags: ['--threads', '2', '--log-flush', 'os'] }
    let broker = await BrokerProcess.start(options)
    try {
      const client = await RawClient.connect(broker.address)
      const histories = [0, 1, 2, 3].map(() => new History())
      await createTopic(client, 'load', histories.length)
      client.close()
      const progress = new Progress()
      const producers = histories.map((history, i) => new LoadProducer({
        name: `p${i}`, topic: 'load', partition: i, history, progress, chance: seededChance(i), idempotent: true
      }))
      await Promise.all(producers.map(async producer => await producer.start(broker.address)))
      await progress.reached(200)
      const began = performance.now()
      const exit = await broker.signal('SIGTERM')
      const tookMs = Math.round(performance.now() - began)
      if (exit.code !== 0) throw new Error(`SIGTERM ended with ${exit.code ?? exit.signal}: ${broker.errors.slice(-2000)}`)
      await Promise.all(producers.map(async producer => await producer.ended()))
      broker = await BrokerProcess.start({ ...options, flags: [...options.flags, '--logging-level', 'debug'] })
      const reader = await RawClient.connect(broker.address)
      await whenLed(reader, 'load')
      for (const [i, history] of histories.entries()) {
        const problems = history.problems(await readAll(reader, 'load', i), false)
        if (problems.length > 0) throw new Error(`after SIGTERM, partition ${i}: ${problems.join('; ')}`)
      }
      reader.close()
      if (/torn|scanned [1-9]|"scannedBytes":[1-9]/.test(broker.errors)) throw new Error(`a start after a clean stop scanned its logs: ${broker.errors.slice(-2000)}`)
      say(`SIGTERM under load: exit 0 after ${tookMs} ms, ${progress.count} batches acknowledged`)
    } finally {
      await broker.kill()
    }
  })
}

/** @throws unless a second SIGTERM ends a broker that cannot end in order: its one thread hangs */
export async function stopTwice (say: Say): Promise<void> {
  await inFolder(async dataDir => {
    const broker = await BrokerProcess.start({ dataDir, flags: ['--threads', '1'], nodeFlags: [...faultFlags] })
    try {
      const client = await RawClient.connect(broker.address)
      await createTopic(client, 'load')
      append(client, 'load', 0, batchOf([faultWords.hang])).catch(() => {})
      // Nothing tells that a thread hangs but its silence.
      await new Promise(resolve => setTimeout(resolve, 500))
      const ended = broker.exited
      const again = setInterval(() => process.kill(broker.pid, 'SIGTERM'), 200)
      const { code, signal } = await ended.finally(() => clearInterval(again))
      if (code !== 143) throw new Error(`a second SIGTERM ended with ${code ?? signal}: ${broker.output.slice(-2000)}`)
      client.close()
      say('SIGTERM twice: exit 143')
    } finally {
      await broker.kill()
    }
  })
}

const diskBytes = 128 << 20

/** @throws unless writes fail clearly while the disk is full, reads go on, and writes go on when there is room again; says so when no small disk can be had */
export async function fillDisk (say: Say): Promise<void> {
  const disk = await mkdtemp(join(tmpdir(), 'ringmq-disk-'))
  try {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', disk], { stdio: 'pipe' })
    } catch (error) {
      say(`full disk: skipped, no small disk can be mounted here (${String((error as { stderr?: Buffer }).stderr ?? error).trim()})`)
      return
    }
    const broker = await BrokerProcess.start({ dataDir: join(disk, 'data'), flags: ['--threads', '2', '--log-flush', 'os'] })
    try {
      await writeUntilFull(broker, join(disk, 'filler'), say)
    } catch (error) {
      throw new Error(`full disk: ${(error as Error).message}\n${broker.errors.slice(-3000)}`, { cause: error })
    } finally {
      await broker.kill()
      execFileSync('umount', [disk])
    }
  } finally {
    await rm(disk, { recursive: true, force: true })
  }
}

/** The partition may have been cut back to what is safe, and lead anew, just now: clients then ask again. */
async function readSoon (client: RawClient, topic: string, partition: number): Promise<Awaited<ReturnType<typeof readAll>>> {
  for (let tries = 0; ; tries++) {
    try {
      return await readAll(client, topic, partition)
    } catch (error) {
      if (client.isClosed || tries === 100) throw error
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }
}

async function writeUntilFull (broker: BrokerProcess, filler: string, say: Say): Promise<void> {
  const client = await RawClient.connect(broker.address)
  await createTopic(client, 'full', 2)
  await createTopic(client, 'quiet')
  const before = await append(client, 'quiet', 0, batchOf(['still here']))
  if (before.errorCode !== 0) throw new Error(`a new topic refused its first batch with error ${before.errorCode}`)
  await writeFile(filler, Buffer.alloc(diskBytes / 4))
  const acknowledged: string[][] = [[], []]
  const filling = '.'.repeat(500_000)
  const write = async (i: number): Promise<number> => {
    const value = `${i}:${filling}`
    const { errorCode } = await append(client, 'full', i % 2, batchOf([value]))
    if (errorCode === 0) acknowledged[i % 2]!.push(value)
    return errorCode
  }
  let i = 0
  let errorCode = 0
  while (errorCode === 0) {
    if (i * filling.length > diskBytes * 2) throw new Error('the disk was never full')
    errorCode = await write(i++)
  }
  if (errorCode !== ErrorCode.KAFKA_STORAGE_ERROR && errorCode !== ErrorCode.NOT_LEADER_OR_FOLLOWER) throw new Error(`the first write without room got error ${errorCode}`)
  const check = async (): Promise<void> => {
    for (const partition of [0, 1]) {
      const stored = (await readSoon(client, 'full', partition)).map(record => record.value)
      let at = 0
      for (const value of acknowledged[partition]!) {
        at = stored.indexOf(value, at) + 1
        if (at === 0) throw new Error(`partition ${partition} lost ${value.slice(0, 10)}`)
      }
    }
    const others = await readAll(client, 'quiet')
    if (others.length !== 1) throw new Error(`another partition has ${others.length} records, at ${await offsetAt(client, 'quiet', -1).then(JSON.stringify)}`)
  }
  await check()
  const writtenBefore = i
  await rm(filler)
  for (let inARow = 0; inARow < 20; inARow++) {
    errorCode = await write(i++)
    if (errorCode === 0) continue
    if (i - writtenBefore > 600) throw new Error(`with room again writes still get error ${errorCode}`)
    inARow = -1
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  await check()
  const { code } = await broker.signal('SIGTERM')
  if (code !== 0) throw new Error(`the broker ended with ${code}`)
  say(`full disk: ${writtenBefore} writes until it was full, reads went on, writes went on ${i - writtenBefore - 20} tries after there was room again`)
}
