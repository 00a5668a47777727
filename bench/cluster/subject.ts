/** Three servers that form one cluster, as the rows see them: addresses, processes, and what can be done to each. */
import { rmSync } from 'node:fs'
import { Cluster } from '../../test/cluster/cluster.ts'
import { type Network, openNetwork, type NetworkKind } from '../../test/cluster/network.ts'
import { cpuOfProcess, memoryOfProcess, type Cpu } from '../process-stats.ts'
import { dataFolder, type Flush } from '../subjects.ts'

export const nodes = 3

export interface ClusterSubject {
  readonly name: 'ringmq' | 'kafka' | 'nats'
  /** HOST:PORT of each, for clients. */
  readonly addresses: readonly string[]
  /** undefined: it is down. */
  pidOf (index: number): number | undefined
  kill (index: number): Promise<void>
  pause (index: number): void
  resume (index: number): void
  /** SIGTERM, and waits for its end. */
  stop (index: number): Promise<void>
  /** Starts one that is down; resolves when it answers. */
  start (index: number): Promise<void>
  /** Drops all packets between one and the others until {@link heal}; undefined: not in this network. */
  readonly cutOff: ((index: number) => Promise<void>) | undefined
  heal (): Promise<void>
  close (): Promise<void>
}

/** Cuts one off from the others, where packets can be dropped. */
export function cutterOf (network: Network): ClusterSubject['cutOff'] {
  if (network.kind === 'plain') return undefined
  return async index => {
    for (const other of network.places.keys()) {
      if (other === index) continue
      await network.block(index, other)
      await network.block(other, index)
    }
  }
}

export interface RingmqClusterOptions {
  readonly flush: Flush
  readonly network: NetworkKind
  /** Of the checkout that is measured. */
  readonly root: string | undefined
  readonly threads: number
}

export async function startRingmqCluster ({ flush, network: kind, root, threads }: RingmqClusterOptions): Promise<ClusterSubject> {
  const folder = dataFolder(`cluster-${flush}`)
  rmSync(folder, { recursive: true, force: true })
  const network = await openNetwork(kind, nodes)
  const cluster = await Cluster.start({ network, folder, root, flags: ['--log-flush', flush, '--threads', String(threads)] })
  // The first start of a checkout strips types, and keeps the stripper in memory; what it compiled serves the next.
  for (const { index } of cluster.nodes) {
    await cluster.stop(index)
    await cluster.start(index)
  }
  await cluster.isWhole()
  return {
    name: 'ringmq',
    addresses: cluster.addresses,
    pidOf: index => cluster.nodes[index]!.process?.pid,
    kill: async index => await cluster.kill(index),
    pause: index => cluster.pause(index),
    resume: index => cluster.resume(index),
    stop: async index => { await cluster.stop(index) },
    start: async index => await cluster.start(index),
    cutOff: cutterOf(network),
    heal: async () => await network.heal(),
    close: async () => {
      await cluster.close()
      await network.close()
    }
  }
}

/** CPU of all servers that run. */
export function cpuOf (subject: ClusterSubject): Cpu[] {
  return subject.addresses.map((_, index) => {
    const pid = subject.pidOf(index)
    return pid === undefined ? { user: 0, system: 0 } : cpuOfProcess(pid)
  })
}

export interface ClusterCost {
  /** All servers together. */
  readonly user: number
  readonly system: number
  readonly byServer: readonly number[]
}

/** Of servers that ran all the time. */
export function costSince (before: readonly Cpu[], after: readonly Cpu[]): ClusterCost {
  const each = after.map((cpu, i) => ({ user: cpu.user - before[i]!.user, system: cpu.system - before[i]!.system }))
  return { user: each.reduce((sum, { user }) => sum + user, 0), system: each.reduce((sum, { system }) => sum + system, 0), byServer: each.map(({ user, system }) => user + system) }
}

/** Resident MiB of each server: now, and at most so far. */
export function memoryOf (subject: ClusterSubject): { readonly mebibytes: number[], readonly peakMebibytes: number[] } {
  const all = subject.addresses.map((_, index) => {
    const pid = subject.pidOf(index)
    return pid === undefined ? { rssBytes: 0, peakRssBytes: 0 } : memoryOfProcess(pid)
  })
  return { mebibytes: all.map(({ rssBytes }) => rssBytes / 2 ** 20), peakMebibytes: all.map(({ peakRssBytes }) => peakRssBytes / 2 ** 20) }
}
