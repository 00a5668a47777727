/**
 * Clients that send what nobody should, take no answers, dawdle, or just sit there: each gets the protocol's own error or a
 * closed connection and at most one log line; others do not notice, and the broker's memory and files come back to what they were.
 */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededChance } from '../../src/base/prng.ts'
import { fetch } from '../../src/protocol/apis/fetch.ts'
import { metadata } from '../../src/protocol/apis/metadata.ts'
import { RawClient, requestFrame } from '../broker/raw-client.ts'
import { append, batchOf, createTopic } from '../broker/requests.ts'
import { BrokerProcess } from './broker-process.ts'
import { Bystander } from './bystander.ts'
import { MalformedFrames } from './malformed-frames.ts'

export interface HostileOptions {
  readonly frames: number
  readonly connections: number
  readonly seed: number
  readonly say: (line: string) => void
}

const parallel = 16
const closeMsMax = 60_000
const mebibyte = 2 ** 20
/** Memory that may stay: heaps grow with the first load and keep some of it. */
const rssMarginBytes = 64 * mebibyte
const filesMargin = 16
const target = 'target'

/** @throws with the seed, what to run, and what is wrong */
export async function beHostile (options: HostileOptions): Promise<void> {
  const { frames, connections, seed, say } = options
  const dataDir = await mkdtemp(join(tmpdir(), 'ringmq-hostile-'))
  const broker = await BrokerProcess.start({ dataDir, flags: ['--threads', '2', '--log-flush', 'os', '--auto-create-topics', 'false', '--logging-level', 'warn'] })
  try {
    const client = await RawClient.connect(broker.address)
    await createTopic(client, target, 1, { 'max.message.bytes': '2000000' })
    client.close()
    const bystander = await Bystander.start(broker.address)
    await bystander.goesOn()
    say(`malformed: ${await malformed(broker, frames, seed)}`)
    await bystander.goesOn()
    say(`slow: ${await slow(broker)}`)
    await bystander.goesOn()
    say(`deaf: ${await deaf(broker)}`)
    await bystander.goesOn()
    say(`idle: ${await idle(broker, connections, bystander)}`)
    await bystander.goesOn()
    await bystander.stop()
    noneDied(broker)
    const exit = await broker.signal('SIGTERM')
    if (exit.code !== 0) throw new Error(`the broker ended with ${exit.code ?? exit.signal}`)
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${broker.errors.slice(-2000)}\nseed=${seed}; again: npm run test:crash -- --only hostile --frames ${frames} --connections ${connections} --seed ${seed}`, { cause: error })
  } finally {
    await broker.kill()
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** No thread and no actor may have paid for what clients sent. */
function noneDied (broker: BrokerProcess): void {
  const line = broker.output.split('\n').find(line => /"level":"(error|fatal)"/.test(line) || line.includes('replaced'))
  if (line !== undefined) throw new Error(`something broke: ${line.slice(0, 1500)}`)
}

async function malformed (broker: BrokerProcess, frames: number, seed: number): Promise<string> {
  const stream = new MalformedFrames(seededChance(seed), target)
  const counts = new Map<string, number>()
  let sent = 0
  let connections = 0
  let answered = 0
  const logLines = broker.logLines
  const send = async (until: number): Promise<void> => {
    while (sent < until) {
      const bytes: Buffer[] = []
      for (let count = 1 + sent % 3; count > 0 && sent < until; count--) {
        const frame = stream.next()
        counts.set(frame.kind, (counts.get(frame.kind) ?? 0) + 1)
        bytes.push(frame.bytes)
        sent++
      }
      connections++
      if (await closedAfter(broker.address, Buffer.concat(bytes)) > 0) answered++
    }
  }
  const all = async (until: number): Promise<void> => {
    await Promise.all(Array.from({ length: parallel }, async () => await send(until)))
    noneDied(broker)
  }
  await all(Math.ceil(frames / 10))
  const before = { rss: broker.rssBytes, files: broker.openFiles }
  await all(frames)
  await settles('open files', () => broker.openFiles, before.files + filesMargin)
  const rss = await settles('resident bytes', () => broker.rssBytes, before.rss * 1.2 + rssMarginBytes)
  const lines = broker.logLines - logLines
  if (lines > connections) throw new Error(`${lines} log lines for ${connections} connections`)
  return `${sent} frames on ${connections} connections, ${answered} of them answered, ${lines} log lines, RSS ${inMiB(before.rss)} -> ${inMiB(rss)} MiB; ${[...counts].map(([kind, count]) => `${count} ${kind}`).join(', ')}`
}

/** Sends bytes, then its end. @returns how many bytes came back before the broker closed. @throws when it does not */
async function closedAfter (address: string, bytes: Buffer): Promise<number> {
  const socket = open(address)
  let received = 0
  socket.on('data', chunk => { received += chunk.length })
  const closed = once(socket, 'close')
  socket.end(bytes)
  const timer = setTimeout(() => socket.destroy(new Error('late')), closeMsMax)
  await closed
  clearTimeout(timer)
  if (socket.errored?.message === 'late') throw new Error(`the broker kept a connection for ${closeMsMax} ms that had sent its end behind ${bytes.toString('hex').slice(0, 4000)}`)
  return received
}

function open (address: string): Socket {
  const at = address.lastIndexOf(':')
  return connect({ host: address.slice(0, at), port: Number(address.slice(at + 1)) }).on('error', () => {})
}

/** Waits until a measure is at most `max`. @returns what it is then */
async function settles (what: string, measure: () => number, max: number): Promise<number> {
  for (let tries = 0; tries < 120; tries++) {
    const value = measure()
    if (value <= max) return value
    await new Promise(resolve => setTimeout(resolve, 500))
  }
  throw new Error(`${measure()} ${what} after a minute, at most ${Math.round(max)} expected`)
}

/** A byte at a time, and frames that begin and do not end. */
async function slow (broker: BrokerProcess): Promise<string> {
  const clients = await Promise.all(Array.from({ length: 20 }, async () => await RawClient.connect(broker.address)))
  const whole = requestFrame(metadata, 9, { topics: [{ name: target }] }, 5)
  const byByte = clients.slice(0, 10).map(async ({ socket }) => {
    socket.removeAllListeners('data')
    const answer = once(socket, 'data')
    for (const byte of whole) {
      socket.write(Buffer.of(byte))
      await new Promise(resolve => setImmediate(resolve))
    }
    const [bytes] = await answer as [Buffer]
    if (bytes.readInt32BE(4) !== 5) throw new Error('a slow client got another answer than its own')
  })
  await Promise.all(byByte)
  for (const [i, { socket }] of clients.slice(10).entries()) socket.write(whole.subarray(0, 2 + i * 2))
  const answered = await RawClient.connect(broker.address)
  await answered.call(metadata, 9, { topics: [{ name: target }] })
  answered.close()
  for (const client of clients) client.close()
  await Promise.all(clients.map(async client => await client.closed))
  return '10 clients a byte at a time, 10 that never finished'
}

/** Clients that ask for much and read nothing. */
async function deaf (broker: BrokerProcess): Promise<string> {
  const writer = await RawClient.connect(broker.address)
  for (let i = 0; i < 8; i++) await append(writer, target, 0, batchOf(['x'.repeat(1_000_000)]))
  const { baseOffset } = await append(writer, target, 0, batchOf(['end']))
  const before = broker.rssBytes
  const clients = await Promise.all(Array.from({ length: 20 }, async () => await RawClient.connect(broker.address)))
  for (const client of clients) {
    client.socket.pause()
    for (let i = 0; i < 200; i++) {
      client.send(fetch, 12, { maxWaitMs: 0, minBytes: 1, topics: [{ name: target, partitions: [{ index: 0, fetchOffset: baseOffset - 8, partitionMaxBytes: 8 << 20 }] }] })
    }
  }
  // What each may hold: answers up to a bound, and then its requests are not read any more.
  let peak = before
  for (let i = 0; i < 20; i++) {
    await append(writer, target, 0, batchOf(['x']))
    peak = Math.max(peak, broker.rssBytes)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  for (const client of clients) client.close()
  await Promise.all(clients.map(async client => await client.closed))
  writer.close()
  if (peak - before > 600 * mebibyte) throw new Error(`20 clients that read nothing took ${inMiB(peak - before)} MiB`)
  const after = await settles('resident bytes', () => broker.rssBytes, before * 1.2 + 2 * rssMarginBytes)
  noneDied(broker)
  return `20 clients with 200 requests of 8 MB each, RSS ${inMiB(before)} -> ${inMiB(peak)} -> ${inMiB(after)} MiB`
}

async function idle (broker: BrokerProcess, count: number, bystander: Bystander): Promise<string> {
  const before = { rss: broker.rssBytes, files: broker.openFiles }
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(200, count - sockets.length) }, () => open(broker.address))
    await Promise.all(some.map(async socket => await once(socket, 'connect')))
    sockets.push(...some)
  }
  for (let tries = 0; broker.openFiles < before.files + count - filesMargin; tries++) {
    if (tries === 600) throw new Error(`${broker.openFiles - before.files} of ${count} connections were taken`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  await bystander.goesOn(50)
  const rss = broker.rssBytes
  if (sockets.some(socket => socket.destroyed)) throw new Error('an idle connection was closed')
  for (const socket of sockets) socket.destroy()
  await settles('open files', () => broker.openFiles, before.files + filesMargin)
  const after = await settles('resident bytes', () => broker.rssBytes, Math.max(before.rss * 1.2 + rssMarginBytes, rss))
  noneDied(broker)
  return `${count} connections, RSS ${inMiB(before.rss)} -> ${inMiB(rss)} -> ${inMiB(after)} MiB`
}

const inMiB = (bytes: number): number => Math.round(bytes / mebibyte)
