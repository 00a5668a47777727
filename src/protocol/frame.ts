/**
 * Frames: a big-endian int32 length, a header, a message.
 *
 * ```
 *  request   length:int32 key:int16 version:int16 correlationId:int32 clientId:nullable string [tags] message
 *  response  length:int32 correlationId:int32 [tags] message
 * ```
 * The tags are there in flexible versions, but never in the answer to ApiVersions. The client id keeps its old encoding in all.
 * Request header version 0 (no client id) belongs to one API between old brokers and is not spoken.
 */
import { assert } from '../base/assert.ts'
import type { AnyApi, Codec, RequestToWrite, ResponseOf, ResponseToRead } from './api.ts'
import { apiOf } from './apis.ts'
import { ProtocolError } from './protocol-error.ts'
import type { Reader } from './reader.ts'
import type { Fields, ReadOf } from './schema.ts'
import type { Writer } from './writer.ts'

/** Bytes of the length that precedes every frame. */
export const lengthBytes = 4
/** Key, version, correlation id, and a client id of null. */
const requestHeaderBytesMin = 10

/**
 * Returns the size of the frame that starts at `start`, its length included, or 0 while fewer than four bytes are there.
 *
 * @throws ProtocolError  the length is negative, too small for a header, or above `frameBytesMax`
 */
export function frameBytes (bytes: Uint8Array, start: number, end: number, frameBytesMax: number): number {
  if (end - start < lengthBytes) return 0
  const length = bytes[start]! << 24 | bytes[start + 1]! << 16 | bytes[start + 2]! << 8 | bytes[start + 3]!
  if (length < requestHeaderBytesMin) throw new ProtocolError(`a frame of ${length} bytes`)
  if (length > frameBytesMax) throw new ProtocolError(`a frame of ${length} bytes, at most ${frameBytesMax} are taken`)
  return lengthBytes + length
}

export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
  /** Undefined for a key that we do not know. */
  readonly api: AnyApi | undefined
  /** Reads the request and writes its answer; undefined for a version that we do not know. */
  readonly codec: Codec<any, any> | undefined
}

/**
 * Reads a request's header, and leaves the reader at the message.
 *
 * For an unknown API or version only the first three fields are sure: what follows may have another layout.
 */
export function readRequestHeader (reader: Reader): RequestHeader {
  const apiKey = reader.int16()
  const apiVersion = reader.int16()
  const correlationId = reader.int32()
  const api = apiOf(apiKey)
  const codec = api?.codec(apiVersion)
  if (codec === undefined) return { apiKey, apiVersion, correlationId, clientId: null, api, codec }
  const clientId = reader.nullableString()
  if (codec.flexible) reader.skipTags()
  return { apiKey, apiVersion, correlationId, clientId, api, codec }
}

/** Reads the message behind a header to its last byte. @throws ProtocolError  it is malformed, or something follows it */
export function readRequest<Request extends Fields> (reader: Reader, codec: Codec<Request, any>): ReadOf<Request> {
  const request = codec.readRequest(reader)
  reader.expectEnd()
  return request
}

/** Appends a whole response frame. */
export function writeResponse<A extends AnyApi> (writer: Writer, api: A, version: number, correlationId: number, response: ResponseOf<A>): void {
  const codec = api.codec(version)
  assert(codec !== undefined, 'answers are written in versions that we advertise')
  writer.beginFrame()
  writer.int32(correlationId)
  if (codec.flexible && !api.plainResponseHeader) writer.uvarint(0)
  codec.writeResponse(writer, response)
  writer.endFrame()
}

/** Appends a whole request frame. */
export function writeRequest<A extends AnyApi> (writer: Writer, api: A, version: number, header: { correlationId: number, clientId: string | null }, request: RequestToWrite<A>): void {
  const codec = api.codec(version)
  assert(codec !== undefined, 'requests are written in versions that we know')
  writer.beginFrame()
  writer.int16(api.key)
  writer.int16(version)
  writer.int32(header.correlationId)
  writer.nullableString(header.clientId)
  if (codec.flexible) writer.uvarint(0)
  codec.writeRequest(writer, request)
  writer.endFrame()
}

/** Reads a response from behind its length to its last byte. */
export function readResponse<A extends AnyApi> (reader: Reader, api: A, version: number): { correlationId: number, response: ResponseToRead<A> } {
  const codec = api.codec(version)
  assert(codec !== undefined, 'responses are read in versions that we know')
  const correlationId = reader.int32()
  if (codec.flexible && !api.plainResponseHeader) reader.skipTags()
  const response = codec.readResponse(reader) as ResponseToRead<A>
  reader.expectEnd()
  return { correlationId, response }
}
