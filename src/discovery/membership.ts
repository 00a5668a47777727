/** What a broker knows of its place once it is found: who it is, in which cluster, and where the others are. */
import { createHash } from 'node:crypto'
import { type Founder, type HostPort, parseAddress, type PeerAddress } from '../base/address.ts'
import type { MemberId, NodeId } from '../base/ids.ts'
import type { DirectoryIdentity } from '../log/data-directory.ts'
import type { Discovered } from './peer-calls.ts'

/** What is kept on disk before the broker does anything as a member. */
export interface Joined {
  readonly clusterId: string
  readonly nodeId: NodeId
  readonly member: MemberId
  /** Of the metadata group's first configuration. */
  readonly founders: readonly Founder[]
  readonly peers: readonly PeerAddress[]
}

export interface Membership {
  readonly clusterId: string
  readonly nodeId: NodeId
  readonly member: MemberId
  /** The first configuration of the metadata group. What its log says of later ones counts more. */
  readonly metadataInitialVoters: readonly Founder[]
  /** Other members, where they were when that was last heard: to begin with, until the metadata says more. */
  readonly peers: readonly PeerAddress[]
  /** It became a member only now: there is nothing of it yet in the cluster's logs, or on this disk. */
  readonly fresh: boolean
}

/** A broker that should not start: the message tells its operator why, and what to do. */
export class DiscoveryError extends Error {
  override name = 'DiscoveryError'
}

/** Another cluster was found where the broker's own should be. Never a reason to change sides: the data here belongs to the other. */
export function foreignCluster (ours: string, theirs: string, where: string): DiscoveryError {
  return new DiscoveryError(`data_dir belongs to cluster ${ours}, but ${where} belongs to cluster ${theirs}: give the broker the data_dir or the discovery.endpoints of one cluster`)
}

/** The place of a broker that no other one can join: node 1, member 1, and the only voter. */
export function aloneIn (clusterId: string, nodeName: string, directoryId: string, fresh: boolean): Membership {
  const founder: Founder = { member: 1 as MemberId, nodeId: 1 as NodeId, nodeName, directoryId, host: '', port: 0 }
  return { clusterId, nodeId: founder.nodeId, member: founder.member, metadataInitialVoters: [founder], peers: [], fresh }
}

/** The only founder of a cluster that others can join. */
export function founderOf (nodeName: string, directoryId: string, { host, port }: HostPort): Founder {
  return { member: 1 as MemberId, nodeId: 1 as NodeId, nodeName, directoryId, host, port }
}

export function membershipOf (joined: Joined, fresh: boolean): Membership {
  const { clusterId, nodeId, member, founders, peers } = joined
  return { clusterId, nodeId, member, metadataInitialVoters: founders, peers: others([...founders, ...peers], nodeId), fresh }
}

/** What the folder says; undefined: it belongs to no cluster yet. */
export function joinedOf ({ clusterId, nodeNumber, member, founders, peers }: DirectoryIdentity): Joined | undefined {
  if (clusterId === undefined || nodeNumber === undefined || member === undefined) return undefined
  return { clusterId, nodeId: nodeNumber as NodeId, member: member as MemberId, founders, peers }
}

/** What etcd is told of a cluster: its first founder stands for it. */
export function clusterRecordOf ({ clusterId, founders }: Pick<Joined, 'clusterId' | 'founders'>): HostPort & Pick<Founder, 'nodeName' | 'directoryId'> & Pick<Joined, 'clusterId'> {
  const { nodeName, directoryId, host, port } = founders[0]!
  return { clusterId, nodeName, directoryId, host, port }
}

/** What a broker that belongs to a cluster answers to `discover`, from its start to its end. */
export function discoveredOf (joined: Joined, { nodeName, directoryId, address }: { readonly nodeName: string, readonly directoryId: string, readonly address: HostPort }): Discovered {
  const { clusterId, nodeId, member, founders } = joined
  return { nodeName, directoryId, host: address.host, port: address.port, endpoints: [], clusterId, nodeId, member, founders }
}

/** Each member of other nodes once, in order; of two addresses of one, the later in `peers` is the newer. An earlier folder of this node is gone. */
function others (peers: readonly PeerAddress[], self: NodeId): PeerAddress[] {
  const byMember = new Map(peers.map(({ member, nodeId, host, port }) => [member, { member, nodeId, host, port }]))
  return [...byMember.values()].filter(({ nodeId }) => nodeId !== self).sort((a, b) => a.member - b.member)
}

/** One spelling of a list of addresses: each once, in order. */
export function sortedEndpoints (endpoints: readonly string[]): string[] {
  return [...new Set(endpoints)].sort()
}

/** One that takes part in founding, under the address that the list has for it. */
export interface FoundingBroker {
  readonly endpoint: string
  readonly nodeName: string
  readonly directoryId: string
}

/**
 * Returns what these brokers found together. Computed from their list and folders alone: whoever computes it, and however often,
 * comes to the same cluster with the same members.
 */
export function foundedBy (brokers: readonly FoundingBroker[]): Pick<Joined, 'clusterId' | 'founders'> {
  const inOrder = brokers.toSorted((a, b) => a.endpoint < b.endpoint ? -1 : 1)
  const hash = createHash('sha256').update(inOrder.map(({ directoryId }) => directoryId).sort().join(' '))
  return {
    clusterId: hash.digest('hex').slice(0, 32),
    founders: inOrder.map(({ endpoint, nodeName, directoryId }, index) =>
      ({ member: index + 1 as MemberId, nodeId: index + 1 as NodeId, nodeName, directoryId, ...parseAddress(endpoint)! }))
  }
}

/** Whether two brokers of a list cannot be told apart, in words; undefined: they can. */
export function mixUp (brokers: readonly FoundingBroker[]): string | undefined {
  for (const [index, one] of brokers.entries()) {
    for (const other of brokers.slice(index + 1)) {
      if (one.directoryId === other.directoryId) return `discovery.endpoints names one broker twice, as ${one.endpoint} and as ${other.endpoint}`
      if (one.nodeName === other.nodeName) return `the brokers at ${one.endpoint} and ${other.endpoint} have the same node_id "${one.nodeName}": give each its own`
    }
  }
  return undefined
}
