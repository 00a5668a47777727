/** The servers of a comparison, started when a row first needs them and ended when it is over. Kafka stays, once it is warm. */
import { rmSync } from 'node:fs'
import { answersKafka, dataFolder, type Flush, startLimit, startRingmq, type Subject } from '../subjects.ts'
import { runLoad } from '../raw-loader.ts'
import { javaFetch, javaProduce } from './clients.ts'
import { startKafka } from './kafka.ts'
import { startNats } from './nats.ts'
import { startRedis } from './redis.ts'

export const serverNames = ['kafka', 'redis', 'nats', 'limit', 'ringmq'] as const
export type ServerName = typeof serverNames[number]

/** A server with how it treats its disk: `os` leaves syncing to the kernel, `always` syncs before it answers. */
export interface Contestant {
  readonly name: ServerName
  readonly flush: Flush
}

/** Topic settings that make Kafka sync before it answers; ours do so by a flag of the broker. */
export function topicSettings (contestant: Contestant): Readonly<Record<string, string>> {
  return contestant.name === 'kafka' && contestant.flush === 'always' ? { 'flush.messages': '1' } : {}
}

export function labelOf ({ name, flush }: Contestant): string { return `${name} ${flush}` }

export class Contestants {
  readonly #running = new Map<string, Promise<Subject>>()
  readonly #warmMessages: number

  /** @param warmMessages what Kafka is sent before anything is measured, so that its JIT compiler is done */
  constructor (warmMessages: number) { this.#warmMessages = warmMessages }

  async start (contestant: Contestant): Promise<Subject> {
    // One Kafka does both: its flushing is a setting of the topic.
    const key = contestant.name === 'kafka' ? 'kafka' : labelOf(contestant)
    let running = this.#running.get(key)
    if (running === undefined) {
      running = this.#start(contestant)
      this.#running.set(key, running)
    }
    return await running
  }

  async #start ({ name, flush }: Contestant): Promise<Subject> {
    switch (name) {
      case 'kafka': return await this.#startKafka()
      case 'redis': return await startRedis(flush)
      case 'nats': return await startNats(flush)
      case 'limit': return await startLimit({ flush })
      case 'ringmq': return await startRingmq({ flush, dataDir: dataFolder(`ringmq-${flush}`) })
    }
  }

  async #startKafka (): Promise<Subject> {
    const dataDir = dataFolder('kafka')
    rmSync(dataDir, { recursive: true, force: true })
    const { server, port } = await startKafka(dataDir, answersKafka)
    const subject: Subject = { name: 'kafka', port, server, stop: async () => await server.stop() }
    const messages = Math.floor(this.#warmMessages / 4)
    for (const [partitions, valueBytes] of messages === 0 ? [] : [[1, 100], [8, 100], [1, 1024], [8, 1024]] as const) {
      const load = { subject, topic: `warm-${partitions}-${valueBytes}`, partitions, messages, valueBytes }
      await javaProduce(load)
      await javaFetch(load)
    }
    if (messages > 0) await runLoad({ load: 'produce', port, serverPid: server.pid, topic: 'warm-requests', valueBytes: 1024, connections: 8, inFlight: 1, warmupRequests: 0, requests: 100_000 })
    return subject
  }

  /** Ends all servers but Kafka, or all. */
  async stop (which: 'but-kafka' | 'all'): Promise<void> {
    for (const [key, running] of this.#running) {
      if (which === 'but-kafka' && key === 'kafka') continue
      this.#running.delete(key)
      // One that never started has nothing to stop.
      await (await running.catch(() => undefined))?.stop()
    }
  }
}
