/** The metadata as of an offset of their log, as bytes: what stands below it in the log need not be read any more. */
import { decode, encode } from '../../base/msgpack.ts'
import type { MemberId, NodeId, Offset, TopicId } from '../../base/ids.ts'
import type { Members } from './metadata-record.ts'
import type { Assignment, BrokerState, MemberState, TopicState } from './metadata-state.ts'

/** Marks the form. */
const form = 'metadata-1'

/** Everything of the state that cannot be derived from the rest of it. */
export interface MetadataTables {
  readonly topics: readonly TopicState[]
  readonly brokers: readonly BrokerState[]
  readonly members: ReadonlyArray<readonly [MemberId, MemberState]>
  readonly names: ReadonlyArray<readonly [string, NodeId]>
  readonly producerIdEnd: number
  readonly featureLevel: number
}

/** Partitions of a broker, by topic. */
export type Held = ReadonlyArray<readonly [TopicId, readonly number[]]>

export interface MetadataSnapshot {
  /** Exclusive. */
  readonly offset: Offset
  readonly tables: MetadataTables
  /** Of the broker that keeps the snapshot: partitions whose files may be there. If they are not its own any more, nothing else tells so. */
  readonly held: Held
}

type PackedAssignment = readonly [initial: Members, departed: Members, replicas: Members, adding: Members, removing: Members, origin: Members | null, generation: number]
type PackedTopic = readonly [id: TopicId, name: string, config: TopicState['config'], configured: boolean, partitions: readonly PackedAssignment[]]
type Packed = readonly [form: typeof form, offset: Offset, topics: readonly PackedTopic[], rest: Omit<MetadataTables, 'topics'>, held: Held]

export function writeSnapshot ({ offset, tables: { topics, ...rest }, held }: MetadataSnapshot): Uint8Array {
  const packed = topics.map(({ id, name, config, configured, partitions }): PackedTopic => [id, name, config, configured, partitions.map(pack)])
  return encode([form, offset, packed, rest, held] satisfies Packed)
}

/**
 * @returns undefined: nothing is said, as of a log that was made before there were snapshots
 * @throws on what only a newer program knows
 */
export function readSnapshot (bytes: Uint8Array): MetadataSnapshot | undefined {
  if (bytes.length === 0) return undefined
  const [found, offset, topics, rest, held] = decode<Packed>(bytes)
  if (found !== form) throw new Error(`a snapshot of the metadata has the form ${String(found)}, which this version of the program does not know`)
  const tables = {
    ...rest,
    topics: topics.map(([id, name, config, configured, partitions]): TopicState => ({ id, name, config, configured, partitions: partitions.map(unpack) }))
  }
  return { offset, tables, held }
}

function pack ({ initial, departed, replicas, adding, removing, origin, generation }: Assignment): PackedAssignment {
  return [initial, departed, replicas, adding, removing, origin, generation]
}

function unpack ([initial, departed, replicas, adding, removing, origin, generation]: PackedAssignment): Assignment {
  return { initial, departed, replicas, adding, removing, origin, generation }
}
