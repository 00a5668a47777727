/** `HOST:PORT` as users write it, IPv6 addresses in brackets, and the addresses that brokers know each other by. */
import type { MemberId, NodeId } from './ids.ts'

export interface HostPort {
  readonly host: string
  readonly port: number
}

/** A member of the cluster, and its `raft_addr` as others reach it. */
export interface PeerAddress extends HostPort {
  readonly member: MemberId
  readonly nodeId: NodeId
}

/** One of the first voters of the metadata group. */
export interface Founder extends PeerAddress {
  readonly nodeName: string
  /** Its data folder: a broker whose folder is another one is not this founder, whatever its name and address. */
  readonly directoryId: string
}

/** A host without a colon, or an IPv6 address in brackets. */
const pattern = /^(?:\[([\da-f:.]+(?:%[\w.-]+)?)\]|([^\s:[\]/@]{1,255})):(\d{1,5})$/i

/** Returns the parts of `HOST:PORT`; undefined if it is none, or the port is not from 1 to 65535. */
export function parseAddress (text: string): HostPort | undefined {
  const [, inBrackets, plain, digits] = pattern.exec(text.trim()) ?? []
  const port = Number(digits)
  const host = (inBrackets ?? plain)?.toLowerCase()
  return host === undefined || !(port >= 1 && port <= 65535) ? undefined : { host, port }
}

export function formatAddress ({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Whether it stands for all addresses of the machine, so that nobody else can reach it by that name. */
export function isWildcard (host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
