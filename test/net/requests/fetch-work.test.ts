/** What a fetch costs while it waits: as much as there are partitions, not more. */
import t from 'tap'
import { type AnyMessage, fetched, NetworkKit, partitionId, topic, until } from '../network-kit.ts'
import { fetchFrom, partitionsOf } from '../../broker/requests.ts'

t.setTimeout(60_000)

const forLong = { maxWaitMs: 300_000, minBytes: 2 ** 31 - 1 }
const planOf = (bytes: number) => ({ segmentBase: 0, fileId: 1, position: 0, indexed: true, bytes, offset: 0, endOffset: 1, highWatermark: 1, hot: true })

t.test('without a session too a partition is fetched once, from where it was named last', async t => {
  const asked: number[] = []
  const kit = await NetworkKit.open(t, {
    partitions: 3,
    react: (message, out) => {
      if (message.kind !== 'fetch') return
      asked.push(message.offset)
      fetched(message, out)
    }
  })
  const client = await kit.connect(t)
  const entries = Array.from({ length: 60_000 }, (_, i) => ({ topic, partition: 2 - i % 3, offset: i }))
  const response = await fetchFrom(client, entries, { maxWaitMs: 0 })
  t.strictSame(asked, [59_997, 59_998, 59_999])
  t.strictSame([...partitionsOf(response).keys()], [2, 1, 0].map(index => `${topic}/${index}`))
})

t.test('a fetch that waits is answered when all its partitions together have enough', async t => {
  const open = new Map<number, AnyMessage>()
  let count = 0
  const kit = await NetworkKit.open(t, {
    partitions: 3,
    react: (message, out) => {
      const { kind, offset, bytes } = message
      if (kind === 'fetch' && message.beyond < 0) fetched(message, out, { plan: planOf(40) })
      else if (kind === 'fetch') open.set(offset, { ...message })
      else if (kind === 'now') fetched(open.get(offset)!, out, { highWatermark: ++count, plan: bytes === 0 ? null : planOf(bytes) })
    }
  })
  const client = await kit.connect(t)
  let done = false
  const answer = fetchFrom(client, [0, 1, 2].map(partition => ({ topic, partition, offset: partition, bytes: 100 })), { ...forLong, minBytes: 200 }).then(() => { done = true })
  await until(() => open.size === 3)
  const now = async (offset: number, bytes: number): Promise<boolean> => {
    kit.system.tell(partitionId, { kind: 'now', offset, bytes } as AnyMessage)
    await new Promise(resolve => setTimeout(resolve, 20))
    return done
  }
  t.notOk(await now(0, 1000), '100, which is all it takes of one, and 40 and 40')
  t.notOk(await now(1, 59), '199')
  t.notOk(await now(0, 0), 'one has been cut off')
  t.notOk(await now(2, 100), '159')
  t.ok(await now(0, 41), '200')
  await answer
})

t.test('what comes while a fetch waits costs no look at all its partitions', async t => {
  const count = 20_000
  const times: number[] = []
  const watches: AnyMessage[] = []
  let watched = 0
  const kit = await NetworkKit.open(t, {
    partitions: count,
    react: (message, out) => {
      if (message.kind === 'moved') {
        times.push(performance.now())
        for (const watch of watches) fetched(watch, out, { highWatermark: 1 })
      } else if (message.kind === 'fetch' && message.beyond < 0) {
        if (times.length === 0) times.push(performance.now())
        fetched(message, out)
      } else if (message.kind === 'fetch') {
        if (message.beyond === 0) watches.push({ ...message })
        if (++watched === count || watched === count * 2) times.push(performance.now())
      }
    }
  })
  const client = await kit.connect(t)
  fetchFrom(client, Array.from({ length: count }, (_, partition) => ({ topic, partition })), forLong).catch(() => {})
  await until(() => watched === count)
  kit.system.tell(partitionId, { kind: 'moved' } as AnyMessage)
  await until(() => watched === count * 2)
  const [began, allWatched, moved, watchedAgain] = times as [number, number, number, number]
  t.ok(watchedAgain - moved < 5 * (allWatched - began), `${watchedAgain - moved} ms after ${allWatched - began} ms for the begin`)
})
