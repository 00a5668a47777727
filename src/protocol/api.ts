/** One API: its key, its versions and the layout of its messages, and per version the functions that read and write them. */
import { assert } from '../base/assert.ts'
import { compileReader, compileWriter, type Read, type Write } from './compile.ts'
import type { Fields, ReadOf, WriteOf } from './schema.ts'

/** Reads and writes one version of an API's messages, without frame and header. */
export interface Codec<Request extends Fields, Response extends Fields> {
  readonly version: number
  /** Whether compact lengths and tagged fields are used, and the headers that go with them. */
  readonly flexible: boolean
  readonly readRequest: Read<ReadOf<Request>>
  readonly writeRequest: Write<WriteOf<Request>>
  readonly readResponse: Read<ReadOf<Response>>
  readonly writeResponse: Write<WriteOf<Response>>
}

export interface Definition<Name extends string, Request extends Fields, Response extends Fields> {
  readonly key: number
  readonly name: Name
  /** First and last version that is served, both inclusive. */
  readonly versions: readonly [number, number]
  /**
   * First version that ApiVersions tells of, where clients want to see older ones than are served.
   * Those can be read and written, to be answered with UNSUPPORTED_VERSION.
   */
  readonly advertisedFrom?: number
  readonly flexibleSince: number
  /** Set for ApiVersions: a client that does not know yet what the broker speaks must be able to read the header of the answer. */
  readonly plainResponseHeader?: boolean
  readonly request: Request
  readonly response: Response
}

export class Api<Name extends string, Request extends Fields, Response extends Fields> {
  readonly key: number
  readonly name: Name
  readonly versions: readonly [number, number]
  readonly advertisedFrom: number
  readonly flexibleSince: number
  readonly plainResponseHeader: boolean
  readonly request: Request
  readonly response: Response
  readonly #codecs: Array<Codec<Request, Response> | undefined> = []

  constructor (definition: Definition<Name, Request, Response>) {
    this.key = definition.key
    this.name = definition.name
    this.versions = definition.versions
    this.advertisedFrom = definition.advertisedFrom ?? definition.versions[0]
    this.flexibleSince = definition.flexibleSince
    this.plainResponseHeader = definition.plainResponseHeader ?? false
    this.request = definition.request
    this.response = definition.response
    assert(this.advertisedFrom <= this.versions[0] && this.versions[0] <= this.versions[1], 'versions ascend')
  }

  /** Whether requests of this version are served. */
  serves (version: number): boolean {
    return version >= this.versions[0] && version <= this.versions[1]
  }

  /** The functions for a version, compiled when first asked for; undefined for one that is not advertised. */
  codec (version: number): Codec<Request, Response> | undefined {
    return this.#codecs[version] ?? this.#compile(version)
  }

  #compile (version: number): Codec<Request, Response> | undefined {
    if (!Number.isInteger(version) || version < this.advertisedFrom || version > this.versions[1]) return undefined
    const flexible = version >= this.flexibleSince
    const request = { name: `${this.name}-request`, version, flexible }
    const response = { name: `${this.name}-response`, version, flexible }
    const codec: Codec<Request, Response> = {
      version,
      flexible,
      readRequest: compileReader(request, this.request),
      writeRequest: compileWriter(request, this.request),
      readResponse: compileReader(response, this.response),
      writeResponse: compileWriter(response, this.response)
    }
    this.#codecs[version] = codec
    return codec
  }
}

export type AnyApi = Api<string, any, any>

/** A request as it is read: every field is there. */
export type RequestOf<A extends AnyApi> = ReadOf<A['request']>
/** A request as it is written: fields with a default may be left out. */
export type RequestToWrite<A extends AnyApi> = WriteOf<A['request']>
/** A response as it is written: fields with a default may be left out. */
export type ResponseOf<A extends AnyApi> = WriteOf<A['response']>
/** A response as a client reads it: every field is there. */
export type ResponseToRead<A extends AnyApi> = ReadOf<A['response']>

export function defineApi<Name extends string, const Request extends Fields, const Response extends Fields> (
  definition: Definition<Name, Request, Response>
): Api<Name, Request, Response> {
  return new Api(definition)
}
