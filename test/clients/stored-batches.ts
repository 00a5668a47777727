/**
 * Reads the headers of the record batches that a broker has stored, with requests written out by hand: what clients decode
 * for their users (compression, producer ids) shows here as it lies in the log, and no code of the broker is involved.
 */
import { connect, type Socket } from 'node:net'
import type { Codec, Target } from './client.ts'

export interface StoredBatch {
  readonly baseOffset: number
  readonly recordCount: number
  readonly bytes: number
  readonly codec: Codec
  readonly producerId: number
  readonly baseSequence: number
}

const codecs: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const fetch = { apiKey: 1, version: 4 }
const clientId = Buffer.from('stored-batches')

/** Returns the batches of partition 0 from the start until `recordCount` records were seen. */
export async function storedBatches (target: Target, recordCount: number): Promise<StoredBatch[]> {
  const [host, port] = target.broker.split(':') as [string, string]
  const socket = connect(Number(port), host)
  try {
    const batches: StoredBatch[] = []
    let offset = 0
    for (let round = 0; round < 1_000 && offset < recordCount; round++) {
      for (const batch of batchesIn(await exchange(socket, fetchRequest(target.topic, offset)))) {
        if (batch.baseOffset < offset) continue
        batches.push(batch)
        offset = batch.baseOffset + batch.recordCount
      }
    }
    return batches
  } finally {
    socket.destroy()
  }
}

function fetchRequest (topic: string, offset: number): Buffer {
  const name = Buffer.from(topic)
  const body = Buffer.alloc(8 + 2 + clientId.length + 21 + 2 + name.length + 4 + 16)
  let at = 0
  at = body.writeInt16BE(fetch.apiKey, at)
  at = body.writeInt16BE(fetch.version, at)
  at = body.writeInt32BE(1, at) // correlation
  at = body.writeInt16BE(clientId.length, at)
  at += clientId.copy(body, at)
  at = body.writeInt32BE(-1, at) // replica: a client
  at = body.writeInt32BE(1_000, at) // wait at most, ms
  at = body.writeInt32BE(1, at) // bytes at least
  at = body.writeInt32BE(1 << 24, at) // bytes at most
  at = body.writeInt8(0, at) // read uncommitted
  at = body.writeInt32BE(1, at) // topics
  at = body.writeInt16BE(name.length, at)
  at += name.copy(body, at)
  at = body.writeInt32BE(1, at) // partitions
  at = body.writeInt32BE(0, at)
  at = body.writeBigInt64BE(BigInt(offset), at)
  body.writeInt32BE(1 << 24, at)
  const frame = Buffer.alloc(4)
  frame.writeInt32BE(body.length)
  return Buffer.concat([frame, body])
}

async function exchange (socket: Socket, request: Buffer): Promise<Buffer> {
  socket.write(request)
  let received = Buffer.alloc(0)
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    received = Buffer.concat([received, chunk as Buffer])
    if (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) return received.subarray(4)
  }
  throw new Error('the broker closed the connection')
}

function * batchesIn (response: Buffer): Generator<StoredBatch> {
  let at = 4 + 4 + 4 // correlation, throttle time, one topic
  at += 2 + response.readInt16BE(at)
  at += 4 + 4 // one partition, its index
  const errorCode = response.readInt16BE(at)
  if (errorCode !== 0) throw new Error(`fetch answered error ${errorCode}`)
  at += 2 + 8 + 8 // error, high watermark, last stable offset
  const aborted = response.readInt32BE(at)
  at += 4 + Math.max(aborted, 0) * 16
  const end = at + 4 + response.readInt32BE(at)
  at += 4
  // The last batch may be cut off: a broker may end its answer anywhere.
  while (at + 61 <= end) {
    const bytes = 12 + response.readInt32BE(at + 8)
    yield {
      baseOffset: Number(response.readBigInt64BE(at)),
      recordCount: response.readInt32BE(at + 23) + 1,
      bytes,
      codec: codecs[response.readInt16BE(at + 21) & 7]!,
      producerId: Number(response.readBigInt64BE(at + 43)),
      baseSequence: response.readInt32BE(at + 53)
    }
    at += bytes
  }
}
