/**
 * A network that can be broken without any permission: brokers tell each other the address of a proxy on the loopback.
 * TCP cannot lose bytes in the middle, so a blocked direction holds them back until it is healed, as retransmission does;
 * connections that are made meanwhile stay silent until then. Who connects is read from the kernel's tables: the accepted
 * socket's other end belongs to one of the brokers' processes.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { freePort } from '../../bench/harness.ts'
import type { Network, Party, Place } from './network.ts'

interface Pipe {
  /** undefined: some client, never held back. */
  readonly from: number | undefined
  readonly to: number
  readonly near: Socket
  far: Socket | undefined
}

export class ProxyNetwork implements Network {
  readonly kind = 'proxy'
  readonly canBlockClients = false
  readonly places: readonly Place[]
  readonly #servers: Server[] = []
  readonly #pids: Array<number | undefined>
  readonly #pipes = new Set<Pipe>()
  readonly #blocked = new Set<string>()

  private constructor (places: readonly Place[]) {
    this.places = places
    this.#pids = places.map(() => undefined)
  }

  static async open (count: number): Promise<ProxyNetwork> {
    const places: Place[] = []
    for (let i = 0; i < count; i++) {
      places.push({ host: '127.0.0.1', clientPort: await freePort(), raftAddress: `127.0.0.1:${await freePort()}`, toldRaftAddress: `127.0.0.1:${await freePort()}` })
    }
    const network = new ProxyNetwork(places)
    for (const [i, { toldRaftAddress }] of places.entries()) {
      const server = createServer({ allowHalfOpen: false, pauseOnConnect: true }, socket => network.#accept(socket, i))
      network.#servers.push(server)
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(portOf(toldRaftAddress), '127.0.0.1', resolve))
    }
    return network
  }

  wrapper (): readonly string[] { return [] }

  runs (broker: number, pid: number): void { this.#pids[broker] = pid }

  async block (from: Party, to: Party): Promise<void> {
    if (from === 'clients' || to === 'clients') throw new Error('proxies stand between brokers only')
    this.#blocked.add(`${from}>${to}`)
    for (const pipe of this.#pipes) this.#steer(pipe)
  }

  async heal (): Promise<void> {
    this.#blocked.clear()
    for (const pipe of this.#pipes) this.#steer(pipe)
  }

  async close (): Promise<void> {
    for (const { near, far } of this.#pipes) {
      near.destroy()
      far?.destroy()
    }
    for (const server of this.#servers) await new Promise(resolve => server.close(resolve))
  }

  #accept (near: Socket, to: number): void {
    const pipe: Pipe = { from: this.#pids.findIndex(pid => pid !== undefined && ownsPort(pid, near.remotePort ?? 0)), to, near, far: undefined }
    this.#pipes.add(pipe)
    near.setNoDelay(true)
    near.on('error', () => {})
    near.on('data', bytes => { if (pipe.far?.write(bytes) === false) near.pause() })
    near.once('close', () => {
      this.#pipes.delete(pipe)
      pipe.far?.destroy()
    })
    this.#steer(pipe)
  }

  #isBlocked (from: number | undefined, to: number | undefined): boolean { return this.#blocked.has(`${from}>${to}`) }

  /** Lets flow what may flow. */
  #steer (pipe: Pipe): void {
    const { from, to, near, far } = pipe
    if (far === undefined) {
      // A connection is made only when packets pass both ways.
      if (!this.#isBlocked(from, to) && !this.#isBlocked(to, from)) this.#connect(pipe)
      return
    }
    if (this.#isBlocked(from, to)) near.pause()
    else near.resume()
    if (this.#isBlocked(to, from)) far.pause()
    else far.resume()
  }

  #connect (pipe: Pipe): void {
    const { near } = pipe
    const far = pipe.far = connect(portOf(this.places[pipe.to]!.raftAddress), '127.0.0.1')
    far.setNoDelay(true)
    far.on('error', () => {})
    far.on('data', bytes => { if (!near.write(bytes)) far.pause() })
    far.on('drain', () => this.#steer(pipe))
    near.on('drain', () => this.#steer(pipe))
    far.once('close', () => near.destroy())
    this.#steer(pipe)
  }
}

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1))

/** Whether a process has the loopback socket whose own port this is. */
function ownsPort (pid: number, port: number): boolean {
  try {
    const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
    const line = readFileSync(`/proc/${pid}/net/tcp`, 'latin1').split('\n').find(text => text.trim().split(/\s+/)[1] === local)
    const inode = line?.trim().split(/\s+/)[9]
    if (inode === undefined) return false
    return readdirSync(`/proc/${pid}/fd`).some(fd => {
      try { return readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]` } catch { return false }
    })
  } catch {
    return false // it has ended meanwhile
  }
}
