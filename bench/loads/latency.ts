/**
 * Produce to consume: messages leave at a steady rate on one connection and are waited for on another. A message's time
 * runs from the write that carries it to the read that brings it back, both in this process, so there is one clock.
 */
import { connect, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { type Percentiles, percentiles } from '../harness.ts'
import { type Cpu, cpuOfProcess, cpuSince, memoryOfProcess } from '../process-stats.ts'
import { fetchRequest, produceRequest, recordBatch } from '../wire.ts'
import { Fetcher, forRecords, walkBatches } from './fetch.ts'
import { redisCommand } from './redis-append.ts'

export interface LatencyLoad {
  readonly port: number
  readonly topic: string
  readonly valueBytes: number
  readonly perSecond: number
  /** Left out of the result, from the start on. */
  readonly warmupMessages: number
  readonly messages: number
  readonly serverPid: number
  readonly random: () => number
}

export interface LatencyOutcome {
  readonly messages: number
  readonly seconds: number
  readonly latencyMs: Percentiles
  readonly cpu: Cpu
  readonly peakRssBytes: number
}

/** Sends message `index`; the n-th message that comes back is the n-th that was sent. */
interface Path {
  send (index: number): void
  close (): void
}

/** Opens both ends; `arrived` is called with how many messages came with a read. */
type OpenPath = (arrived: (count: number) => void, failed: (error: Error) => void) => Promise<Path>

async function run (load: LatencyLoad, open: OpenPath): Promise<LatencyOutcome> {
  const all = load.warmupMessages + load.messages
  const sentAt = new Float64Array(all)
  const latencies = new Float64Array(load.messages)
  let sent = 0
  let received = 0
  let timer: NodeJS.Timeout | undefined
  let end!: () => void
  let fail!: (error: Error) => void
  const finished = new Promise<void>((resolve, reject) => { end = resolve; fail = reject })
  const path = await open(count => {
    const now = performance.now()
    for (; count > 0; count--, received++) {
      if (received >= sent) return fail(new Error('more messages came back than were sent'))
      if (received >= load.warmupMessages) latencies[received - load.warmupMessages] = now - sentAt[received]!
    }
    if (received === all) end()
  }, fail)
  const limit = setTimeout(() => fail(new Error(`${received} of ${all} messages came back in time`)), all / load.perSecond * 1000 * 1.5 + 20_000)
  let cpuBefore = cpuOfProcess(load.serverPid)
  const started = performance.now()
  let measuredFrom = started
  const tick = (): void => {
    const due = Math.min(all, Math.floor((performance.now() - started) * load.perSecond / 1000) + 1)
    while (sent < due) {
      const now = sentAt[sent] = performance.now()
      if (sent === load.warmupMessages) {
        measuredFrom = now
        cpuBefore = cpuOfProcess(load.serverPid)
      }
      path.send(sent++)
    }
    if (sent < all) timer = setTimeout(tick, Math.max(0, started + sent * 1000 / load.perSecond - performance.now()))
  }
  try {
    tick()
    await finished
    return {
      messages: load.messages,
      seconds: (performance.now() - measuredFrom) / 1000,
      latencyMs: percentiles(latencies),
      cpu: cpuSince(cpuBefore, cpuOfProcess(load.serverPid)),
      peakRssBytes: memoryOfProcess(load.serverPid).peakRssBytes
    }
  } finally {
    clearTimeout(limit)
    clearTimeout(timer)
    path.close()
  }
}

function open (port: number, failed: (error: Error) => void): Socket {
  return connect({ port, host: '127.0.0.1', noDelay: true }).on('error', failed)
}

/** Through partition 0 of a topic that starts empty, with long-polling fetches. */
export async function kafkaLatency (load: LatencyLoad): Promise<LatencyOutcome> {
  const batch = recordBatch({ count: 1, valueBytes: load.valueBytes, timestamp: Date.now(), random: load.random })
  // As many frames as may wait for an answer when the server stalls for a second.
  const frames = Array.from({ length: 2 * load.perSecond }, () => produceRequest(load.topic, [{ partition: 0, batch }]))
  return await run(load, async (arrived, failed) => {
    const fetcher = await Fetcher.connect(load.port)
    const producer = open(load.port, failed)
    let answered = 0
    const answerBytes = 52 + Buffer.byteLength(load.topic)
    let bytes = 0
    producer.on('data', (data: Buffer) => {
      for (let at = (answerBytes - bytes % answerBytes) % answerBytes + 22 + Buffer.byteLength(load.topic); at + 2 <= data.length; at += answerBytes) {
        if (data.readInt16BE(at) !== 0) failed(new Error(`produce failed with error ${data.readInt16BE(at)}`))
      }
      bytes += data.length
      answered = Math.floor(bytes / answerBytes)
    })
    let closed = false
    let offset = 0
    const poll = async (): Promise<void> => {
      for (;;) {
        const answer = await fetcher.fetch(fetchRequest(load.topic, [{ partition: 0, offset }], 2 ** 20, 500))
        let count = 0
        forRecords(answer, (_, records) => {
          const after = walkBatches(records, offset)
          count += after - offset
          offset = after
        })
        if (count > 0) arrived(count)
      }
    }
    poll().catch(error => { if (!closed) failed(error) })
    return {
      send: index => {
        if (index - answered >= frames.length) return failed(new Error('the server fell behind by two seconds'))
        const frame = frames[index % frames.length]!
        frame.writeInt32BE(index | 0, 8)
        producer.write(frame)
      },
      close: () => {
        closed = true
        producer.destroy()
        fetcher.close()
      }
    }
  })
}

/** Through a Redis stream: XADD, and XREAD BLOCK on another connection. */
export async function redisLatency (load: LatencyLoad): Promise<LatencyOutcome> {
  const frame = redisCommand('XADD', load.topic, '*', 'v', Buffer.alloc(load.valueBytes, 0x61))
  // An entry id is followed by its field list: "*2\r\n$1\r\nv\r\n" appears once an entry and never in the value.
  const mark = Buffer.from('*2\r\n$1\r\nv\r\n')
  return await run(load, async (arrived, failed) => {
    const [producer, consumer] = [open(load.port, failed), open(load.port, failed)]
    await new Promise(resolve => consumer.once('connect', resolve))
    producer.on('data', (data: Buffer) => { if (data[0] === 0x2d) failed(new Error(data.toString('latin1', 0, 200))) })
    let last = '0-0'
    const read = (): void => { consumer.write(redisCommand('XREAD', 'BLOCK', '5000', 'STREAMS', load.topic, last)) }
    let answer = Buffer.alloc(0)
    const entryBytes = mark.length + `$${load.valueBytes}\r\n`.length + load.valueBytes + 2
    consumer.on('data', (data: Buffer) => {
      if (data[0] === 0x2d && answer.length === 0) return failed(new Error(data.toString('latin1', 0, 200)))
      answer = Buffer.concat([answer, data])
      if (answer.toString('latin1', 0, 5) === '*-1\r\n') {
        answer = Buffer.alloc(0)
        return read()
      }
      // "*1 *2 $name *COUNT" and then the entries.
      const count = Number(/^\*1\r\n\*2\r\n\$\d+\r\n[^\r]+\r\n\*(\d+)\r\n/.exec(answer.toString('latin1', 0, 200))?.[1])
      if (!(count > 0)) return
      let at = 0
      for (let entry = 0; entry < count; entry++) {
        const found = answer.indexOf(mark, at)
        if (found < 0 || found + entryBytes > answer.length) return
        last = answer.toString('latin1', answer.lastIndexOf('\n', found - 3) + 1, found - 2)
        at = found + entryBytes
      }
      answer = Buffer.alloc(0)
      arrived(count)
      read()
    })
    read()
    return { send: () => producer.write(frame), close: () => { producer.destroy(); consumer.destroy() } }
  })
}
