/** One connection to a Kafka-protocol server for what comes before and after a load: one request at a time. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { apiVersionsRequest, createTopicRequest, deleteTopicRequest, listOffsetsRequest, metadataRequest, Reader } from '../wire.ts'

export class Client {
  readonly #socket: Socket
  #received = Buffer.alloc(0)
  #resolve: ((reader: Reader) => void) | undefined
  #reject: ((error: Error) => void) | undefined

  private constructor (socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes])
      if (this.#received.length < 4) return
      const size = this.#received.readInt32BE(0) + 4
      if (this.#received.length < size) return
      const frame = this.#received.subarray(0, size)
      this.#received = this.#received.subarray(size)
      this.#resolve?.(new Reader(frame, 8))
    })
    socket.on('error', error => this.#reject?.(error))
    socket.on('close', () => this.#reject?.(new Error('the server closed the connection')))
  }

  static async connect (port: number): Promise<Client> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new Client(socket)
  }

  /** Sends a frame and returns a reader after the correlation id of its answer. @throws after 40 s, or when the connection ends */
  async call (frame: Uint8Array): Promise<Reader> {
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise<Reader>((resolve, reject) => {
        this.#resolve = resolve
        this.#reject = reject
        // Its answer may still come and would be taken for the next one's: the connection is of no use any more.
        timer = setTimeout(() => { reject(new Error('no answer within 40 s')); this.#socket.destroy() }, 40_000)
        this.#socket.write(frame)
      })
    } finally {
      clearTimeout(timer)
      this.#resolve = this.#reject = undefined
    }
  }

  close (): void { this.#socket.destroy() }

  /** Whether it answers ApiVersions and Metadata without an error: then a client can work. */
  async ready (): Promise<boolean> {
    if ((await this.call(apiVersionsRequest())).int16() !== 0) return false
    const metadata = await this.call(metadataRequest([]))
    metadata.int32()
    return metadata.list(() => { metadata.int32(); metadata.string(); metadata.int32(); metadata.string() }).length > 0
  }

  /** Creates a topic and waits until each partition has a leader; one that is there already is left as it is. */
  async createTopic (topic: string, partitions: number, settings: Readonly<Record<string, string>> = {}): Promise<void> {
    const created = await this.call(createTopicRequest(topic, partitions, settings))
    created.int32()
    created.list(() => {
      created.string()
      const error = created.int16()
      const message = created.string()
      if (error !== 0 && error !== 36) throw new Error(`topic ${topic}: error ${error} ${message ?? ''}`)
    })
    for (let attempt = 0; attempt < 500; attempt++) {
      // A leader that is named may still be taking over: it is there when it tells its offsets.
      if ((await this.#leaders(topic)) === partitions && await this.offsets(topic, partitions, -1).then(() => true, () => false)) return
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    throw new Error(`topic ${topic} has no leaders after 10 s`)
  }

  async deleteTopic (topic: string): Promise<void> {
    await this.call(deleteTopicRequest(topic))
  }

  /** How many partitions of the topic have a leader. */
  async #leaders (topic: string): Promise<number> {
    const reader = await this.call(metadataRequest([topic]))
    reader.int32()
    reader.list(() => { reader.int32(); reader.string(); reader.int32(); reader.string() })
    reader.string()
    reader.int32()
    let leaders = 0
    reader.list(() => {
      const error = reader.int16()
      reader.string()
      reader.int8()
      reader.list(() => {
        const partitionError = reader.int16()
        reader.int32()
        const leader = reader.int32()
        reader.list(() => reader.int32())
        reader.list(() => reader.int32())
        if (error === 0 && partitionError === 0 && leader >= 0) leaders++
      })
    })
    return leaders
  }

  /** The start (-2) or end (-1) offsets of partitions 0 to `partitions` - 1. */
  async offsets (topic: string, partitions: number, timestamp: -1 | -2): Promise<number[]> {
    const reader = await this.call(listOffsetsRequest(topic, Array.from({ length: partitions }, (_, index) => index), timestamp))
    const offsets: number[] = []
    reader.list(() => {
      reader.string()
      reader.list(() => {
        const index = reader.int32()
        const error = reader.int16()
        reader.int64()
        offsets[index] = reader.int64()
        if (error !== 0) throw new Error(`offsets of ${topic}-${index}: error ${error}`)
      })
    })
    return offsets
  }
}
