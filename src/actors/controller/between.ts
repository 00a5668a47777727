/** What controllers of different brokers tell each other, as the body of `controller-out` and `controller-in`. Every one may be lost, late or doubled. */
import type { Message } from '../../base/effect.ts'
import type { MemberId, Offset, PartitionIndex, Term, TopicId } from '../../base/ids.ts'
import type { LeaderWord } from './leaders-table.ts'

/** A request that came to a controller which is not the active one. Answered with {@link ForwardAnswered}. */
export interface Forward extends Message {
  readonly kind: 'forward'
  /** Of the asker's controller: a number of its own for each of its lives, so that it does not take an answer for an earlier one. */
  readonly life: number
  readonly number: number
  /** A request without `replyTo` and `correlation`. */
  readonly request: Message
}

export interface ForwardAnswered extends Message {
  readonly kind: 'forward-answered'
  readonly life: number
  readonly number: number
  /** A reply without `correlation`. */
  readonly reply: Message
  /** What the answer tells of is in the log below this. */
  readonly endOffset: Offset
}

/** To all others: who leads the partitions that the sender's broker leads. Some, or all of them in several messages. */
export interface LeadersTold extends Message {
  readonly kind: 'leaders-told'
  readonly leaders: readonly LeaderWord[]
}

/** To the active controller, about every second. */
export interface BrokerBeat extends Message {
  readonly kind: 'broker-beat'
  /** It is about to stop. */
  readonly leaving: boolean
  /** It knows what the metadata log says, and takes requests. */
  readonly ready: boolean
  /** On its disk. */
  readonly bytes: number
}

/** From the active controller to the one whose broker leads these partitions: hand them over. */
export interface HandOver extends Message {
  readonly kind: 'hand-over'
  readonly partitions: ReadonlyArray<{ readonly topicId: TopicId, readonly partition: PartitionIndex, readonly to: MemberId }>
}

/** From the active controller to one whose broker has replicas of these partitions: their leader, of that term, cannot be reached; lead them. */
export interface TakeOverAsked extends Message {
  readonly kind: 'take-over'
  readonly partitions: ReadonlyArray<{ readonly topicId: TopicId, readonly partition: PartitionIndex, readonly term: Term }>
}

export type BetweenMessage = Forward | ForwardAnswered | LeadersTold | BrokerBeat | HandOver | TakeOverAsked
