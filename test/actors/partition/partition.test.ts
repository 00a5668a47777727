/** A partition on its own: what comes before it leads, and what a disk that fails leaves of it. */
import t, { type Test } from 'tap'
import { partitionCodecs } from '../../../src/actors/partition/codec.ts'
import { Partition } from '../../../src/actors/partition/partition.ts'
import { GroupState } from '../../../src/actors/group-state.ts'
import { PartitionState } from '../../../src/actors/partition/partition-state.ts'
import { Traffic } from '../../../src/actors/partition/traffic.ts'
import { Replica } from '../../../src/actors/replica.ts'
import { systemClock } from '../../../src/base/clock.ts'
import type { Message } from '../../../src/base/effect.ts'
import type { ActorId, GroupKey, MemberId, PartitionIndex, ThreadIndex, TopicId } from '../../../src/base/ids.ts'
import { seededChance } from '../../../src/base/prng.ts'
import { BlockPool } from '../../../src/log/block-pool.ts'
import { FaultyDisk } from '../../../src/log/faulty-disk.ts'
import { defaultLogConfig, Log, type LogConfig } from '../../../src/log/log.ts'
import { votersOnly } from '../../../src/raft/configuration.ts'
import { ActorSystem } from '../../../src/runtime/actor-system.ts'
import { Codecs } from '../../../src/runtime/codec.ts'
import { Link } from '../../../src/runtime/link.ts'
import { createRing } from '../../../src/runtime/ring.ts'
import { createThreadWords } from '../../../src/runtime/thread-words.ts'
import { batchOf, recordsIn } from '../../broker/requests.ts'

type AnyMessage = Message & Record<string, any>

const partitionId = 1 as ActorId
const votesId = 2 as ActorId
const controllerId = 3 as ActorId
const clientId = 4 as ActorId

/** A partition in an actor system, with votes that are granted when the test says so. */
async function setUp (t: Test, config: Partial<LogConfig>) {
  const disk = new FaultyDisk({ chance: seededChance(1) })
  const system = new ActorSystem()
  const answers: AnyMessage[] = []
  const asked: AnyMessage[] = []
  const logConfig = { ...defaultLogConfig, ...config }
  await system.start(votesId, async () => ({
    receive: (message, out) => {
      const { kind, replyTo, correlation } = message as AnyMessage
      if (kind === 'read-vote') out.tell(replyTo, { kind: 'vote-read', correlation, term: 0, vote: 0 } as Message)
      else asked.push(message as AnyMessage)
    }
  }))
  await system.start(controllerId, async () => ({ receive: () => {} }))
  await system.start(clientId, async () => ({ receive: message => { answers.push(message as AnyMessage) } }))
  await system.start(partitionId, async () => {
    const opened = await Log.open({ directory: '/data/t-0', disk, pool: new BlockPool(1 << 20), clock: systemClock, config: logConfig })
    if (opened.state === 'damaged') throw new Error(opened.damage.reason)
    const state = new PartitionState()
    const partitionConfig = { ...logConfig, batchBytesMax: 1 << 20, minInsyncReplicas: 1 }
    return new Partition({
      topicId: 't' as TopicId,
      partition: 0 as PartitionIndex,
      replica: new Replica({
        log: opened.log,
        state: new GroupState(votersOnly([1 as MemberId]), state),
        group: 't-0' as GroupKey,
        self: 1 as MemberId,
        votes: votesId,
        peers: 5 as ActorId,
        chance: seededChance(1),
        timing: { tickMs: 50, heartbeatTicks: 2, electionTicks: 10, checkQuorum: true, lagMsMax: 30_000 },
        limits: { inflightBytesMax: 1 << 20, inflightMessagesMax: 2, messageBytesMax: 1 << 20 },
        readEntries: () => {},
        onElection: () => {}
      }),
      state,
      config: partitionConfig,
      configOf: () => partitionConfig,
      controller: controllerId,
      metrics: { appended: () => {}, replicated: () => {}, leading: () => {}, duplicate: () => {}, refusing: () => {}, accepting: () => {} },
      pendingBytesMax: 64 << 20,
      traffic: new Traffic({ own: 0 as ThreadIndex, threads: 1, now: 0, fresh: true }),
      move: () => undefined,
      wallMs: () => systemClock.wallMs()
    })
  })
  t.teardown(async () => await system.close())
  return {
    disk,
    system,
    answers,
    /** Votes that are to be saved and are not yet. */
    asked,
    grant: (): void => {
      const { replyTo, correlation, term, vote } = asked.shift()!
      system.tell(replyTo, { kind: 'vote-saved', correlation, term, vote, saved: true } as Message)
    },
    ask: (message: object): void => { system.tell(partitionId, { replyTo: clientId, ...message } as unknown as Message) },
    answered: async (count: number): Promise<void> => { while (answers.length < count) await new Promise(resolve => setTimeout(resolve, 1)) }
  }
}

t.setTimeout(30_000)

t.test('batches from another thread that come before the first election are kept, whatever passes through the ring meanwhile', async t => {
  const { system, answers, grant, ask, answered } = await setUp(t, { flush: 'os' })
  const [there, back, words] = [createRing(4096), createRing(4096), createThreadWords()]
  const codecs = new Codecs(partitionCodecs)
  const limits = { messageBytesMax: 1 << 20, waitingBytesMax: 1 << 20 }
  const sender = new Link({ thread: 1 as ThreadIndex, outgoing: there, incoming: back, peer: words }, codecs, limits)
  const receiver = new Link({ thread: 0 as ThreadIndex, outgoing: back, incoming: there, peer: words }, codecs, limits)
  const values = Array.from({ length: 30 }, (_, i) => `${i}`.padStart(400, '.'))
  for (const [correlation, value] of values.entries()) {
    sender.send(partitionId, { kind: 'append', replyTo: clientId, correlation, acks: -1, records: batchOf([value]) } as Message, false)
    sender.publish()
    receiver.receive((to, message) => system.tell(to, message))
  }
  t.same(answers, [])
  grant()
  await answered(values.length)
  t.same(answers.map(answer => [answer.correlation, answer.errorCode, answer.baseOffset]), values.map((_, i) => [i, 0, i]))
  ask({ kind: 'fetch', correlation: 99, offset: 0, bytesMax: 1 << 20, leaderEpoch: -1, beyond: -1 })
  const stored = recordsIn(new Uint8Array(answers.at(-1)!.plan.memory))
  t.same(stored.map(record => record.value), values)
})

t.test('a sync of `interval` that fails costs what it promised to sync, and the partition goes on in a new term', async t => {
  const { disk, system, answers, asked, grant, ask, answered } = await setUp(t, { flush: 'interval', flushIntervalMs: 20 })
  grant()
  const syncs = disk.counts.get('sync') ?? 0
  ask({ kind: 'append', correlation: 1, acks: -1, records: batchOf(['synced']) })
  while ((disk.counts.get('sync') ?? 0) === syncs) await new Promise(resolve => setTimeout(resolve, 1))
  let failures = 1
  disk.fault = operation => operation === 'sync' && failures-- > 0 ? 'EIO' : undefined
  ask({ kind: 'append', correlation: 2, acks: -1, records: batchOf(['lost']) })
  await answered(2)
  t.equal(answers[1]!.errorCode, 0, '`interval` answers before the sync')
  while (asked.length === 0) await new Promise(resolve => setTimeout(resolve, 1))
  grant()
  t.equal(system.stats().crashes, 0)
  ask({ kind: 'fetch', correlation: 3, offset: 0, bytesMax: 1 << 20, leaderEpoch: -1, beyond: -1 })
  t.match(answers.at(-1), { errorCode: 0, highWatermark: 1 })
  ask({ kind: 'append', correlation: 4, acks: -1, records: batchOf(['after']) })
  await answered(4)
  t.match(answers.at(-1), { errorCode: 0, baseOffset: 1 })
})
