/**
 * Frames between brokers, see docs/protocol.md, "Between brokers": a header like that of a client's request, in both directions,
 * and a body by key.
 *
 * ```
 *  length:int32  key:int16  version:int16  correlation:int32  body …         all big-endian, the length counts what follows it
 * ```
 * What opens a connection (hello, discover, join) and its answers keep their layout for ever: brokers of all versions must be able
 * to tell each other that they do not understand each other.
 */
import type { MemberId } from '../../base/ids.ts'
import { peerRefusalReasons } from '../../base/metrics.ts'
import { encode } from '../../base/msgpack.ts'
import type { Reader } from '../../protocol/reader.ts'
import { Writer } from '../../protocol/writer.ts'

export const FrameKey = {
  hello: 20000,
  welcome: 20001,
  refused: 20002,
  raft: 20003,
  controller: 20004,
  beat: 20005,
  discover: 20006,
  discovered: 20007,
  join: 20008,
  joined: 20009
} as const

/** Of what opens a connection. What is behind the hello has those of `protocolRange` in base/versions.ts. */
const openingVersion = 0

export const lengthBytes = 4
/** Key, version, correlation. */
export const headerBytes = 8
/** Length and header. */
export const prefixBytes = lengthBytes + headerBytes
/** Largest frame, without its length, from somebody who has not been welcomed. */
export const openingBytesMax = 64 * 1024
/** Largest answer to somebody who is not a peer yet. */
export const answerBytesMax = 4 * 1024 * 1024

/** 'RMQP' */
const magic = 0x524d5150

/** Why a connection, or what was asked over it, is refused. The numbers are for ever. */
export const Refusal = {
  malformed: 1,
  version: 2,
  cluster: 3,
  member: 4,
  full: 5,
  unavailable: 6,
  late: 7
} as const
export type Refusal = (typeof Refusal)[keyof typeof Refusal]
/** By number. */
export const refusalNames: readonly string[] = peerRefusalReasons

/** What a connection is for. */
export const Purpose = { bulk: 1, beat: 2 } as const
export type Purpose = (typeof Purpose)[keyof typeof Purpose]

export interface Hello {
  readonly versionMin: number
  readonly versionMax: number
  readonly clusterId: string
  readonly from: MemberId
  readonly nodeName: string
  readonly directoryId: string
  /** Who is meant: an address may belong to somebody else by now. */
  readonly to: MemberId
  readonly purpose: Purpose
  /** The sender's thread: its next connection of the same purpose takes the place of this one. */
  readonly thread: number
}

export interface Welcome {
  /** What is spoken from here on. */
  readonly version: number
  readonly member: MemberId
}

export interface Refused {
  readonly code: number
  readonly reason: string
}

export interface FrameHeader {
  readonly key: number
  readonly version: number
  readonly correlation: number
}

/** @throws ProtocolError  the frame ends before its header does */
export function readHeader (reader: Reader): FrameHeader {
  return { key: reader.int16(), version: reader.int16(), correlation: reader.int32() }
}

/** @returns undefined: the frame is not of this protocol. @throws ProtocolError  it is malformed */
export function readHello (reader: Reader): Hello | undefined {
  if (reader.int32() !== magic) return undefined
  const hello = {
    versionMin: reader.int16(),
    versionMax: reader.int16(),
    clusterId: reader.string(),
    from: reader.int32() as MemberId,
    nodeName: reader.string(),
    directoryId: reader.uuid(),
    to: reader.int32() as MemberId,
    purpose: reader.int8() as Purpose,
    thread: reader.int16()
  }
  // What a later version has behind the thread is not looked at.
  return hello
}

export function readWelcome (reader: Reader): Welcome {
  return { version: reader.int16(), member: reader.int32() as MemberId }
}

export function readRefused (reader: Reader): Refused {
  return { code: reader.int16(), reason: reader.string() }
}

export function helloFrame (hello: Hello): Uint8Array {
  return frame(FrameKey.hello, openingVersion, 0, writer => {
    writer.int32(magic)
    writer.int16(hello.versionMin)
    writer.int16(hello.versionMax)
    writer.string(hello.clusterId)
    writer.int32(hello.from)
    writer.string(hello.nodeName)
    writer.uuid(hello.directoryId)
    writer.int32(hello.to)
    writer.int8(hello.purpose)
    writer.int16(hello.thread)
  })
}

export function welcomeFrame (correlation: number, { version, member }: Welcome): Uint8Array {
  return frame(FrameKey.welcome, openingVersion, correlation, writer => {
    writer.int16(version)
    writer.int32(member)
  })
}

export function refusedFrame (correlation: number, { code, reason }: Refused): Uint8Array {
  return frame(FrameKey.refused, openingVersion, correlation, writer => {
    writer.int16(code)
    writer.string(reason)
  })
}

/** Of a whole beat, its length field included. */
export const beatBytes = prefixBytes + 8

/** `incarnation`: of the process that sends it. Sent by who made the connection, and sent back with the other one's. */
export function writeBeat (view: DataView, offset: number, version: number, incarnation: number): void {
  writePrefix(view, offset, beatBytes, FrameKey.beat, version)
  view.setBigInt64(offset + prefixBytes, BigInt(incarnation))
}

/** An answer has the correlation id of what it answers. */
export function beatFrame (version: number, correlation: number, incarnation: number): Uint8Array {
  const bytes = new Uint8Array(beatBytes)
  const view = new DataView(bytes.buffer)
  writeBeat(view, 0, version, incarnation)
  view.setInt32(prefixBytes - 4, correlation)
  return bytes
}

/** A frame whose body is MessagePack, or nothing. */
export function packedFrame (key: number, correlation: number, body: object | undefined): Uint8Array {
  return frame(key, openingVersion, correlation, writer => { if (body !== undefined) writer.splice(encode(body)) })
}

function frame (key: number, version: number, correlation: number, write: (writer: Writer) => void): Uint8Array {
  const writer = new Writer(256)
  writer.beginFrame()
  writer.int16(key)
  writer.int16(version)
  writer.int32(correlation)
  write(writer)
  writer.endFrame()
  const parts = writer.finish()
  return parts.length === 1 ? parts[0]! : new Uint8Array(Buffer.concat(parts))
}

/** Length and header in place, for frames that are written where they leave from. */
export function writePrefix (view: DataView, offset: number, frameBytes: number, key: number, version: number): void {
  view.setInt32(offset, frameBytes - lengthBytes)
  view.setInt16(offset + 4, key)
  view.setInt16(offset + 6, version)
  view.setInt32(offset + 8, 0)
}

/** Calls back for each frame of what a {@link Transport} was given to send: simulators deliver frames one by one. */
export function eachFrame (bytes: Uint8Array, deliver: (start: number, end: number) => void): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < bytes.length;) {
    const end = at + lengthBytes + view.getInt32(at)
    deliver(at + lengthBytes, end)
    at = end
  }
}
