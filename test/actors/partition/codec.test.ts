/** Messages between network actors and partitions come out of a ring as they went in. */
import t from 'tap'
import { partitionCodecs } from '../../../src/actors/partition/codec.ts'
import type { Message } from '../../../src/base/effect.ts'
import { Codecs } from '../../../src/runtime/codec.ts'
import { memoryOf } from '../../../src/runtime/ring.ts'

const codecs = new Codecs(partitionCodecs)

function through (message: object): unknown {
  const bytes = codecs.encode(message as Message)
  const { code } = partitionCodecs.find(({ kind }) => kind === (message as Message).kind)!
  return codecs.decode(code, memoryOf(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length)
}

const fetch = { kind: 'fetch', replyTo: 7, correlation: 0x7ffffffe, offset: 2 ** 40, bytesMax: 1 << 20, leaderEpoch: 3, beyond: -1, lastFetchedEpoch: -1, replicaOk: false }
const fetched = { kind: 'fetched', correlation: 9, errorCode: 0, highWatermark: 2 ** 41, logStartOffset: 5, plan: null, diverging: null }
const plan = { segmentBase: 1, fileId: 2, position: 3, bytes: 4, offset: 5, endOffset: 6, highWatermark: 7, hot: true, indexed: false, version: 8, memory: undefined }

t.test('a fetch', async t => {
  t.strictSame(through(fetch), fetch)
  t.strictSame(through({ ...fetch, lastFetchedEpoch: 4, replicaOk: true }), { ...fetch, lastFetchedEpoch: 4, replicaOk: true })
  const { lastFetchedEpoch, replicaOk, ...short } = fetch
  t.strictSame(through(short), { ...short, lastFetchedEpoch, replicaOk }, 'what is left out is the default')
})

t.test('its answer', async t => {
  t.strictSame(through(fetched), fetched)
  t.strictSame(through({ ...fetched, plan }), { ...fetched, plan })
  t.strictSame(through({ ...fetched, plan: { ...plan, hot: false, indexed: true, memory: new Uint8Array(5) } }), { ...fetched, plan: { ...plan, hot: false, indexed: true } }, 'memory does not cross threads')
  t.strictSame(through({ ...fetched, diverging: { epoch: 0, endOffset: 2 ** 42 } }), { ...fetched, diverging: { epoch: 0, endOffset: 2 ** 42 } })
  const { diverging, ...short } = fetched
  t.strictSame(through(short), { ...short, diverging })
})
