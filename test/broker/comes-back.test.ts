/** Brokers of one cluster, in this process and over real sockets, that come back elsewhere or with a folder that was replaced. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Broker, startBroker } from '../../src/broker.ts'
import { freePort, until } from '../discovery/kit.ts'
import { temporaryFolder } from './kit.ts'

// A busy machine is no failure.
t.setTimeout(240_000)

interface Status {
  readonly controller: number | null
  readonly brokers: ReadonlyArray<{ readonly nodeId: number, readonly name: string, readonly raftPort: number, readonly state: string }>
}

class Brokers {
  readonly #t: Test
  readonly #folder: string
  readonly listed: number[]
  readonly running = new Map<number, Broker>()
  readonly raftPorts: number[]

  private constructor (t: Test, folder: string, ports: number[]) {
    this.#t = t
    this.#folder = folder
    this.listed = ports
    this.raftPorts = [...ports]
  }

  static async three (t: Test): Promise<Brokers> {
    const brokers = new Brokers(t, await temporaryFolder(t), await Promise.all([freePort(), freePort(), freePort()]))
    await Promise.all([0, 1, 2].map(async index => await brokers.start(index)))
    await brokers.live()
    return brokers
  }

  async start (index: number, folder = `b${index}`): Promise<void> {
    const broker = await startBroker({
      nodeId: `b${index}`,
      port: 0,
      threads: 1,
      loggingLevel: 'fatal',
      dataDir: join(this.#folder, folder),
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

t.test('a broker that comes back on another raft port is found, and so are all that move at once', async t => {
  const brokers = await Brokers.three(t)
  await brokers.stop(2)
  brokers.raftPorts[2] = await freePort()
  await brokers.start(2)
  await brokers.live()
  t.equal((await brokers.status(2)).controller, (await brokers.status(0)).controller)
  // Two of three: until they are found nobody can lead.
  await Promise.all([brokers.stop(0), brokers.stop(1)])
  brokers.raftPorts[0] = await freePort()
  brokers.raftPorts[1] = await freePort()
  await Promise.all([brokers.start(0), brokers.start(1)])
  await brokers.live()
  t.pass('they lead and follow')
})

t.test('a folder that was not mounted for a while takes its place again', async t => {
  const brokers = await Brokers.three(t)
  await brokers.stop(2)
  await brokers.start(2, 'not-mounted')
  await brokers.live()
  await brokers.stop(2)
  await brokers.start(2)
  await brokers.live()
  t.pass('it is no zombie')
})
