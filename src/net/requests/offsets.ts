/** ListOffsets, OffsetForLeaderEpoch and DeleteRecords: what partitions say of their offsets. */
import type { EpochEnded, ListedOffset, RecordsDeleted } from '../../actors/partition/messages.ts'
import { ErrorCode } from '../../base/error-code.ts'
import type { RequestOf } from '../../protocol/api.ts'
import type { deleteRecords } from '../../protocol/apis/delete-records.ts'
import type { listOffsets } from '../../protocol/apis/list-offsets.ts'
import type { offsetForLeaderEpoch } from '../../protocol/apis/offset-for-leader-epoch.ts'
import type { Exchange } from '../exchange.ts'
import type { Network } from '../network.ts'
import { askPartitions } from './ask-partitions.ts'

/** The offset of a point in time, of the start or of the end of each partition. */
export function handleListOffsets (exchange: Exchange, { topics }: RequestOf<typeof listOffsets>, network: Network): boolean {
  askPartitions(exchange, network, {
    topics,
    question: ({ timestamp, currentLeaderEpoch }) => ({ kind: 'list-offset', timestamp, leaderEpoch: currentLeaderEpoch }),
    unanswered: ({ index }) => ({ index, errorCode: ErrorCode.NONE as number, timestamp: -1, offset: -1, leaderEpoch: -1 }),
    answered: (reply, answer, done) => {
      const { errorCode, offset, leaderEpoch, plan } = reply as ListedOffset
      // Clients of earlier versions do not know the error, and would give up. Both mean: ask again.
      answer.errorCode = errorCode === ErrorCode.OFFSET_NOT_AVAILABLE && exchange.version < 5 ? ErrorCode.LEADER_NOT_AVAILABLE : errorCode
      answer.leaderEpoch = leaderEpoch
      answer.offset = offset
      if (plan === null) return done()
      network.reader.findTimestamp(plan, (error, found) => {
        if (error !== undefined) answer.errorCode = ErrorCode.KAFKA_STORAGE_ERROR
        if (found !== undefined) {
          answer.offset = found.offset
          answer.timestamp = found.timestamp
        }
        done()
      })
    }
  })
  return true
}

/** Where a leader epoch ended, by which a consumer finds out whether what it read was undone. */
export function handleOffsetForLeaderEpoch (exchange: Exchange, { topics }: RequestOf<typeof offsetForLeaderEpoch>, network: Network): boolean {
  askPartitions(exchange, network, {
    topics,
    question: ({ leaderEpoch, currentLeaderEpoch }) => ({ kind: 'epoch-end', leaderEpoch, currentLeaderEpoch }),
    unanswered: ({ index }) => ({ index, errorCode: ErrorCode.NONE as number, leaderEpoch: -1, endOffset: -1 }),
    answered: (reply, answer, done) => {
      const { errorCode, leaderEpoch, endOffset } = reply as EpochEnded
      Object.assign(answer, { errorCode, leaderEpoch, endOffset })
      done()
    }
  })
  return true
}

/** Gives up what lies below an offset. */
export function handleDeleteRecords (exchange: Exchange, { topics }: RequestOf<typeof deleteRecords>, network: Network): boolean {
  askPartitions(exchange, network, {
    topics,
    question: ({ offset }) => ({ kind: 'delete-records', offset }),
    unanswered: ({ index }) => ({ index, errorCode: ErrorCode.NONE as number, lowWatermark: -1 }),
    answered: (reply, answer, done) => {
      const { errorCode, logStartOffset } = reply as RecordsDeleted
      answer.errorCode = errorCode
      answer.lowWatermark = logStartOffset
      done()
    }
  })
  return true
}
