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

/** What servers with a JIT compiler are sent before anything is measured, so that it is done. */
export interface WarmUp {
  /** In batches, by the Java clients: Kafka only. */
  readonly messages: number
  /** Of one record each; for at most 10 s. */
  readonly requests: number
}

export class Contestants {
  readonly #running = new Map<string, Promise<Subject>>()
  readonly #warmUp: WarmUp

  constructor (warmUp: WarmUp) { this.#warmUp = warmUp }

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
      case 'limit': return await this.#warmRequests(await startLimit({ flush }))
      case 'ringmq': return await this.#warmRequests(await startRingmq({ flush, dataDir: dataFolder(`ringmq-${flush}`) }))
    }
  }

  async #warmRequests (subject: Subject): Promise<Subject> {
    const { requests } = this.#warmUp
    const target = { port: subject.port, serverPid: subject.server.pid, topic: 'warm-requests' }
    if (requests > 0) await runLoad({ load: 'produce', ...target, valueBytes: 1024, connections: 64, inFlight: 5, warmupRequests: 0, requests, secondsMax: 10 })
    return subject
  }

  async #startKafka (): Promise<Subject> {
    const dataDir = dataFolder('kafka')
    rmSync(dataDir, { recursive: true, force: true })
    const { server, port } = await startKafka(dataDir, answersKafka)
    const subject: Subject = { name: 'kafka', port, server, stop: async () => await server.stop() }
    const messages = Math.floor(this.#warmUp.messages / 4)
    for (const [partitions, valueBytes] of messages === 0 ? [] : [[1, 100], [8, 100], [1, 1024], [8, 1024]] as const) {
      const load = { subject, topic: `warm-${partitions}-${valueBytes}`, partitions, messages, valueBytes }
      await javaProduce(load)
      await javaFetch(load)
    }
    return await this.#warmRequests(subject)
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
