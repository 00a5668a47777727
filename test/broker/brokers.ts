/** Three brokers of one cluster, in this process and over real sockets. */
import { join } from 'node:path'
import type { Test } from 'tap'
import { type Broker, type BrokerOptions, startBroker } from '../../src/broker.ts'
import { freePort, until } from '../discovery/kit.ts'
import { temporaryFolder } from './kit.ts'

interface Status {
  readonly controller: number | null
  readonly brokers: ReadonlyArray<{ readonly nodeId: number, readonly name: string, readonly raftPort: number, readonly state: string }>
}

export class Brokers {
  readonly #t: Test
  readonly #folder: string
  readonly listed: number[]
  readonly running = new Map<number, Broker>()
  readonly raftPorts: number[]
  readonly #options: BrokerOptions

  private constructor (t: Test, folder: string, ports: number[], options: BrokerOptions) {
    this.#t = t
    this.#folder = folder
    this.#options = options
    this.listed = ports
    this.raftPorts = [...ports]
  }

  static async three (t: Test, options: BrokerOptions = {}): Promise<Brokers> {
    const brokers = new Brokers(t, await temporaryFolder(t), await Promise.all([freePort(), freePort(), freePort()]), options)
    await Promise.all([0, 1, 2].map(async index => await brokers.start(index)))
    await brokers.live()
    return brokers
  }

  dataDir (index: number, folder = `b${index}`): string {
    return join(this.#folder, folder)
  }

  async start (index: number, folder = `b${index}`): Promise<void> {
    const broker = await startBroker({
      ...this.#options,
      nodeId: `b${index}`,
      port: 0,
      threads: 1,
      loggingLevel: 'fatal',
      dataDir: this.dataDir(index, folder),
      raftAddr: `127.0.0.1:${this.raftPorts[index]}`,
      discoveryEndpoints: this.listed.map(port => `127.0.0.1:${port}`)
    })
    this.running.set(index, broker)
    this.#t.teardown(async () => await broker.close())
  }

  async stop (index: number): Promise<void> {
    await this.running.get(index)!.close()
    this.running.delete(index)
  }

  async status (index: number): Promise<Status> {
    return await (await fetch(`http://${this.running.get(index)!.address}/cluster/status`)).json() as Status
  }

  /** Each of those that run sees all three, where they are. */
  async live (): Promise<void> {
    await until('all are there, for everybody', async () => {
      const all = await Promise.all([...this.running.keys()].map(async index => await this.status(index)))
      return all.every(({ controller, brokers }) => controller !== null && brokers.length === 3 && brokers.every(({ state, name, raftPort }) => state === 'live' && raftPort === this.raftPorts[Number(name.at(-1))]))
    })
  }
}
