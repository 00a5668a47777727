/**
 * How a broker that has its place tells its cluster where it is now. Others speak only to where the metadata log says that a member is, and
 * who leads is known by being spoken to: a broker that starts at another address, or with a folder that another one has replaced, would hear of
 * nobody for ever. So it asks to join, as a newcomer does; the answer comes back over the same connection, and a known folder gets its old numbers.
 */
import { formatAddress, type HostPort, parseAddress, type PeerAddress } from '../base/address.ts'
import type { BrokerConfig } from '../base/config.ts'
import { readJoinAnswer } from './answers.ts'
import type { Membership } from './membership.ts'
import { endpointsOf } from './newcomer.ts'
import type { JoinAnswer, JoinRequest, PeerCalls } from './peer-calls.ts'

export interface ComeBackOptions {
  readonly config: Pick<BrokerConfig, 'clusterName' | 'discoveryType' | 'discoveryEndpoints' | 'discoveryTimeoutMs'>
  readonly membership: Pick<Membership, 'clusterId' | 'member'>
  readonly request: JoinRequest
  readonly calls: PeerCalls
}

/** What came of asking everybody once. */
export interface CameBack {
  /** Where everybody is, by the controller's word; none: nobody could say. */
  readonly peers: readonly PeerAddress[]
  /** Why the place is not this broker's any more, in words; undefined: nobody has said that. */
  readonly refusal: string | undefined
}

/** Asks all at once, as each of them learns by that where this broker is. Never throws: who cannot be asked says nothing. */
export async function comeBack (options: ComeBackOptions, peers: readonly PeerAddress[]): Promise<CameBack> {
  const { membership: { clusterId, member } } = options
  const answers = await Promise.all((await addressesToAsk(options, peers)).map(async address => await ask(options, address)))
  for (const answer of answers) {
    if (answer?.kind === 'registered' && answer.clusterId === clusterId && answer.member === member) return { peers: answer.peers, refusal: undefined }
  }
  const no = answers.find(answer => answer?.kind === 'taken' || answer?.kind === 'refused')
  return { peers: [], refusal: no !== undefined && 'reason' in no ? no.reason : undefined }
}

async function ask ({ calls, request, config }: ComeBackOptions, address: HostPort): Promise<JoinAnswer | undefined> {
  try {
    return readJoinAnswer(await calls.join(address, request, config.discoveryTimeoutMs))
  } catch {
    return undefined
  }
}

async function addressesToAsk (options: ComeBackOptions, peers: readonly PeerAddress[]): Promise<HostPort[]> {
  const { config, request } = options
  const more = config.discoveryType === 'etcd'
    ? await inEtcd(options).catch(() => [])
    : endpointsOf(config).map(endpoint => parseAddress(endpoint)!)
  const byAddress = new Map([...more, ...peers].map(({ host, port }) => [formatAddress({ host, port }), { host, port }]))
  byAddress.delete(formatAddress({ host: request.raftHost, port: request.raftPort }))
  return [...byAddress.values()]
}

async function inEtcd ({ config, membership }: ComeBackOptions): Promise<HostPort[]> {
  const [{ EtcdCluster }, { EtcdClient }] = await Promise.all([import('./etcd-cluster.ts'), import('./etcd-client.ts')])
  const cluster = new EtcdCluster(new EtcdClient(config.discoveryEndpoints, config.discoveryTimeoutMs), config.clusterName)
  try {
    return (await cluster.brokers()).filter(({ clusterId }) => clusterId === membership.clusterId)
  } finally {
    cluster.close()
  }
}
