/** The answers of `limit.ts` that no measured path needs: what clients and Kafka's perf tools ask before and between their work. */
import { apiKey, Reader, Writer } from './wire.ts'

export interface Topics {
  create (name: string, partitions: number): void
  delete (name: string): void
  /** The number of partitions of a topic, if it is there. */
  partitions (name: string): number | undefined
  /** The end offset of each partition. */
  ends (name: string): number[]
}

export interface ConnectionLike {
  answer (bytes: Uint8Array): void
}

/** Key, first and last version that the limit speaks; all before the flexible encoding. */
const versions = [
  [apiKey.produce, 3, 7], [apiKey.fetch, 4, 4], [apiKey.listOffsets, 1, 1], [apiKey.metadata, 4, 4], [apiKey.offsetCommit, 2, 2], [apiKey.offsetFetch, 1, 1],
  [apiKey.findCoordinator, 0, 0], [apiKey.joinGroup, 2, 2], [apiKey.heartbeat, 0, 0], [apiKey.leaveGroup, 0, 0], [apiKey.syncGroup, 0, 0],
  [apiKey.apiVersions, 0, 0], [apiKey.createTopics, 2, 2], [apiKey.deleteTopics, 1, 1], [apiKey.initProducerId, 0, 0]
] as const

let producerIds = 0
let members = 0

type Body = (reader: Reader, writer: Writer, topics: Topics, port: number, version: number) => void

const bodies: Readonly<Record<number, Body>> = {
  [apiKey.apiVersions]: (_, writer, _topics, _port, version) => {
    writer.int16(version === 0 ? 0 : 35).list(versions, ([key, first, last]) => writer.int16(key).int16(first).int16(last))
  },
  [apiKey.metadata]: (reader, writer, topics, port) => {
    const names = reader.list(() => reader.string() ?? '')
    if (reader.int8() !== 0) for (const name of names) topics.create(name, 1)
    writer.int32(0).int32(1).int32(1).string('127.0.0.1').int32(port).string(null).string('limit').int32(1)
    writer.list(names, name => {
      const count = topics.partitions(name)
      writer.int16(count === undefined ? 3 : 0).string(name).int8(0)
      writer.list(Array.from({ length: count ?? 0 }, (_, index) => index), index => writer.int16(0).int32(index).int32(1).int32(1).int32(1).int32(1).int32(1))
    })
  },
  [apiKey.createTopics]: (reader, writer, topics) => {
    const names = reader.list(() => {
      const name = reader.string() ?? ''
      topics.create(name, reader.int32())
      reader.int16()
      reader.list(() => { reader.int32(); reader.list(() => reader.int32()) })
      reader.list(() => { reader.string(); reader.string() })
      return name
    })
    writer.int32(0).list(names, name => writer.string(name).int16(0).string(null))
  },
  [apiKey.deleteTopics]: (reader, writer, topics) => {
    const names = reader.list(() => reader.string() ?? '')
    for (const name of names) topics.delete(name)
    writer.int32(0).list(names, name => writer.string(name).int16(0))
  },
  [apiKey.initProducerId]: (_, writer) => { writer.int32(0).int16(0).int64(++producerIds).int16(0) },
  [apiKey.listOffsets]: (reader, writer, topics) => {
    reader.int32()
    const asked = reader.list(() => ({ name: reader.string() ?? '', parts: reader.list(() => ({ index: reader.int32(), timestamp: reader.int64() })) }))
    writer.list(asked, ({ name, parts }) => {
      const ends = topics.partitions(name) === undefined ? [] : topics.ends(name)
      writer.string(name).list(parts, ({ index, timestamp }) => {
        writer.int32(index).int16(ends[index] === undefined ? 3 : 0).int64(-1).int64(timestamp === -2 ? 0 : ends[index] ?? -1)
      })
    })
  },
  [apiKey.findCoordinator]: (_, writer, _topics, port) => { writer.int16(0).int32(1).string('127.0.0.1').int32(port) },
  // A group has one member, who leads it and assigns everything to itself.
  [apiKey.joinGroup]: (reader, writer) => {
    reader.string()
    reader.int32()
    reader.int32()
    const member = reader.string() || `member-${++members}`
    reader.string()
    const [protocol] = reader.list(() => ({ name: reader.string(), metadata: reader.data() }))
    writer.int32(0).int16(0).int32(1).string(protocol?.name ?? '').string(member).string(member).list([member], id => writer.string(id).data(protocol?.metadata ?? Buffer.alloc(0)))
  },
  [apiKey.syncGroup]: (reader, writer) => {
    reader.string()
    reader.int32()
    reader.string()
    const [assignment] = reader.list(() => { reader.string(); return reader.data() })
    writer.int16(0).data(assignment ?? Buffer.alloc(0))
  },
  [apiKey.heartbeat]: (_, writer) => { writer.int16(0) },
  [apiKey.leaveGroup]: (_, writer) => { writer.int16(0) },
  [apiKey.offsetFetch]: (reader, writer) => {
    reader.string()
    const asked = reader.list(() => ({ name: reader.string(), parts: reader.list(() => reader.int32()) }))
    writer.list(asked, ({ name, parts }) => writer.string(name).list(parts, index => writer.int32(index).int64(-1).string('').int16(0)))
  },
  [apiKey.offsetCommit]: (reader, writer) => {
    reader.string()
    reader.int32()
    reader.string()
    reader.int64()
    const asked = reader.list(() => ({ name: reader.string(), parts: reader.list(() => { const index = reader.int32(); reader.int64(); reader.string(); return index }) }))
    writer.list(asked, ({ name, parts }) => writer.string(name).list(parts, index => writer.int32(index).int16(0)))
  }
}

/** Answers one request whose body is `body`. @throws on an API it does not speak */
export function answer (connection: ConnectionLike, topics: Topics, port: number, key: number, version: number, correlation: number, body: Buffer): void {
  const write = bodies[key]
  if (write === undefined) throw new Error(`API ${key} version ${version} is beyond the limit`)
  const writer = new Writer(512).int32(0).int32(correlation)
  write(new Reader(body), writer, topics, port, version)
  const bytes = writer.view()
  bytes.writeInt32BE(bytes.length - 4, 0)
  connection.answer(bytes)
}
