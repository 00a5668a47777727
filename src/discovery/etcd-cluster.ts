/**
 * What a cluster has written down in etcd, and how a fresh broker comes into it by that.
 *
 * ```
 * /ringmq/NAME/cluster                 who founded it, and its id: written once, never changed
 * /ringmq/NAME/brokers/DIRECTORY-ID    where a member is; goes with the member's lease
 * ```
 * Who writes the first key founds the cluster: etcd lets one do so. The key names the founder's data folder, so a founder that
 * was killed before it could note what it won finds itself there, and one whose disk was erased finds somebody else.
 */
import { formatAddress, type HostPort } from '../base/address.ts'
import type { MemberId, NodeId } from '../base/ids.ts'
import type { EtcdPort, Lease } from './etcd-client.ts'
import { DiscoveryError, founderOf, type Joined } from './membership.ts'
import { readDiscovered } from './answers.ts'
import { askToJoin, type Newcomer, reasonOf } from './newcomer.ts'
import type { Discovered } from './peer-calls.ts'

const formatVersion = 1
const idPattern = /^[\w-]{1,64}$/

export interface ClusterRecord extends HostPort {
  readonly clusterId: string
  /** Of the founder. */
  readonly nodeName: string
  readonly directoryId: string
}

export interface BrokerRecord extends ClusterRecord {
  readonly nodeId: NodeId
  readonly member: MemberId
}

export class EtcdCluster {
  readonly #etcd: EtcdPort
  readonly #clusterKey: string
  readonly #brokersPrefix: string

  /** @param name  `cluster_name` */
  constructor (etcd: EtcdPort, name: string) {
    this.#etcd = etcd
    this.#clusterKey = `/ringmq/${name}/cluster`
    this.#brokersPrefix = `/ringmq/${name}/brokers/`
  }

  /** Founds the cluster, unless it is; returns what was written, now or long ago. @throws EtcdError */
  async found ({ clusterId, nodeName, directoryId, host, port }: ClusterRecord): Promise<ClusterRecord> {
    const text = await this.#etcd.putOnce(this.#clusterKey, JSON.stringify({ format: formatVersion, clusterId, nodeName, directoryId, host, port }))
    const record = readRecord(text)
    if (record === undefined) throw new DiscoveryError(`etcd has something else at ${this.#clusterKey}: choose another cluster_name, or delete it`)
    return record
  }

  /** Members that are there, or were a moment ago. @throws EtcdError */
  async brokers (): Promise<BrokerRecord[]> {
    const texts = [...(await this.#etcd.list(this.#brokersPrefix)).values()]
    return texts.map(readRecord).filter((record): record is BrokerRecord => record !== undefined && Number.isInteger(record.member) && Number.isInteger(record.nodeId))
  }

  async grant (seconds: number): Promise<Lease> {
    return await this.#etcd.grant(seconds)
  }

  /** Writes where this broker is. Returns false: the lease has ended. @throws EtcdError */
  async register (record: BrokerRecord, lease: Lease): Promise<boolean> {
    return await this.#etcd.put(this.#brokersPrefix + record.directoryId, JSON.stringify({ format: formatVersion, ...record }), lease)
  }

  async keepAlive (lease: Lease): Promise<boolean> {
    return await this.#etcd.keepAlive(lease)
  }

  async revoke (lease: Lease): Promise<void> {
    await this.#etcd.revoke(lease)
  }

  /** Ends the calls that are under way. */
  close (): void {
    this.#etcd.close()
  }
}

/** What anybody may have written there; undefined: not a record of ours. */
function readRecord (text: string): ClusterRecord & Partial<BrokerRecord> | undefined {
  try {
    const record = JSON.parse(text) as Partial<BrokerRecord>
    const { clusterId, nodeName, directoryId, host, port } = record
    const isRecord = [clusterId, directoryId].every(id => typeof id === 'string' && idPattern.test(id)) && typeof nodeName === 'string' && typeof host === 'string' && Number.isInteger(port)
    return isRecord ? record as ClusterRecord & Partial<BrokerRecord> : undefined
  } catch {
    return undefined
  }
}

/**
 * The way of a fresh broker into the cluster that etcd knows, or to be its founder. As long as etcd is silent, or nobody there can
 * register it, it waits.
 *
 * @param clusterId  for a cluster that is not founded yet
 * @throws DiscoveryError  waiting would not help
 */
export async function joinByEtcd (newcomer: Newcomer, cluster: EtcdCluster, clusterId: string): Promise<Joined> {
  const { nodeName, directoryId, address, waiting, logger } = newcomer
  for (;;) {
    let what: string
    try {
      const record = await waiting.unlessStopped(cluster.found({ clusterId, nodeName, directoryId, ...address }))
      if (record.directoryId === directoryId) {
        logger.info({ cluster: record.clusterId }, 'etcd knew of no cluster: this broker founds it')
        const founder = founderOf(nodeName, directoryId, address)
        return { clusterId: record.clusterId, nodeId: founder.nodeId, member: founder.member, founders: [founder], peers: [] }
      }
      const members = await waiting.unlessStopped(membersToAsk(record, cluster, directoryId))
      const heard = await Promise.all(members.map(async address => await discover(newcomer, record.clusterId, address)))
      const joined = await askToJoin(newcomer, record.clusterId, heard.filter(one => typeof one !== 'string'))
      if (typeof joined !== 'string') return joined
      what = `cluster ${record.clusterId} to register this broker (${[...heard.filter(one => typeof one === 'string'), joined].filter(reason => reason !== '').join('; ')})`
    } catch (error) {
      waiting.throwIfStopped()
      if (error instanceof DiscoveryError) throw error
      what = `etcd (${(error as Error).message})`
    }
    await waiting.pause(what)
  }
}

/** Those that say they are there, and the founder, who may have had no time to say so. */
async function membersToAsk (record: ClusterRecord, cluster: EtcdCluster, directoryId: string): Promise<HostPort[]> {
  const there = (await cluster.brokers()).filter(broker => broker.clusterId === record.clusterId && broker.directoryId !== directoryId)
  const founderIsThere = there.some(broker => broker.directoryId === record.directoryId)
  return (founderIsThere ? there : [...there, record]).map(({ host, port }) => ({ host, port }))
}

/** What the member at this address knows of its cluster; in words why it is of no use. */
async function discover ({ calls, timeoutMs, waiting }: Newcomer, clusterId: string, address: HostPort): Promise<Discovered | string> {
  const at = formatAddress(address)
  try {
    const heard = readDiscovered(await waiting.unlessStopped(calls.discover(address, timeoutMs)))
    if (heard.clusterId === clusterId && heard.member > 0) return { ...heard, ...address }
    return `${at}: ${heard.clusterId === undefined ? 'no member yet' : `belongs to cluster ${heard.clusterId}`}`
  } catch (error) {
    waiting.throwIfStopped()
    return `${at}: not reachable yet (${reasonOf(error, address)})`
  }
}
