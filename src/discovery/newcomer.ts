/** A broker that belongs to no cluster yet: who it is, what it can call upon, and how it asks a cluster to take it in. */
import { hostname } from 'node:os'
import { formatAddress, type HostPort, isWildcard, parseAddress } from '../base/address.ts'
import type { BrokerConfig } from '../base/config.ts'
import type { Logger } from '../base/logger.ts'
import type { MemberId, NodeId } from '../base/ids.ts'
import { readJoinAnswer } from './answers.ts'
import { DiscoveryError, type Joined, sortedEndpoints } from './membership.ts'
import type { Discovered, JoinRequest, PeerCalls } from './peer-calls.ts'
import type { Waiting } from './waiting.ts'

export interface Newcomer {
  readonly nodeName: string
  readonly directoryId: string
  /** Where it listens for other brokers, and where they find it. */
  readonly bind: HostPort
  readonly address: HostPort
  /** `discovery.endpoints`, each once, in order. */
  readonly endpoints: readonly string[]
  readonly timeoutMs: number
  readonly request: JoinRequest
  readonly calls: PeerCalls
  readonly waiting: Waiting
  readonly logger: Logger
}

/** Where the broker listens for others, and where they find it; undefined: it has no `raft_addr`. */
export function raftAddresses ({ raftAddr, advertisedRaftAddr }: Pick<BrokerConfig, 'raftAddr' | 'advertisedRaftAddr'>): { readonly bind: HostPort, readonly address: HostPort } | undefined {
  const bind = parseAddress(raftAddr)
  if (bind === undefined) return undefined
  const here = isWildcard(bind.host) ? { host: hostname().toLowerCase(), port: bind.port } : bind
  return { bind, address: parseAddress(advertisedRaftAddr) ?? here }
}

export function endpointsOf ({ discoveryEndpoints }: Pick<BrokerConfig, 'discoveryEndpoints'>): string[] {
  return sortedEndpoints(discoveryEndpoints)
}

/**
 * Asks these members, one after the other, to have the newcomer registered. A registration is found again by its data folder, so
 * asking twice, or after an answer was lost, gives the same member.
 *
 * @returns in words why nobody could yet
 * @throws DiscoveryError  it was refused for good
 */
export async function askToJoin (newcomer: Newcomer, clusterId: string, members: readonly Discovered[]): Promise<Joined | string> {
  const { calls, request, timeoutMs, waiting } = newcomer
  const reasons: string[] = []
  for (const asked of members) {
    const at = formatAddress(asked)
    let answer
    try {
      answer = readJoinAnswer(await waiting.unlessStopped(calls.join(asked, request, timeoutMs)))
    } catch (error) {
      waiting.throwIfStopped()
      reasons.push(`${at}: ${reasonOf(error, asked)}`)
      continue
    }
    if (answer.kind === 'later' || answer.kind === 'taken') reasons.push(`${at}: ${answer.reason}`)
    else if (answer.kind === 'refused') throw new DiscoveryError(`cluster ${clusterId} does not take this broker in: ${answer.reason}`)
    // What was heard of that address was of somebody before it: to be looked at anew.
    else if (answer.clusterId !== clusterId) reasons.push(`${at}: belongs to cluster ${answer.clusterId}`)
    else {
      const { nodeId, member, peers } = answer
      return { clusterId, nodeId: nodeId as NodeId, member: member as MemberId, founders: asked.founders, peers }
    }
  }
  return reasons.join('; ')
}

/** What went wrong with a call, without the address that its message may begin with: log lines say that by themselves, once. */
export function reasonOf (error: unknown, { host, port }: HostPort): string {
  const { message } = error as Error
  const prefix = `${host}:${port}: `
  const reason = message.startsWith(prefix) ? message.slice(prefix.length) : message
  return reason === 'ECONNREFUSED' ? 'connection refused' : reason
}
