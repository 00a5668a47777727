/** ListOffsets in the versions of old clients. */
import t from 'tap'
import type { Message } from '../../../src/base/effect.ts'
import { ErrorCode } from '../../../src/base/error-code.ts'
import { listOffsets } from '../../../src/protocol/apis/list-offsets.ts'
import { type AnyMessage, NetworkKit, topic } from '../network-kit.ts'

t.setTimeout(30_000)

t.test('clients that do not know of offsets that are not available yet are told of a leader that is not', async t => {
  const kit = await NetworkKit.open(t, {
    react: ({ replyTo, correlation }: AnyMessage, out) => {
      out.tell(replyTo, { kind: 'listed-offset', correlation, errorCode: ErrorCode.OFFSET_NOT_AVAILABLE, offset: -1, leaderEpoch: -1, plan: null } as Message)
    }
  })
  const client = await kit.connect(t)
  const codes: number[] = []
  for (const version of [1, 4, 5, 10]) codes.push((await client.call(listOffsets, version, { topics: [{ name: topic, partitions: [{ index: 0, timestamp: -1 }] }] })).topics[0]!.partitions[0]!.errorCode)
  t.strictSame(codes, [ErrorCode.LEADER_NOT_AVAILABLE, ErrorCode.LEADER_NOT_AVAILABLE, ErrorCode.OFFSET_NOT_AVAILABLE, ErrorCode.OFFSET_NOT_AVAILABLE])
})
