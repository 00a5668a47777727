/** How brokers get their numbers: a node id for each `node_id`, once and for ever, and a member id for each data folder of it. */
import { ErrorCode } from '../../base/error-code.ts'
import type { MemberId, NodeId } from '../../base/ids.ts'
import { noNode, type BrokerRegistration, type FeatureRange } from './messages.ts'
import type { BrokerRegistered, MetadataRecord } from './metadata-record.ts'
import type { BrokerState, MetadataState } from './metadata-state.ts'

/** From a broker's own controller: it is the member that it was told to be, and this is what it is like now. Answered with `joined`. */
export interface RegisterBroker {
  readonly kind: 'register-broker'
  readonly nodeId: NodeId
  readonly member: MemberId
  readonly body: BrokerRegistration
}

export interface RegistrationDecided {
  readonly errorCode: number
  readonly errorMessage: string | null
  /** {@link noNode} with an error. */
  readonly nodeId: NodeId
  readonly member: MemberId
  /** Undefined: everything is known already, or refused. */
  readonly record: BrokerRegistered | undefined
}

export interface RegistrationContext {
  readonly state: MetadataState
  /** It has been heard of within its session. */
  readonly isHeard: (broker: BrokerState) => boolean
}

/** A broker that wants to become a member, or wants to know which one it is: asking twice gives the same ids. */
export function decideJoin (body: BrokerRegistration, { state, isHeard }: RegistrationContext): RegistrationDecided {
  const problem = bodyProblem(body, state)
  if (problem !== undefined) return problem
  // The folder says who it is, whatever it is called by now.
  const member = memberWith(body.directoryId, state)
  if (member !== undefined) return decideRegistration({ kind: 'register-broker', nodeId: state.nodeOf(member)!, member, body }, { state, isHeard })
  const nodeId = state.nodeByName(body.name) ?? state.nodeNext
  const broker = state.brokers.get(nodeId)
  if (broker !== undefined && isHeard(broker)) return collision(body)
  return registered(body, nodeId, state.memberNext, undefined)
}

/** A broker that has its ids says where it is reached now. */
export function decideRegistration ({ body, nodeId, member }: RegisterBroker, { state, isHeard }: RegistrationContext): RegistrationDecided {
  const problem = bodyProblem(body, state)
  if (problem !== undefined) return problem
  const known = state.members.get(member)
  if (known?.nodeId !== nodeId || known.directoryId !== body.directoryId) {
    return refused(ErrorCode.INCONSISTENT_CLUSTER_ID, `this cluster knows no broker with node ${nodeId}, member ${member} and the data folder of ${body.name}`)
  }
  // The folder says who it is; its name may be another one than before, but nobody else's.
  const owner = state.nodeByName(body.name)
  if (owner !== undefined && owner !== nodeId) return refused(ErrorCode.DUPLICATE_RESOURCE, `the node_id ${body.name} belongs to node ${owner}`)
  const broker = state.brokers.get(nodeId)
  if (broker === undefined || broker.member === member) return registered(body, nodeId, member, broker)
  // An earlier folder of the node comes back, while the one that replaced it is there.
  return isHeard(broker) ? collision(body) : registered(body, nodeId, member, undefined)
}

/** What strangers send is looked at before anything believes it. */
function isSound ({ name, directoryId, host, port, raftHost, raftPort, rack, features }: { readonly [Field in keyof BrokerRegistration]: unknown }): boolean {
  const isText = (value: unknown, pattern: RegExp): boolean => typeof value === 'string' && pattern.test(value)
  const isPort = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65535
  const { min, max } = (features ?? {}) as Partial<FeatureRange>
  return isText(name, /^[\w.-]{1,128}$/) && isText(directoryId, /^[\w-]{1,64}$/) && isText(host, hostPattern) && isPort(port) && isText(raftHost, hostPattern) && isPort(raftPort) &&
    (rack === null || isText(rack, /^.{1,255}$/)) && Number.isInteger(min) && Number.isInteger(max)
}
const hostPattern = /^\S{0,255}$/

function bodyProblem (body: BrokerRegistration, { featureLevel }: MetadataState): RegistrationDecided | undefined {
  if (!isSound(body)) return refused(ErrorCode.INVALID_REQUEST, 'the registration is not understood')
  const problem = levelProblem(body, featureLevel)
  return problem === undefined ? undefined : refused(ErrorCode.UNSUPPORTED_VERSION, problem)
}

/** Why a broker cannot work in a cluster at this feature level. */
function levelProblem ({ name, features: { min, max } }: BrokerRegistration, level: number): string | undefined {
  return min <= level && level <= max ? undefined : `broker ${name} works at feature levels ${min} to ${max}; the cluster is at ${level}`
}

/** The cluster has finalized a feature level that this program does not know: what is written since may mean what it cannot guess. */
export class TooOld extends Error {
  override name = 'TooOld'
}

/** @throws TooOld  by this record the broker cannot work in its cluster any more */
export function assertFit (record: MetadataRecord, body: BrokerRegistration): void {
  if (record.kind === 'feature-finalized') assertLevel(record.level, body)
}

/** @throws TooOld */
export function assertLevel (level: number, body: BrokerRegistration): void {
  const problem = level > body.features.max ? levelProblem(body, level) : undefined
  if (problem !== undefined) throw new TooOld(`${problem}, for good: start a program of a newer version on this data_dir`)
}

/** Whose data folder it is, or was. */
export function memberWith (directoryId: string, state: MetadataState): MemberId | undefined {
  for (const [member, known] of state.members) if (known.directoryId === directoryId) return member
  return undefined
}

/** @param broker  as it is known, when nothing but what it says of itself may have changed */
function registered (body: BrokerRegistration, nodeId: NodeId, member: MemberId, broker: BrokerState | undefined): RegistrationDecided {
  const { name, directoryId, host, port, raftHost, raftPort, rack, features } = body
  const same = broker !== undefined && broker.name === name && broker.host === host && broker.port === port && broker.raftHost === raftHost && broker.raftPort === raftPort &&
    broker.rack === rack && broker.features.min === features.min && broker.features.max === features.max && broker.directoryId === directoryId
  const record: BrokerRegistered | undefined = same
    ? undefined
    : {
        kind: 'broker-registered',
        nodeId,
        member,
        name,
        directoryId,
        host,
        port,
        raftHost,
        raftPort,
        rack,
        features: { min: features.min, max: features.max },
        // Its first beat ends that: one that has but been given its ids runs nothing yet.
        fenced: broker?.fenced ?? true
      }
  return { errorCode: ErrorCode.NONE, errorMessage: null, nodeId, member, record }
}

function collision ({ name }: BrokerRegistration): RegistrationDecided {
  return refused(ErrorCode.DUPLICATE_RESOURCE, `a broker with node_id ${name} and another data folder is part of this cluster and running: each needs a name of its own`)
}

function refused (errorCode: number, errorMessage: string): RegistrationDecided {
  return { errorCode, errorMessage, nodeId: noNode, member: 0 as MemberId, record: undefined }
}

/** Whether a broker's registration says what it says of itself now. */
export function isCurrent (broker: BrokerState | undefined, member: MemberId, body: BrokerRegistration): boolean {
  return broker !== undefined && broker.member === member && registered(body, broker.nodeId, member, broker).record === undefined
}
