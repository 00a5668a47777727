/**
 * Gives an idempotent or transactional producer its id and epoch. Version 3 lets a producer that has both ask for the next epoch.
 * Version 6 belongs to two-phase commit, which its author calls unstable: it is left out.
 */
import { defineApi } from '../api.ts'
import { int16, int32, int64, string } from '../schema.ts'

export const initProducerId = defineApi({
  key: 22,
  name: 'initProducerId',
  versions: [0, 5],
  flexibleSince: 2,
  request: {
    transactionalId: string().nullable(),
    transactionTimeoutMs: int32(),
    producerId: int64().since(3).or(-1),
    producerEpoch: int16().since(3).or(-1)
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16(),
    producerId: int64().or(-1),
    producerEpoch: int16()
  }
})
