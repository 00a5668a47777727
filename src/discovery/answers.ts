/** What other brokers sent, before anything believes it: each field is looked at, whatever is more is left out. */
import type { Founder, PeerAddress } from '../base/address.ts'
import { ErrorCode, errorName, isRetriable } from '../base/error-code.ts'
import type { MemberId, NodeId } from '../base/ids.ts'
import type { Discovered, JoinAnswer, JoinRequest } from './peer-calls.ts'

const namePattern = /^[\w.-]{1,128}$/
const idPattern = /^[\w-]{1,64}$/
/** More than any cluster has: what is longer is garbage. */
const listMax = 10_000
const reasonMax = 1000

type Fields = Readonly<Record<string, unknown>>

/** @throws Error  it is no answer to `discover` */
export function readDiscovered (value: unknown): Discovered {
  const fields = object(value)
  const clusterId = fields.clusterId === undefined || fields.clusterId === null ? undefined : text(fields, 'clusterId', idPattern)
  return {
    nodeName: text(fields, 'nodeName', namePattern),
    directoryId: text(fields, 'directoryId', idPattern),
    host: text(fields, 'host'),
    port: number(fields, 'port', 1, 65535),
    endpoints: list(fields, 'endpoints', endpoint => {
      if (typeof endpoint !== 'string' || endpoint.length > 300) throw malformed('endpoints')
      return endpoint
    }),
    clusterId,
    member: clusterId === undefined ? 0 : number(fields, 'member', 0),
    nodeId: clusterId === undefined ? 0 : number(fields, 'nodeId', 0),
    founders: clusterId === undefined ? [] : list(fields, 'founders', readFounder)
  }
}

/**
 * The controller's `joined`, or what it means that it is an error.
 *
 * @throws Error  it is no answer to `join`
 */
export function readJoinAnswer (value: unknown): JoinAnswer {
  const fields = object(value)
  if (fields.kind !== 'joined') throw malformed('kind')
  const errorCode = number(fields, 'errorCode', -1, 2 ** 15 - 1)
  if (errorCode !== ErrorCode.NONE) {
    const reason = typeof fields.errorMessage === 'string' ? fields.errorMessage.slice(0, reasonMax) : errorName(errorCode)
    // A name that is in use may be that of this very node before its disk was erased, which is given up after a while.
    if (errorCode === ErrorCode.DUPLICATE_RESOURCE) return { kind: 'taken', reason }
    return { kind: isRetriable(errorCode) ? 'later' : 'refused', reason }
  }
  return {
    kind: 'registered',
    clusterId: text(fields, 'clusterId', idPattern),
    nodeId: number(fields, 'nodeId', 1),
    member: number(fields, 'member', 1),
    peers: list(fields, 'peers', readPeer)
  }
}

/** For the side that is asked, before the controller sees it. @throws Error  it is no request to join */
export function readJoinRequest (value: unknown): JoinRequest {
  const fields = object(value)
  const features = object(fields.features)
  return {
    name: text(fields, 'name', namePattern),
    directoryId: text(fields, 'directoryId', idPattern),
    host: text(fields, 'host'),
    port: number(fields, 'port', 1, 65535),
    raftHost: text(fields, 'raftHost'),
    raftPort: number(fields, 'raftPort', 1, 65535),
    rack: fields.rack === null || fields.rack === undefined ? null : text(fields, 'rack', /^[^\n]{1,4096}$/),
    features: { min: number(features, 'min', 0), max: number(features, 'max', 0) }
  }
}

function readPeer (value: unknown): PeerAddress {
  const fields = object(value)
  return {
    member: number(fields, 'member', 1) as MemberId,
    nodeId: number(fields, 'nodeId', 1) as NodeId,
    host: text(fields, 'host', /^[^\s]{0,255}$/),
    port: number(fields, 'port', 0, 65535)
  }
}

function readFounder (value: unknown): Founder {
  const fields = object(value)
  return { ...readPeer(fields), nodeName: text(fields, 'nodeName', namePattern), directoryId: text(fields, 'directoryId', idPattern) }
}

const malformed = (field: string): Error => new Error(`not understood: its field ${field} is wrong`)

function object (value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('kind')
  return value as Fields
}

function text (fields: Fields, name: string, pattern = /^[^\s]{1,255}$/): string {
  const value = fields[name]
  if (typeof value !== 'string' || !pattern.test(value)) throw malformed(name)
  return value
}

function number (fields: Fields, name: string, min: number, max = 2 ** 31 - 1): number {
  const value = fields[name]
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) throw malformed(name)
  return value
}

function list<T> (fields: Fields, name: string, read: (item: unknown) => T): T[] {
  const value = fields[name]
  if (!Array.isArray(value) || value.length > listMax) throw malformed(name)
  return value.map(read)
}
