/**
 * What goes on with discovery while the broker runs, on the main thread: with etcd, its own address is kept there and those of others
 * are learnt; a list needs nothing more.
 */
import type { HostPort, PeerAddress } from '../base/address.ts'
import type { BrokerConfig } from '../base/config.ts'
import type { Logger } from '../base/logger.ts'
import type { DiscoveryMetrics } from './etcd-registration.ts'
import { clusterRecordOf, type Membership } from './membership.ts'

export interface Discovery {
  /** Where other members may be found: what was known at the start, and in etcd's words where it knows better. */
  peers (): readonly PeerAddress[]
  /** At most some seconds; what was registered is taken back. */
  close (): Promise<void>
}

export interface DiscoveryOptions {
  readonly config: Pick<BrokerConfig, 'nodeId' | 'clusterName' | 'discoveryType' | 'discoveryEndpoints' | 'discoveryTimeoutMs'>
  readonly membership: Membership
  readonly directoryId: string
  /** Where others find this broker. */
  readonly address: HostPort
  readonly logger: Logger
  readonly metrics: DiscoveryMetrics
  /** Told of other members' addresses when etcd has news of them. */
  readonly onPeers?: (peers: readonly PeerAddress[]) => void
}

export async function openDiscovery (options: DiscoveryOptions): Promise<Discovery> {
  const { config, membership } = options
  if (config.discoveryType !== 'etcd') return { peers: () => membership.peers, close: async () => {} }
  const { clusterId, nodeId, member, metadataInitialVoters: founders } = membership
  const [{ EtcdClient }, { EtcdCluster }, { EtcdRegistration }] = await Promise.all([import('./etcd-client.ts'), import('./etcd-cluster.ts'), import('./etcd-registration.ts')])
  const registration = new EtcdRegistration({
    cluster: new EtcdCluster(new EtcdClient(config.discoveryEndpoints, config.discoveryTimeoutMs), config.clusterName),
    self: { clusterId, nodeName: config.nodeId, directoryId: options.directoryId, nodeId, member, ...options.address },
    founder: clusterRecordOf({ clusterId, founders }),
    logger: options.logger,
    metrics: options.metrics,
    ...(options.onPeers === undefined ? {} : { onPeers: options.onPeers })
  })
  return {
    peers: () => newestOf(membership.peers, registration.peers),
    close: async () => await registration.close()
  }
}

/** One address for each member: the later list's, where both have one. */
function newestOf (before: readonly PeerAddress[], now: readonly PeerAddress[]): PeerAddress[] {
  const byMember = new Map([...before, ...now].map(peer => [peer.member, peer]))
  return [...byMember.values()].sort((a, b) => a.member - b.member)
}
