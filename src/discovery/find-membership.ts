/**
 * How a broker gets its place before it starts anything else: between locking its folder and starting its actors.
 *
 * | the folder belongs to | and `discovery` says | it is |
 * |---|---|---|
 * | nobody | nothing (`memory`, no endpoints), no `raft_addr` | a cluster of one: node 1, member 1 |
 * | a cluster | anything | what the folder says; another cluster at the endpoints stops it |
 * | nobody | a list of brokers | one of its founders, or a new member: listed.ts |
 * | nobody | etcd | the founder, or a new member: etcd-cluster.ts |
 *
 * Whatever comes of it is on disk before this returns.
 */
import type { FeatureRange } from '../actors/controller/messages.ts'
import { formatAddress, type HostPort, parseAddress } from '../base/address.ts'
import type { BrokerConfig } from '../base/config.ts'
import type { Logger } from '../base/logger.ts'
import { type Chance, uuidHex } from '../base/prng.ts'
import type { DataDirectory } from '../log/data-directory.ts'
import { readDiscovered } from './answers.ts'
import type { EtcdCluster } from './etcd-cluster.ts'
import { aloneIn, clusterRecordOf, DiscoveryError, foreignCluster, founderOf, type Joined, joinedOf, type Membership, membershipOf } from './membership.ts'
import { endpointsOf, type Newcomer, raftAddresses } from './newcomer.ts'
import type { Discovered, PeerCalls } from './peer-calls.ts'
import { type Sleep, Waiting, within } from './waiting.ts'

/** Longest wait for others to say whether they are in another cluster: a broker that has its place starts without them. */
const lookMsMax = 1000

export type MembershipConfig = Pick<BrokerConfig,
  'nodeId' | 'raftAddr' | 'advertisedRaftAddr' | 'rack' | 'clusterName' | 'discoveryType' | 'discoveryEndpoints' | 'discoveryTimeoutMs'>

export interface FindOptions {
  readonly config: MembershipConfig
  /** undefined: everything is in memory, so nobody else can be there. */
  readonly directory: Pick<DataDirectory, 'identity' | 'identify'> | undefined
  readonly calls: PeerCalls
  readonly logger: Logger
  /** Ends a wait that the operator has had enough of. */
  readonly signal: AbortSignal
  readonly chance: Chance
  /** Where clients are told to connect, and what this broker can do: the cluster hears it with the registration. */
  readonly client: HostPort
  readonly features: FeatureRange
  readonly sleep?: Sleep
  /** For tests, in place of the etcd at the endpoints. */
  readonly etcd?: EtcdCluster | undefined
}

/**
 * Returns the broker's place, and notes it durably. Waits for others as long as it takes.
 *
 * @throws DiscoveryError  what was found or configured cannot be right; the message says what to do
 * @throws the reason of `signal`
 */
export async function findMembership (options: FindOptions): Promise<Membership> {
  const { config, directory, chance } = options
  const isAlone = config.discoveryType === 'memory' && config.discoveryEndpoints.length === 0
  const addresses = raftAddresses(config)
  if (directory === undefined) return aloneIn(uuidHex(chance), config.nodeId, uuidHex(chance), true)
  const { directoryId } = directory.identity
  const known = joinedOf(directory.identity)
  if (addresses !== undefined) {
    // Who asks in this moment hears nothing to rely on: neither that it is fresh, nor of a member.
    const { bind, address } = addresses
    await reserve(options.calls, bind, { nodeName: config.nodeId, directoryId, ...address, endpoints: [], clusterId: known?.clusterId ?? 'unknown', nodeId: 0, member: 0, founders: [] })
  }
  if (known !== undefined) return await asBefore(options, known)
  if (addresses === undefined) {
    if (!isAlone) throw new DiscoveryError('raft_addr is needed in a cluster: the address at which other brokers reach this one')
    const membership = aloneIn(uuidHex(chance), config.nodeId, directoryId, true)
    await directory.identify(membership.clusterId, membership.nodeId)
    return membership
  }
  if (isAlone) {
    throw new DiscoveryError(`raft_addr is set, but nothing says which cluster this broker belongs to: set discovery.endpoints to the raft_addr of each first broker (${formatAddress(addresses.address)} alone founds a cluster that others can join), or discovery.type to etcd`)
  }
  const joined = config.discoveryType === 'etcd'
    ? await byEtcd(options, newcomer(options, directoryId, addresses))
    : await new (await import('./listed.ts')).ListedBrokers(newcomer(options, directoryId, addresses)).join()
  await directory.identify(joined.clusterId, joined.nodeId, joined)
  options.logger.info({ cluster: joined.clusterId, nodeId: joined.nodeId, member: joined.member }, 'this broker is a member of the cluster')
  return membershipOf(joined, true)
}

/** Makes sure that nobody else listens for brokers there: threads share the port, and two programs would silently do so too. */
async function reserve (calls: PeerCalls, bind: HostPort, meanwhile: Discovered): Promise<void> {
  let listening
  try {
    listening = await calls.answer(bind, () => meanwhile)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const where = formatAddress(bind)
    if (code === 'EADDRINUSE') throw new DiscoveryError(`another program listens on raft_addr ${where}: stop it, or choose another raft_addr`)
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') throw new DiscoveryError(`raft_addr ${where} is no address of this machine: choose one that is, and tell others another one with advertised_raft_addr`)
    throw new DiscoveryError(`raft_addr ${where} cannot be used: ${message}`)
  }
  await listening.close()
}

function newcomer (options: FindOptions, directoryId: string, { bind, address }: { readonly bind: HostPort, readonly address: HostPort }): Newcomer {
  const { config, client, features, calls, logger } = options
  return {
    nodeName: config.nodeId,
    directoryId,
    bind,
    address,
    endpoints: endpointsOf(config),
    timeoutMs: config.discoveryTimeoutMs,
    request: {
      name: config.nodeId,
      directoryId,
      ...client,
      raftHost: address.host,
      raftPort: address.port,
      rack: config.rack === '' ? null : config.rack,
      features
    },
    calls,
    waiting: new Waiting(options),
    logger
  }
}

async function byEtcd (options: FindOptions, newcomer: Newcomer): Promise<Joined> {
  const [{ joinByEtcd }, cluster] = await Promise.all([import('./etcd-cluster.ts'), openEtcd(options)])
  try {
    return await joinByEtcd(newcomer, cluster, uuidHex(options.chance))
  } finally {
    cluster.close()
  }
}

async function openEtcd ({ config, etcd }: Pick<FindOptions, 'config' | 'etcd'>): Promise<EtcdCluster> {
  if (etcd !== undefined) return etcd
  const [{ EtcdCluster }, { EtcdClient }] = await Promise.all([import('./etcd-cluster.ts'), import('./etcd-client.ts')])
  return new EtcdCluster(new EtcdClient(config.discoveryEndpoints, config.discoveryTimeoutMs), config.clusterName)
}

/** The folder says it all. Others are only looked at for whether they agree, and not waited for. */
async function asBefore (options: FindOptions, known: Joined): Promise<Membership> {
  const { config, directory } = options
  const { directoryId } = directory!.identity
  const addresses = raftAddresses(config)
  if (addresses === undefined) {
    if (known.founders.length > 0) {
      throw new DiscoveryError(`data_dir belongs to member ${known.member} of cluster ${known.clusterId}, which others can join: raft_addr is needed, the address at which they reach this broker`)
    }
    return { ...aloneIn(known.clusterId, config.nodeId, directoryId, false), nodeId: known.nodeId, member: known.member }
  }
  const founder = known.founders.find(founder => founder.directoryId === directoryId)
  if (founder !== undefined && founder.nodeName !== config.nodeId) {
    throw new DiscoveryError(`data_dir belongs to node_id "${founder.nodeName}" of cluster ${known.clusterId}, and this broker's is "${config.nodeId}": give it its data_dir, or its name`)
  }
  if (known.founders.length > 0) {
    await look(options, known)
    return membershipOf(known, false)
  }
  // A broker alone that was given a raft_addr: from now on others can join its cluster.
  const opened = { ...known, founders: [founderOf(config.nodeId, directoryId, addresses.address)] }
  await look(options, opened)
  await directory!.identify(opened.clusterId, opened.nodeId, opened)
  return membershipOf(opened, false)
}

/** @throws DiscoveryError  others are in another cluster */
async function look (options: FindOptions, known: Joined): Promise<void> {
  const { config, calls } = options
  const waiting = new Waiting(options)
  const timeoutMs = Math.min(lookMsMax, config.discoveryTimeoutMs)
  if (config.discoveryType === 'etcd') {
    const cluster = await openEtcd({ config: { ...config, discoveryTimeoutMs: timeoutMs }, etcd: options.etcd })
    try {
      const asked = cluster.found(clusterRecordOf(known))
      const inTime = await waiting.unlessStopped(within(timeoutMs, asked))
      const record = inTime ? await asked : undefined
      if (record === undefined) options.logger.info({}, 'etcd does not answer: starting without it')
      else if (record.clusterId !== known.clusterId) throw foreignCluster(known.clusterId, record.clusterId, `etcd (cluster_name ${config.clusterName})`)
    } catch (error) {
      waiting.throwIfStopped()
      if (error instanceof DiscoveryError) throw error
      options.logger.info({ reason: (error as Error).message }, 'etcd does not answer: starting without it')
    } finally {
      cluster.close()
    }
    return
  }
  const own = formatAddress(raftAddresses(config)!.address)
  await Promise.all(endpointsOf(config).filter(endpoint => endpoint !== own).map(async endpoint => {
    const answer = await waiting.unlessStopped(calls.discover(parseAddress(endpoint)!, timeoutMs).then(readDiscovered, () => undefined)).catch(() => undefined)
    waiting.throwIfStopped()
    // One that is itself only on its way somewhere is no witness.
    if (answer?.clusterId !== undefined && answer.member > 0 && answer.clusterId !== known.clusterId) throw foreignCluster(known.clusterId, answer.clusterId, endpoint)
  }))
}
