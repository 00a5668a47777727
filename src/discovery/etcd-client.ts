/**
 * The few calls that discovery makes to etcd, through the JSON gateway of its v3 API: keys and values in base64, 64-bit numbers as
 * text, every call a POST. With newcomer's and members' loops the only file that knows etcd; see docs/decisions/0011-discovery.md.
 *
 * Several endpoints are one etcd: a call goes to the one that answered last, and on to the next when that is silent or has no
 * quorum. A call that failed may still have been done; every caller can make its call again.
 */
import http from 'node:http'
import { parseAddress, type HostPort } from '../base/address.ts'

const answerBytesMax = 4 * 1024 * 1024
/** More brokers than any cluster has. */
const keysMax = 10_000

/** Names a lease; 64 bits, so it stays text. */
export type Lease = string

export interface EtcdPort {
  /** Writes the key unless it is there; returns the value that is there afterwards. */
  putOnce (key: string, value: string): Promise<string>
  /** `lease`: the key goes with it. Returns false: there is no such lease any more. */
  put (key: string, value: string, lease: Lease): Promise<boolean>
  /** Values by key. */
  list (prefix: string): Promise<ReadonlyMap<string, string>>
  grant (seconds: number): Promise<Lease>
  /** Returns false: the lease has ended, and its keys are gone. */
  keepAlive (lease: Lease): Promise<boolean>
  revoke (lease: Lease): Promise<void>
  /** Ends the calls that are under way. */
  close (): void
}

/** No endpoint of etcd answered as it should: the message says which one how. */
export class EtcdError extends Error {
  override name = 'EtcdError'
  /** gRPC's, of the last endpoint; 0: none answered. */
  readonly code: number
  constructor (message: string, code: number) {
    super(message)
    this.code = code
  }
}

const notFound = 5
/** What every endpoint of one etcd would say alike: asking the next one would change nothing. */
const definite: ReadonlySet<number> = new Set([notFound])

type Json = Readonly<Record<string, unknown>>

export class EtcdClient implements EtcdPort {
  readonly #endpoints: readonly string[]
  readonly #timeoutMs: number
  readonly #closing = new AbortController()
  #next = 0

  /** @param timeoutMs  for each endpoint that is tried */
  constructor (endpoints: readonly string[], timeoutMs: number) {
    this.#endpoints = endpoints
    this.#timeoutMs = timeoutMs
  }

  async putOnce (key: string, value: string): Promise<string> {
    const answer = await this.#call('kv/txn', {
      compare: [{ key: base64(key), target: 'CREATE', result: 'EQUAL', create_revision: '0' }],
      success: [{ request_put: { key: base64(key), value: base64(value) } }],
      failure: [{ request_range: { key: base64(key) } }]
    })
    if (answer.succeeded === true) return value
    const [response] = array(answer.responses)
    const there = [...keyValues(object(response?.response_range)).values()][0]
    if (there === undefined) throw new EtcdError('etcd neither wrote nor found the key', 0)
    return there
  }

  async put (key: string, value: string, lease: Lease): Promise<boolean> {
    return await this.#unlessGone(this.#call('kv/put', { key: base64(key), value: base64(value), lease })) !== undefined
  }

  async list (prefix: string): Promise<ReadonlyMap<string, string>> {
    return keyValues(await this.#call('kv/range', { key: base64(prefix), range_end: base64(after(prefix)), limit: String(keysMax) }))
  }

  async grant (seconds: number): Promise<Lease> {
    const { ID: lease } = await this.#call('lease/grant', { TTL: String(seconds) })
    if (typeof lease !== 'string') throw new EtcdError('etcd granted no lease', 0)
    return lease
  }

  async keepAlive (lease: Lease): Promise<boolean> {
    // A stream of one answer. Of a lease that is gone it has no time to live.
    const { result } = await this.#call('lease/keepalive', { ID: lease })
    return Number(object(result).TTL ?? 0) > 0
  }

  async revoke (lease: Lease): Promise<void> {
    await this.#unlessGone(this.#call('lease/revoke', { ID: lease }))
  }

  close (): void {
    this.#closing.abort()
  }

  async #unlessGone (call: Promise<Json>): Promise<Json | undefined> {
    try {
      return await call
    } catch (error) {
      if (error instanceof EtcdError && error.code === notFound) return undefined
      throw error
    }
  }

  async #call (path: string, body: Json): Promise<Json> {
    const failures: string[] = []
    const first = this.#next
    for (let tried = 0; tried < this.#endpoints.length; tried++) {
      const index = (first + tried) % this.#endpoints.length
      const endpoint = this.#endpoints[index]!
      try {
        const answer = readAnswer(await post(parseAddress(endpoint)!, `/v3/${path}`, JSON.stringify(body), this.#timeoutMs, this.#closing.signal))
        this.#next = index
        return answer
      } catch (error) {
        const code = error instanceof EtcdError ? error.code : 0
        if (definite.has(code) || this.#closing.signal.aborted) throw error
        failures.push(`${endpoint}: ${reasonOf(error)}`)
      }
    }
    throw new EtcdError(failures.join('; '), 0)
  }
}

interface HttpAnswer {
  readonly status: number
  readonly text: string
}

/** A connection of its own for each call: they are seconds apart. */
function post (to: HostPort, path: string, body: string, timeoutMs: number, closing: AbortSignal): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const late = AbortSignal.timeout(timeoutMs)
    const signal = AbortSignal.any([late, closing])
    const request = http.request({ ...to, path, method: 'POST', agent: false, signal, headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } })
    const fail = (error: Error): void => {
      if (late.aborted) reject(new Error(`no answer within ${timeoutMs} ms`))
      else reject(error)
    }
    request.once('error', fail)
    request.once('response', response => {
      const parts: Buffer[] = []
      let bytes = 0
      response.on('data', (part: Buffer) => {
        bytes += part.length
        if (bytes > answerBytesMax) response.destroy(new Error('an endless answer'))
        else parts.push(part)
      })
      response.once('error', fail)
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() }))
    })
    request.end(body)
  })
}

function readAnswer ({ status, text }: HttpAnswer): Json {
  let answer: Json
  try {
    answer = object(JSON.parse(text))
  } catch {
    throw new Error(`no etcd 3.4 or newer: HTTP ${status}`)
  }
  // A stream says it inside of its one message.
  const error = answer.error === undefined ? undefined : typeof answer.error === 'object' ? object(answer.error) : answer
  if (status === 200 && error === undefined) return answer
  throw new EtcdError(String(error?.message ?? error?.error ?? `HTTP ${status}`), Number(error?.code ?? error?.grpc_code ?? 0))
}

function reasonOf (error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code === 'ECONNREFUSED' ? 'connection refused' : message
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const fromBase64 = (value: unknown): string => typeof value === 'string' ? Buffer.from(value, 'base64').toString() : ''
const object = (value: unknown): Json => typeof value === 'object' && value !== null ? value as Json : {}
const array = (value: unknown): Json[] => Array.isArray(value) ? value.map(object) : []
/** Empty fields are left out of the answer. */
const keyValues = (range: Json): Map<string, string> => new Map(array(range.kvs).map(({ key, value }) => [fromBase64(key), fromBase64(value)]))
/** The first key that does not begin with `prefix`, which ends with a slash. */
const after = (prefix: string): string => prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)
