/** How `cluster status` looks: for people in tables, for programs as JSON. */
import type { BrokerStatus, ClusterStatus, Moving, Placed } from '../client/cluster-admin.ts'
import type { Assignment, Move } from './reassignment-plan.ts'
import { newTable, plural } from './table.ts'

/** Partitions that are listed one by one; the number of the others is told. */
const rowsMax = 50

/** Partitions that have replicas which are not in sync. */
export function underReplicated (placed: readonly Placed[]): Placed[] {
  return placed.filter(({ replicas, inSync }) => replicas.some(id => !inSync.includes(id)))
}

export function statusAsJson (status: ClusterStatus, placed: readonly Placed[], moving: readonly Moving[]): object {
  const { throttleTimeMs, errorCode, errorMessage, controllerId, voters, observers, brokers, ...rest } = status
  return {
    ...rest,
    controller: controllerId,
    quorum: { voters: voters.map(member => withLag(member, status)), observers: observers.map(member => withLag(member, status)) },
    brokers: brokers.map(broker => ({ ...broker, state: stateOf(broker) })),
    underReplicatedPartitions: underReplicated(placed),
    moving
  }
}

export function statusAsText (status: ClusterStatus, placed: readonly Placed[], moving: readonly Moving[]): string {
  const { clusterId, controllerId, term, highWatermark, featureLevel, partitions, leaderless, brokers, voters, observers } = status
  const behind = underReplicated(placed)
  const lines = [
    `cluster ${clusterId}  ${plural(brokers.length, 'broker')}  feature level ${featureLevel}`,
    `controller ${nameOf(controllerId, brokers)}  term ${term}  high watermark ${highWatermark}`,
    `${plural(partitions, 'partition')}: ${leaderless} without a leader, ${behind.length} under-replicated, ${moving.length} moving`,
    brokerTable(brokers),
    'members of the metadata group'
  ]
  const members = newTable(['broker', 'member', 'part', 'end offset', 'lag', 'last heard'])
  for (const [part, list] of [['voter', voters], ['learner', observers]] as const) {
    for (const member of list) {
      const { nodeId, memberId, endOffset, silentMs } = member
      members.push([nameOf(nodeId, brokers), memberId, nodeId === controllerId ? 'leader' : part, endOffset < 0 ? '' : endOffset, withLag(member, status).lag ?? '', nodeId === controllerId ? '' : heard(silentMs)])
    }
  }
  lines.push(members.toString())
  if (behind.length > 0) {
    const table = newTable(['topic', 'partition', 'leader', 'replicas', 'in sync', 'behind'])
    for (const { topic, partition, leader, replicas, inSync } of behind.slice(0, rowsMax)) {
      table.push([topic, partition, leader < 0 ? 'none' : leader, replicas.join(' '), inSync.join(' '), replicas.filter(id => !inSync.includes(id)).join(' ')])
    }
    lines.push('under-replicated partitions', table.toString(), ...more(behind.length))
  }
  if (moving.length > 0) {
    const table = newTable(['topic', 'partition', 'will be on', 'come', 'go'])
    for (const { topic, partition, target, adding, removing } of moving.slice(0, rowsMax)) table.push([topic, partition, target.join(' '), adding.join(' '), removing.join(' ')])
    lines.push('moving partitions', table.toString(), ...more(moving.length))
  }
  return lines.join('\n')
}

function brokerTable (brokers: readonly BrokerStatus[]): string {
  const table = newTable(['id', 'name', 'clients', 'brokers', 'rack', 'state', 'partitions', 'leads', 'behind', 'last heard'])
  for (const broker of brokers) {
    const { nodeId, name, host, port, raftHost, raftPort, rack, replicas, leaders, behind, silentMs } = broker
    table.push([nodeId, name, `${host}:${port}`, raftPort === 0 ? '' : `${raftHost}:${raftPort}`, rack ?? '', stateOf(broker), replicas, leaders, behind, heard(silentMs)])
  }
  return table.toString()
}

export function planAsText (moves: readonly Move[]): string {
  const table = newTable(['topic', 'partition', 'from', 'to'])
  for (const { topic, partition, from, replicas } of moves.slice(0, rowsMax)) table.push([topic, partition, from.join(' '), replicas.join(' ')])
  return [table.toString(), ...more(moves.length)].join('\n')
}

export const planAsJson = (moves: readonly Move[]): object => moves.map(({ topic, partition, from, replicas }) => ({ topic, partition, from, to: replicas }))

export const nameOf = (id: number, brokers: readonly BrokerStatus[]): string => {
  const name = brokers.find(({ nodeId }) => nodeId === id)?.name
  return id < 0 ? 'none' : name === undefined ? String(id) : `${id} (${name})`
}

export const labelOf = ({ topic, partition }: Pick<Assignment, 'topic' | 'partition'>): string => `${topic}/${partition}`

function stateOf ({ fenced, draining, leaving }: BrokerStatus): string {
  const states = [...fenced ? ['down'] : [], ...draining ? ['draining'] : [], ...leaving && !fenced ? ['stopping'] : []]
  return states.length === 0 ? 'up' : states.join(', ')
}

function withLag<Member extends { readonly endOffset: number }> (member: Member, { voters, observers }: ClusterStatus): Member & { readonly lag: number | null } {
  const end = Math.max(...[...voters, ...observers].map(({ endOffset }) => endOffset))
  return { ...member, lag: member.endOffset < 0 ? null : end - member.endOffset }
}

function heard (silentMs: number): string {
  if (silentMs < 0) return 'never'
  return silentMs < 1000 ? 'now' : silentMs < 120_000 ? `${Math.round(silentMs / 1000)} s ago` : `${Math.round(silentMs / 60_000)} min ago`
}

const more = (count: number): string[] => count > rowsMax ? [`… and ${count - rowsMax} more (--json shows all)`] : []
