/** cluster status, add, drain, move, transfer-leader, remove: what an operator does with the brokers of a cluster. */
import { type BrokerStatus, ClusterAdmin, type ClusterStatus, type Placed } from '../client/cluster-admin.ts'
import { BrokerError } from '../client/broker-error.ts'
import type { ClientFlags, Session } from './client-session.ts'
import { labelOf, nameOf, planAsJson, planAsText, statusAsJson, statusAsText } from './cluster-view.ts'
import { CliError, didYouMean, exitCode } from './failure.ts'
import { type Move, planAdd, type PlanBroker, planDrain, PlanError } from './reassignment-plan.ts'
import { plural } from './table.ts'
import { waitUntilNone } from './wait.ts'

export interface ClusterFlags extends ClientFlags {
  readonly to?: string
  readonly dryRun?: boolean
  readonly wait?: boolean
  /** Of the commands that can wait. */
  readonly waitTimeout: string
  readonly undo?: boolean
  readonly cancel?: boolean
}

export async function showStatus ({ cluster }: Session, flags: ClusterFlags): Promise<void> {
  const admin = new ClusterAdmin(cluster)
  const status = await admin.status()
  const moving = await admin.moving()
  const placed = await admin.placed(moving)
  console.log(flags.json === true ? JSON.stringify(statusAsJson(status, placed, moving), undefined, 2) : statusAsText(status, placed, moving))
}

/** A broker joins by itself when it starts; this gives it its share of what is there already. */
export async function addBroker ({ cluster }: Session, flags: ClusterFlags, name: string): Promise<void> {
  const admin = new ClusterAdmin(cluster)
  const status = await admin.status()
  const broker = findBroker(status, name)
  const label = nameOf(broker.nodeId, status.brokers)
  if (broker.fenced) throw new CliError(`broker ${label} is down; start it first`)
  const moves = planAdd(await presentPlaces(admin), usable(status, broker.nodeId), broker.nodeId)
  announce(moves, flags, moves.length === 0 ? `broker ${label} has its share already` : `broker ${label} gets a replica of ${plural(moves.length, 'partition')}`)
  if (flags.dryRun === true) return
  if (broker.draining) await admin.drain(broker.nodeId, false)
  await carryOut(admin, moves, cluster.timeoutMs, flags)
}

/** The controller empties the broker a few partitions at a time, whether or not somebody waits, and keeps new ones from it. */
export async function drainBroker ({ cluster }: Session, flags: ClusterFlags, name: string): Promise<void> {
  const admin = new ClusterAdmin(cluster)
  const status = await admin.status()
  const { nodeId } = findBroker(status, name)
  const label = nameOf(nodeId, status.brokers)
  if (flags.undo === true) {
    await admin.drain(nodeId, false)
    say(flags, `broker ${label} takes partitions again`)
    return
  }
  const moves = feasible(planDrain, await presentPlaces(admin), usable(status).filter(({ id }) => id !== nodeId), nodeId)
  announce(moves, flags, `broker ${label} gives up its replicas of ${plural(moves.length, 'partition')}; if all went at once, so:`)
  if (flags.dryRun === true) return
  const left = await admin.drain(nodeId, true)
  if (flags.wait !== true) {
    say(flags, left === 0 ? `broker ${label} is empty` : 'the controller moves them, a few at a time; see ringmq cluster status')
    return
  }
  await waitUntilNone(async () => await admin.drain(nodeId, true), { ...flags, timeoutMs: cluster.timeoutMs })
  say(flags, `broker ${label} is empty: it can be stopped, and taken off with: ringmq cluster remove ${nodeId}`)
}

export async function movePartition ({ cluster }: Session, flags: ClusterFlags, topic: string, partitionText: string): Promise<void> {
  const admin = new ClusterAdmin(cluster)
  const partition = parsePartition(partitionText)
  if ((flags.to === undefined) === (flags.cancel !== true)) throw new CliError('say either --to BROKER,… or --cancel', exitCode.usage)
  if (flags.cancel === true) {
    await admin.reassign([{ topic, partition, replicas: null }])
    say(flags, `${topic}/${partition} goes back to where it was`)
    return
  }
  const status = await admin.status()
  const replicas = parseBrokers(flags.to!, status)
  const { replicas: from } = findPlace(await presentPlaces(admin), topic, partition)
  const moves = from.join() === replicas.join() ? [] : [{ topic, partition, from, replicas }]
  announce(moves, flags, moves.length === 0 ? `${topic}/${partition} is on ${replicas.join(' ')} already` : `${topic}/${partition} moves`)
  if (flags.dryRun !== true) await carryOut(admin, moves, cluster.timeoutMs, flags, true)
}

/** Makes a replica the preferred leader, so that the balancing of leaders lets it lead on, and has it elected. */
export async function transferLeader ({ cluster }: Session, flags: ClusterFlags, topic: string, partitionText: string): Promise<void> {
  const admin = new ClusterAdmin(cluster)
  const partition = parsePartition(partitionText)
  if (flags.to === undefined) throw new CliError('say which broker is to lead: --to BROKER', exitCode.usage)
  const status = await admin.status()
  const { nodeId } = findBroker(status, flags.to)
  const label = nameOf(nodeId, status.brokers)
  const { replicas, leader } = findPlace(await presentPlaces(admin), topic, partition)
  if (!replicas.includes(nodeId)) {
    throw new CliError(`broker ${label} has no replica of ${topic}/${partition}, which is on ${replicas.join(' ')}; give it one first: ringmq cluster move ${topic} ${partition} --to …`)
  }
  if (replicas[0] !== nodeId) await admin.reassign([{ topic, partition, replicas: [nodeId, ...replicas.filter(id => id !== nodeId)] }])
  try {
    await admin.electPreferred({ topic, partition })
  } catch (error) {
    if (!(error instanceof BrokerError) || error.code !== 'PREFERRED_LEADER_NOT_AVAILABLE') throw error
    throw new CliError(`broker ${label} cannot lead ${topic}/${partition} now: it is down, or not in sync; it will lead when it is`)
  }
  say(flags, leader === nodeId ? `broker ${label} leads ${topic}/${partition} already` : `broker ${label} leads ${topic}/${partition}`)
}

export async function removeBroker ({ cluster }: Session, flags: ClusterFlags, name: string): Promise<void> {
  const admin = new ClusterAdmin(cluster)
  const status = await admin.status()
  const { nodeId } = findBroker(status, name)
  await admin.unregister(nodeId)
  say(flags, `removed broker ${nameOf(nodeId, status.brokers)}`)
}

async function presentPlaces (admin: ClusterAdmin): Promise<Placed[]> {
  return await admin.placed(await admin.moving())
}

/** Brokers that may be given replicas, and `added`, whatever it is about to do. */
function usable ({ brokers }: ClusterStatus, added?: number): PlanBroker[] {
  return brokers.filter(({ nodeId, fenced, draining, leaving }) => nodeId === added || !(fenced || draining || leaving)).map(({ nodeId, rack }) => ({ id: nodeId, rack }))
}

function feasible<Input extends unknown[]> (plan: (...input: Input) => Move[], ...input: Input): Move[] {
  try {
    return plan(...input)
  } catch (error) {
    throw error instanceof PlanError ? new CliError(error.message) : error
  }
}

/** With --json the plan is all that stdout gets. */
function announce (moves: readonly Move[], flags: ClusterFlags, headline: string): void {
  if (flags.json === true) return console.log(JSON.stringify({ moves: planAsJson(moves) }))
  console.log(headline)
  if (moves.length > 0) console.log(planAsText(moves))
}

function say ({ json }: ClusterFlags, text: string): void {
  if (json === true) console.error(text)
  else console.log(text)
}

async function carryOut (admin: ClusterAdmin, moves: readonly Move[], timeoutMs: number, flags: ClusterFlags, resizes = false): Promise<void> {
  if (moves.length === 0) return
  await admin.reassign(moves, resizes)
  if (flags.wait !== true) return say(flags, 'they are on their way; see ringmq cluster status')
  const wanted = new Set(moves.map(labelOf))
  await waitUntilNone(async () => (await admin.moving()).filter(moving => wanted.has(labelOf(moving))).length, { ...flags, timeoutMs }, moves.length)
  say(flags, `moved ${plural(moves.length, 'partition')}`)
}

/** By id or by `node_id`. */
function findBroker ({ brokers }: ClusterStatus, text: string): BrokerStatus {
  const found = brokers.find(({ nodeId, name }) => name === text || String(nodeId) === text)
  if (found !== undefined) return found
  const known = brokers.map(({ nodeId }) => nameOf(nodeId, brokers)).join(', ')
  throw new CliError(`there is no broker ${text} in the cluster, only ${known}${didYouMean(text, brokers.map(({ name }) => name))}; a broker joins when it starts with the discovery settings of the others`)
}

function parseBrokers (text: string, status: ClusterStatus): number[] {
  const ids = text.split(',').map(part => part.trim()).filter(part => part !== '').map(part => findBroker(status, part).nodeId)
  if (ids.length === 0 || new Set(ids).size < ids.length) throw new CliError(`--to: ${JSON.stringify(text)} is not allowed; allowed: different brokers with commas between them, the preferred leader first`, exitCode.usage)
  return ids
}

function parsePartition (text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new CliError(`partition: ${JSON.stringify(text)} is not allowed; allowed: a number from 0`, exitCode.usage)
  return Number(text)
}

function findPlace (places: readonly Placed[], topic: string, partition: number): Placed {
  const ofTopic = places.filter(place => place.topic === topic)
  if (ofTopic.length === 0) throw new CliError(`there is no topic ${topic}; see ringmq list-topics`)
  const place = ofTopic.find(place => place.partition === partition)
  if (place === undefined) throw new CliError(`topic ${topic} has partitions 0 to ${ofTopic.length - 1}, not ${partition}`)
  return place
}
