/**
 * Who votes in the metadata group. Everybody else follows it as learner. A voter that is merely gone stays one, however long it is
 * gone: who would replace it on a timeout's word could end with two groups that each think the other one dead. It is replaced when
 * its node comes back with another folder, is drained, or was struck off.
 */
import type { MemberId } from '../../base/ids.ts'
import { isJoint, type Configuration } from '../../raft/configuration.ts'
import type { Target } from '../../raft/membership.ts'
import type { BrokerState, MetadataState } from './metadata-state.ts'

export interface VotersWanted {
  readonly state: MetadataState
  readonly configuration: Configuration
  /** How many there are to be, where there are so many brokers. */
  readonly count: number
  /** It has been heard of within its session. */
  readonly isAlive: (broker: BrokerState) => boolean
}

/** Returns the group as it is to be; undefined while a change is under way: one after the other. */
export function metadataGroup ({ state, configuration, count, isAlive }: VotersWanted): Target | undefined {
  if (isJoint(configuration)) return undefined
  const voters: MemberId[] = []
  const spares = sparesOf(state, configuration, isAlive)
  for (const voter of configuration.voters) {
    const successor = successorOf(voter, state, spares)
    if (successor === undefined) continue
    voters.push(successor)
    const index = spares.findIndex(({ member }) => member === successor)
    if (index >= 0) spares.splice(index, 1)
  }
  while (voters.length < count && spares.length > 0) {
    const racks = voters.map(voter => rackOf(voter, state))
    const fresh = spares.findIndex(({ rack }) => rack !== null && !racks.includes(rack))
    voters.push(...spares.splice(Math.max(fresh, 0), 1).map(({ member }) => member))
  }
  if (voters.length === 0) voters.push(...configuration.voters)
  const learners = [...state.brokers.values()].map(({ member }) => member).filter(member => !voters.includes(member))
  return { voters, learners: learners.toSorted((a, b) => a - b) }
}

/** Brokers that could become voters. */
function sparesOf (state: MetadataState, { voters }: Configuration, isAlive: (broker: BrokerState) => boolean): BrokerState[] {
  return [...state.brokers.values()]
    .filter(broker => !broker.fenced && !broker.draining && isAlive(broker) && !voters.includes(broker.member))
    .toSorted((a, b) => a.nodeId - b.nodeId)
}

/** Who votes in the place of a voter: itself, unless it has gone for good; undefined when its place is given up. */
function successorOf (voter: MemberId, state: MetadataState, spares: readonly BrokerState[]): MemberId | undefined {
  const broker = state.brokers.get(state.nodeOf(voter)!)
  const retired = state.isRetired(voter)
  if (broker === undefined) return retired ? spares[0]?.member : voter
  if (broker.draining) return spares[0]?.member ?? voter
  // The same node with another folder: as soon as it is there, and not before.
  return retired && spares.some(({ member }) => member === broker.member) ? broker.member : voter
}

function rackOf (voter: MemberId, state: MetadataState): string | null {
  return state.brokers.get(state.nodeOf(voter)!)?.rack ?? null
}
