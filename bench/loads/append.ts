/**
 * The load of append requests: many connections, some requests in flight on each, every request's bytes built before.
 * All requests that a read's answers make room for leave in one write, so that the loader costs less than what it loads.
 */
import { connect, type Socket } from 'node:net'
import { percentiles, type Percentiles } from '../harness.ts'
import { type Cpu, cpuOfProcess, cpuSince, memoryOfProcess } from '../process-stats.ts'

/** How one connection speaks to its server. */
export interface AppendProtocol {
  /** Request frames back to back, at least as many as may be in flight. */
  readonly frames: Buffer
  readonly frameBytes: number
  readonly frameCount: number
  /** Sent at connect; what the server says first is then not looked at. */
  readonly greeting?: Uint8Array
  /** How many requests the server asked to send again; they are not, and do not count as done. */
  readonly refused?: number
  /** Prepares frame `index` to be sent as this connection's request number `sequence`. */
  stamp (index: number, sequence: number): void
  /** Checks the answer at `at`; returns where it ends, or -1 when more bytes are needed. @throws when it is not the right one */
  parse (bytes: Buffer, at: number, end: number): number
}

export interface AppendLoad {
  readonly port: number
  readonly connections: number
  readonly inFlight: number
  readonly warmupRequests: number
  readonly requests: number
  /** No request is started after that. */
  readonly secondsMax: number
  readonly serverPid: number
}

export interface AppendOutcome {
  /** Without refused ones. */
  readonly requests: number
  readonly refused: number
  readonly seconds: number
  readonly latencyMs: Percentiles
  readonly cpu: Cpu
  readonly peakRssBytes: number
  /** Share of the time that this process was busy: near 1, the loader is the bottleneck. */
  readonly loaderBusy: number
}

const shared = Buffer.allocUnsafeSlow(256 * 1024)

/** What the connections share in one phase. */
class Phase {
  readonly latencies: Float64Array
  readonly deadline: number
  left: number
  open = 0
  done = 0
  #resolve!: () => void
  #reject!: (error: Error) => void
  readonly finished: Promise<void>

  constructor (load: AppendLoad, requests: number) {
    this.left = requests
    this.latencies = new Float64Array(requests)
    this.deadline = performance.now() + load.secondsMax * 1000
    this.finished = new Promise((resolve, reject) => { this.#resolve = resolve; this.#reject = reject })
  }

  answered (latencyMs: number): void { this.latencies[this.done++] = latencyMs }
  end (): void { this.#resolve() }
  fail (error: Error): void { this.#reject(error) }
}

class Connection {
  readonly #protocol: AppendProtocol
  readonly #socket: Socket
  readonly #sentAt: Float64Array
  readonly connected: Promise<void>
  #phase: Phase | undefined
  #sent = 0
  #answered = 0
  /** The start of an answer that a read cut off. */
  #carry = Buffer.alloc(0)

  constructor (protocol: AppendProtocol, load: AppendLoad) {
    this.#protocol = protocol
    this.#sentAt = new Float64Array(protocol.frameCount)
    let greeted = protocol.greeting === undefined
    let resolveConnected: () => void
    this.connected = new Promise(resolve => { resolveConnected = resolve })
    this.#socket = connect({
      port: load.port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: shared,
        callback: bytes => {
          if (greeted) this.#received(bytes)
          else { greeted = true; resolveConnected() }
          return true
        }
      }
    })
    this.#socket.on('connect', () => greeted ? resolveConnected() : this.#socket.write(protocol.greeting!))
    this.#socket.on('error', error => this.#phase?.fail(error))
    this.#socket.on('close', () => this.#phase?.fail(new Error('the server closed a connection')))
  }

  start (phase: Phase, inFlight: number): void {
    this.#phase = phase
    this.#send(inFlight)
  }

  close (): void {
    this.#phase = undefined
    this.#socket.destroy()
  }

  #received (bytes: number): void {
    const phase = this.#phase!
    const now = performance.now()
    let [buffer, end] = [shared, bytes]
    if (this.#carry.length > 0) {
      buffer = Buffer.concat([this.#carry, shared.subarray(0, bytes)])
      end = buffer.length
      this.#carry = Buffer.alloc(0)
    }
    let at = 0
    let answers = 0
    try {
      while (at < end) {
        const next = this.#protocol.parse(buffer, at, end)
        if (next < 0) break
        at = next
        phase.answered(now - this.#sentAt[this.#answered++ % this.#protocol.frameCount]!)
        answers++
      }
    } catch (error) {
      return phase.fail(error as Error)
    }
    if (at < end) this.#carry = Buffer.from(buffer.subarray(at, end))
    phase.open -= answers
    this.#send(answers)
    if (phase.open === 0) phase.end()
  }

  #send (wanted: number): void {
    const phase = this.#phase!
    const now = performance.now()
    if (now >= phase.deadline) phase.left = 0
    const count = Math.min(wanted, phase.left)
    if (count === 0) return
    phase.left -= count
    phase.open += count
    const { frames, frameBytes, frameCount } = this.#protocol
    const first = this.#sent % frameCount
    for (let index = 0; index < count; index++) {
      const slot = (first + index) % frameCount
      this.#protocol.stamp(slot, this.#sent++)
      this.#sentAt[slot] = now
    }
    const straight = Math.min(count, frameCount - first)
    this.#socket.write(frames.subarray(first * frameBytes, (first + straight) * frameBytes))
    if (straight < count) this.#socket.write(frames.subarray(0, (count - straight) * frameBytes))
  }
}

/** Runs warm-up and load. @throws when an answer is wrong or a connection ends */
export async function runAppends (load: AppendLoad, protocols: readonly AppendProtocol[]): Promise<AppendOutcome> {
  const connections = protocols.map(protocol => new Connection(protocol, load))
  await Promise.all(connections.map(connection => connection.connected))
  const run = async (requests: number): Promise<Phase> => {
    const phase = new Phase(load, requests)
    if (requests === 0) return phase
    for (const connection of connections) connection.start(phase, load.inFlight)
    await phase.finished
    return phase
  }
  try {
    await run(load.warmupRequests)
    const refusals = (): number => protocols.reduce((sum, protocol) => sum + (protocol.refused ?? 0), 0)
    const refusedBefore = refusals()
    const before = cpuOfProcess(load.serverPid)
    const ownBefore = process.cpuUsage()
    const started = performance.now()
    const phase = await run(load.requests)
    const seconds = (performance.now() - started) / 1000
    const own = process.cpuUsage(ownBefore)
    const refused = refusals() - refusedBefore
    return {
      requests: phase.done - refused,
      refused,
      seconds,
      latencyMs: percentiles(phase.latencies.subarray(0, phase.done)),
      cpu: cpuSince(before, cpuOfProcess(load.serverPid)),
      peakRssBytes: memoryOfProcess(load.serverPid).peakRssBytes,
      loaderBusy: (own.user + own.system) / 1e6 / seconds
    }
  } finally {
    for (const connection of connections) connection.close()
  }
}
