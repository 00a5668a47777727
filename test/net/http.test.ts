import net from 'node:net'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { Connection, type ConnectionOwner } from '../../src/net/connection.ts'
import { FramePool } from '../../src/net/frame-pool.ts'
import { HttpServer, type HttpLimits, type HttpPages } from '../../src/net/http.ts'
import { Joiner } from '../../src/net/joiner.ts'
import { Listener } from '../../src/net/listener.ts'

const patient: HttpLimits = { requestMsMax: 60_000, unsentBytesMax: 1 << 20 }
const hasty: HttpLimits = { ...patient, requestMsMax: 50 }
/** Less than a large request, so that it comes in several reads. */
const readBytes = 4096
/** More than the kernel keeps for a client that does not read. */
const hugePage = 'x'.repeat(64 << 20)

const pages: HttpPages = {
  health: () => ({ healthy: true, text: { status: 'ok' } }),
  metrics: async () => ({ contentType: 'text/plain', text: 'metric 1\n' }),
  clusterStatus: () => ({ topics: [] })
}

/** Serves HTTP over real sockets; `closed` has one reason for each connection that has ended. */
class Server implements ConnectionOwner {
  readonly connections: Connection[] = []
  readonly closed: Array<string | undefined> = []
  readonly listener: Listener
  readonly #http: HttpServer

  private constructor (http: HttpServer, listener: Listener) {
    this.#http = http
    this.listener = listener
  }

  static async open (t: Test, own: Partial<HttpPages> = {}, limits: HttpLimits = patient): Promise<Server> {
    const shared = new Uint8Array(readBytes)
    const pool = new FramePool(1 << 20)
    const joiner = new Joiner(16384)
    const listener = await Listener.listen({
      host: '127.0.0.1',
      port: 0,
      reusePort: false,
      onError: () => {},
      accept: (handle, remote) => server.connections.push(new Connection({
        id: 1, handle, remote, owner: server, limits: { requestBytesMax: 1 << 20, unsentBytesMax: 1 << 20 }, shared, pool, joiner
      }))
    })
    const server = new Server(new HttpServer({ ...pages, ...own }, limits), listener)
    t.teardown(() => {
      listener.close()
      for (const connection of server.connections) connection.destroy('')
    })
    return server
  }

  handleFrame (connection: Connection): boolean {
    connection.destroy('a frame')
    return true
  }

  handleHttp (connection: Connection, first: Uint8Array): void {
    this.#http.serve(connection, first)
    first.fill(0) // as the next read would
  }

  handleDirty (connection: Connection): void { setImmediate(() => connection.flush()) }
  handleClosed (connection: Connection): void { this.closed.push(connection.closeReason) }

  async ended (count: number): Promise<void> {
    while (this.closed.length < count) await new Promise(resolve => setImmediate(resolve))
  }

  async connect (t: Test): Promise<net.Socket> {
    const client = net.connect(this.listener.port, '127.0.0.1')
    client.on('error', () => {})
    t.teardown(() => client.destroy())
    await once(client, 'connect')
    return client
  }

  /** Sends `request` and returns everything that comes until the server closes. */
  async ask (t: Test, request: string): Promise<string> {
    const client = await this.connect(t)
    client.write(request)
    return await everything(client)
  }
}

async function everything (client: net.Socket): Promise<string> {
  const chunks: Buffer[] = []
  client.on('data', chunk => chunks.push(chunk as Buffer))
  client.resume()
  await once(client, 'close')
  return Buffer.concat(chunks).toString()
}

const request = (line: string, headers = ''): string => `${line} HTTP/1.1\r\nhost: x\r\n${headers}\r\n`
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1])
const bodyOf = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4)

t.test('each page is given once, whole, and ends its connection', async t => {
  const server = await Server.open(t)
  for (const [path, status, body] of [
    ['/health', 200, '{"status":"ok"}\n'],
    ['/metrics', 200, 'metric 1\n'],
    ['/metrics?name=x', 200, 'metric 1\n'],
    ['/cluster/status', 200, '{"topics":[]}\n']
  ] as const) {
    const answer = await server.ask(t, request(`GET ${path}`, 'connection: keep-alive\r\n'))
    t.same([statusOf(answer), bodyOf(answer)], [status, body], path)
    t.match(answer, /\r\nconnection: close\r\n/)
    const head = await server.ask(t, request(`HEAD ${path}`))
    t.same([statusOf(head), bodyOf(head)], [status, ''], `${path}, its head only`)
    t.match(head, `content-length: ${body.length}\r\n`)
  }
  await server.ended(8)
  t.ok(server.closed.every(reason => reason === ''), 'which is no news')
})

t.test('what is not served, and pages that cannot be made', async t => {
  const server = await Server.open(t, {
    health: () => ({ healthy: false, text: { status: 'degraded' } }),
    metrics: async () => { throw new Error('no numbers') },
    clusterStatus: () => { throw new Error('no topics') }
  })
  for (const [line, status] of [
    ['GET /', 404], ['GET /health/', 404], ['HEAD /nothing', 404],
    ['POST /health', 405], ['PUT /nothing', 405], ['DELETE /metrics', 405], ['OPTIONS *', 405],
    ['GET /health', 503], ['GET /metrics', 500], ['HEAD /cluster/status', 500]
  ] as const) {
    const answer = await server.ask(t, request(line))
    t.equal(statusOf(answer), status, line)
    if (status === 405) t.match(answer, /\r\nallow: GET, HEAD\r\n/)
  }
})

t.test('a request that comes byte by byte', async t => {
  const server = await Server.open(t)
  const client = await server.connect(t)
  const answer = everything(client)
  client.setNoDelay(true)
  for (const byte of request('GET /health')) {
    client.write(byte)
    await new Promise(resolve => setImmediate(resolve))
  }
  t.equal(bodyOf(await answer), '{"status":"ok"}\n')
})

t.test('what is no HTTP, or too much of it, is said so and ends its connection', async t => {
  const server = await Server.open(t)
  for (const [name, bytes, status] of [
    ['a header without a colon', 'GET / HTTP/1.1\r\nbad header without colon\r\n\r\n', 400],
    ['a version of its own', 'GET /health HTTP/9.9\r\n\r\n', 400],
    ['no host', 'GET /health HTTP/1.1\r\n\r\n', 400],
    ['large headers', request('GET /health', `x: ${'a'.repeat(10_000)}\r\n`), 431],
    ['a large path', request(`GET /${'a'.repeat(10_000)}`), 431]
  ] as const) {
    t.equal(statusOf(await server.ask(t, bytes)), status, name)
  }
})

t.test('headers that do not end are refused once, however much comes behind', async t => {
  const server = await Server.open(t)
  await server.ask(t, request('GET /health')) // HTTP is loaded: what comes is looked at read by read
  const answer = await server.ask(t, `GET /health HTTP/1.1\r\nx: ${'a'.repeat(4 * readBytes)}`)
  t.equal(answer, 'HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
})

t.test('a body that nobody wants does not keep its request from being answered', async t => {
  const server = await Server.open(t)
  t.equal(statusOf(await server.ask(t, request('POST /metrics', 'content-length: 40000\r\n') + 'a'.repeat(40_000))), 405)
  t.equal(statusOf(await server.ask(t, request('POST /metrics', 'content-length: 40000\r\n'))), 405, 'nor one that does not come')
})

t.test('one request a connection: those sent behind it get no answer, and no page is made for them', async t => {
  let made = 0
  const server = await Server.open(t, {
    metrics: async () => {
      made++
      await new Promise(resolve => setImmediate(resolve))
      return { contentType: 'text/plain', text: 'metric 1\n' }
    }
  })
  for (const behind of [request('GET /metrics').repeat(300), 'GET /metrics HTTP/1.0\r\nconnection: keep-alive\r\n\r\n'.repeat(10), 'no HTTP at all\r\n\r\n']) {
    made = 0
    const answer = await server.ask(t, request('GET /metrics') + behind)
    t.same([statusOf(answer), bodyOf(answer)], [200, 'metric 1\n'])
    t.equal(made, 1)
  }
})

t.test('a stream that node gives up ends its connection', async t => {
  const server = await Server.open(t, { metrics: async () => await new Promise<never>(() => {}) })
  t.equal(await server.ask(t, request('GET /metrics') + request('CONNECT x:1')), '')
})

t.test('a request has its time: to be sent, to be answered, to be read', async t => {
  for (const [name, bytes, own] of [
    ['half a line', 'GET /hea', {}],
    ['half the headers', 'GET /health HTTP/1.1\r\nhost: x\r\n', {}],
    ['more bytes than are kept', request('GET /health', `x:${' '.repeat(20_000)}\r\n`), {}],
    ['a page that is never made', request('GET /metrics'), { metrics: async () => await new Promise<never>(() => {}) }],
    ['an expectation that is not met, and no further request', request('GET /health', 'expect: wonders\r\n'), {}]
  ] as const) {
    const server = await Server.open(t, own, hasty)
    await server.ask(t, bytes)
    await server.ended(1)
    t.match(server.closed, [/an HTTP request was not over after 50 ms/], name)
  }
  const server = await Server.open(t, { metrics: async () => ({ contentType: 'text/plain', text: hugePage }) }, hasty)
  const client = await server.connect(t)
  client.pause()
  client.write(request('GET /metrics'))
  await server.ended(1)
  t.match(server.closed, [/an HTTP request was not over after 50 ms/], 'a client that does not read')
})

t.test('nothing waits for the time of a request that is over', async t => {
  const server = await Server.open(t)
  const timers = (): number => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = timers()
  const client = await server.connect(t)
  client.write('GET /hea')
  while (timers() === before) await new Promise(resolve => setImmediate(resolve))
  client.write('lth HTTP/1.1\r\nhost: x\r\n\r\n')
  t.equal(statusOf(await everything(client)), 200)
  await server.ended(1)
  t.equal(timers(), before)
})

t.test('a page that the kernel does not take at once arrives whole', async t => {
  const server = await Server.open(t, { metrics: async () => ({ contentType: 'text/plain', text: hugePage }) })
  const client = await server.connect(t)
  client.pause()
  client.write(request('GET /metrics'))
  await new Promise(resolve => setTimeout(resolve, 20))
  const answer = await everything(client)
  t.ok(bodyOf(answer) === hugePage)
  await server.ended(1)
  t.same(server.closed, [''])
})

t.test('while clients do not take what they asked for, others get short answers only', async t => {
  const server = await Server.open(t, { clusterStatus: () => ({ topics: hugePage }), metrics: async () => ({ contentType: 'text/plain', text: 'm'.repeat(2000) }) })
  const client = await server.connect(t)
  client.pause()
  client.write(request('GET /cluster/status'))
  while (server.connections[0]!.takeTraffic().written === 0) await new Promise(resolve => setImmediate(resolve))
  t.equal(statusOf(await server.ask(t, request('GET /metrics'))), 503)
  t.equal(statusOf(await server.ask(t, request('GET /health'))), 200)
  client.destroy()
  await server.ended(3)
  t.equal(statusOf(await server.ask(t, request('GET /metrics'))), 200, 'until it has left')
  t.ok(bodyOf(await server.ask(t, request('GET /cluster/status'))).length > hugePage.length, 'a large answer alone is given')
  t.equal(statusOf(await server.ask(t, request('GET /metrics'))), 200, 'and has been taken')
})

t.test('a client that leaves before its page is made costs nothing', async t => {
  const page = Promise.withResolvers<string>()
  const asked = Promise.withResolvers<void>()
  const server = await Server.open(t, {
    metrics: async () => {
      asked.resolve()
      return { contentType: 'text/plain', text: await page.promise }
    },
    clusterStatus: () => ({ topics: 'x'.repeat(2000) })
  })
  const client = await server.connect(t)
  client.write(request('GET /metrics'))
  await asked.promise
  client.destroy()
  await server.ended(1)
  page.resolve(hugePage)
  await new Promise(resolve => setImmediate(resolve))
  t.equal(statusOf(await server.ask(t, request('GET /cluster/status'))), 200, 'its page is not counted as unsent')
})
