import t from 'tap'
import { ErrorCode, errorName, isRetriable } from '../../src/base/error-code.ts'

t.test('codes are numbers of their own, with names', t => {
  const codes = Object.values(ErrorCode)
  t.equal(new Set(codes).size, codes.length)
  for (const [name, code] of Object.entries(ErrorCode)) t.equal(errorName(code), name)
  t.equal(errorName(9999), 'ERROR_9999')
  t.match(ErrorCode, { UNKNOWN_SERVER_ERROR: -1, NONE: 0, NOT_LEADER_OR_FOLLOWER: 6, UNSUPPORTED_VERSION: 35, KAFKA_STORAGE_ERROR: 56, UNKNOWN_TOPIC_ID: 100 })
  t.end()
})

t.test('what clients try again', t => {
  t.ok([ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.OFFSET_NOT_AVAILABLE].every(isRetriable))
  t.notOk([ErrorCode.NONE, ErrorCode.UNKNOWN_SERVER_ERROR, ErrorCode.OFFSET_OUT_OF_RANGE, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode.REBALANCE_IN_PROGRESS, 9999].some(isRetriable))
  t.end()
})
