/**
 * Keeps a member findable in etcd for as long as it runs: its address under a lease, kept alive, written anew when it was lost. And
 * learns from there where others are. Nothing else needs etcd: while it is down the cluster works, and nobody can join.
 */
import { setTimeout as sleepFor } from 'node:timers/promises'
import type { PeerAddress } from '../base/address.ts'
import type { Logger } from '../base/logger.ts'
import type { BrokerRecord, ClusterRecord, EtcdCluster } from './etcd-cluster.ts'
import type { Lease } from './etcd-client.ts'
import { within } from './waiting.ts'

/** After this long without a word of a broker, etcd forgets its address. */
const leaseSeconds = 15
const roundMs = 5000

export interface DiscoveryMetrics {
  /** Whether others can find this broker. */
  registered (yes: boolean): void
  /** A round that etcd did not answer. */
  failed (): void
}

export interface RegistrationOptions {
  readonly cluster: EtcdCluster
  readonly self: BrokerRecord
  /** Who founded the cluster: for an etcd that has lost its data. */
  readonly founder: ClusterRecord
  readonly logger: Logger
  readonly metrics: DiscoveryMetrics
  /** For tests: how long a round lasts. */
  readonly roundMs?: number
  readonly leaseSeconds?: number
  /** At the end the lease is given back, which may take this long. */
  readonly closeMs?: number
  /** Told of other members' addresses when they have changed. */
  readonly onPeers?: (peers: readonly PeerAddress[]) => void
}

export class EtcdRegistration {
  readonly #options: RegistrationOptions
  readonly #stop = new AbortController()
  readonly #ended: Promise<void>
  #lease: Lease | undefined
  /** The lease that the address was written under. */
  #written: Lease | undefined
  #peers: readonly PeerAddress[] = []
  /** undefined: etcd has not been asked yet. */
  #reachable: boolean | undefined
  #foreign = false

  constructor (options: RegistrationOptions) {
    this.#options = options
    this.#ended = this.#run()
  }

  /** Other members that etcd knows of; the last ones it knew while it is down. */
  get peers (): readonly PeerAddress[] {
    return this.#peers
  }

  /** Takes the address back, if etcd is there; if it is silent, that ends by itself. */
  async close (): Promise<void> {
    const { cluster, metrics, closeMs = 1000 } = this.#options
    this.#stop.abort()
    await within(closeMs, this.#ended)
    metrics.registered(false)
    if (this.#lease !== undefined && this.#reachable === true) await within(closeMs, cluster.revoke(this.#lease))
    cluster.close()
  }

  async #run (): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#round()
      await sleepFor(this.#options.roundMs ?? roundMs, undefined, { signal, ref: false }).catch(() => {})
    }
  }

  async #round (): Promise<void> {
    const { cluster, self, logger, metrics } = this.#options
    try {
      await this.#checkCluster()
      const lease = await this.#renew()
      const brokers = await cluster.brokers()
      // It may also have been deleted by hand. An unchanged record is not written: etcd keeps every version. But one that an earlier life of this
      // broker left hangs on that one's lease, and would end with it.
      const isThere = this.#written === lease && brokers.some(broker => sameRecord(broker, self))
      if (!isThere && !await cluster.register(self, lease)) throw new Error('the lease in etcd was lost')
      this.#written = lease
      this.#look(brokers)
      if (this.#stop.signal.aborted) return
      if (this.#reachable !== true) logger.info({ address: `${self.host}:${self.port}` }, 'registered in etcd')
      this.#reachable = true
      metrics.registered(true)
    } catch (error) {
      if (this.#stop.signal.aborted) return
      metrics.failed()
      metrics.registered(false)
      if (this.#reachable !== false) logger.warn({ reason: (error as Error).message }, 'etcd does not answer: the cluster goes on, but no broker can join it until it does')
      this.#reachable = false
    }
  }

  /** An etcd that has lost its data is told again, or the next fresh broker would found another cluster. */
  async #checkCluster (): Promise<void> {
    const { cluster, self, founder, logger } = this.#options
    const { clusterId } = await cluster.found(founder)
    const foreign = clusterId !== self.clusterId
    // Running on is right: what is here was acknowledged. The next start refuses.
    if (foreign && !this.#foreign) logger.error({ cluster: self.clusterId, inEtcd: clusterId }, 'etcd names another cluster under this cluster_name: brokers that start now join that one')
    this.#foreign = foreign
  }

  async #renew (): Promise<Lease> {
    const { cluster, logger, leaseSeconds: seconds = leaseSeconds } = this.#options
    if (this.#lease !== undefined && !await cluster.keepAlive(this.#lease)) {
      logger.warn({}, 'the lease in etcd was lost: registering anew')
      this.#lease = undefined
    }
    return (this.#lease ??= await cluster.grant(seconds))
  }

  #look (brokers: readonly BrokerRecord[]): void {
    const { self, onPeers } = this.#options
    const peers = brokers
      .filter(({ clusterId, directoryId }) => clusterId === self.clusterId && directoryId !== self.directoryId)
      .map(({ member, nodeId, host, port }) => ({ member, nodeId, host, port }))
      .sort((a, b) => a.member - b.member)
    const changed = JSON.stringify(peers) !== JSON.stringify(this.#peers)
    this.#peers = peers
    if (changed) onPeers?.(peers)
  }
}

const sameRecord = (one: BrokerRecord, other: BrokerRecord): boolean =>
  one.directoryId === other.directoryId && one.clusterId === other.clusterId && one.member === other.member && one.host === other.host && one.port === other.port
