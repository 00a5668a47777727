/** Terms and votes on their way to the disk: in order, also when the disk is full and some are tried again. */
import t from 'tap'
import type { Message } from '../../../src/base/effect.ts'
import type { ActorId } from '../../../src/base/ids.ts'
import { seededChance } from '../../../src/base/prng.ts'
import { FaultyDisk } from '../../../src/log/faulty-disk.ts'
import { HardStateStore } from '../../../src/log/hard-state-store.ts'
import { Votes } from '../../../src/actors/votes/votes.ts'
import { ActorSystem } from '../../../src/runtime/actor-system.ts'
import { VirtualScheduler } from '../../runtime/virtual-scheduler.ts'

const votesId = 1 as ActorId
const askerId = 2 as ActorId

async function setUp (spendReserve: (disk: FaultyDisk) => Promise<void> = async () => {}) {
  const scheduler = new VirtualScheduler()
  const disk = new FaultyDisk({ chance: seededChance(1), schedule: (delayMs, work) => { scheduler.later(delayMs, work) }, delayMs: () => 1 })
  const system = new ActorSystem({ scheduler })
  const answers: Array<Record<string, unknown>> = []
  const started = [
    system.start(votesId, async () => new Votes(await HardStateStore.open(disk, '/data/meta'), async () => await spendReserve(disk))),
    system.start(askerId, async () => ({ receive: message => { answers.push(message as unknown as Record<string, unknown>) } }))
  ]
  await scheduler.advance(20)
  await Promise.all(started)
  return {
    scheduler,
    disk,
    answers,
    save: (correlation: number, term: number, vote: number, group = 'g-0') =>
      system.tell(votesId, { kind: 'save-vote', replyTo: askerId, correlation, group, term, vote } as unknown as Message),
    read: (correlation: number, group = 'g-0') => system.tell(votesId, { kind: 'read-vote', replyTo: askerId, correlation, group } as unknown as Message),
    /** What the next process finds. */
    found: async (group = 'g-0') => {
      const opening = HardStateStore.open(disk.crash(), '/data/meta')
      await scheduler.advance(50)
      return (await opening).get(group)
    }
  }
}

t.test('a vote is answered when it is on the disk, and read from then on', async t => {
  const { scheduler, answers, save, read, found } = await setUp()
  read(1)
  save(2, 5, 3)
  read(3)
  t.same(answers.map(({ correlation, term, vote }) => [correlation, term, vote]), [[1, 0, 0], [3, 0, 0]])
  await scheduler.advance(10)
  t.match(answers.at(-1), { kind: 'vote-saved', correlation: 2, term: 5, vote: 3, saved: true })
  read(4)
  t.match(answers.at(-1), { kind: 'vote-read', correlation: 4, term: 5, vote: 3 })
  t.same(await found(), { term: 5, vote: 3 })
})

t.test('votes of one group come to the disk in the order they came, those of many in one write', async t => {
  const { scheduler, disk, answers, save, found } = await setUp()
  save(1, 1, 1, 'other-0')
  const before = disk.counts.get('write') ?? 0
  for (let term = 1; term <= 20; term++) {
    save(term * 2, term, 1)
    save(term * 2 + 1, term, 2)
  }
  await scheduler.advance(20)
  t.equal(answers.filter(({ saved }) => saved).length, 41)
  t.equal(disk.counts.get('write')! - before, 1, 'behind the first, which is under way')
  t.same(await found(), { term: 20, vote: 2 })
})

t.test('a disk that fails is told of, and works again', async t => {
  const { scheduler, disk, answers, save, found } = await setUp()
  disk.fault = operation => operation === 'write' ? 'EIO' : undefined
  save(1, 1, 1)
  await scheduler.advance(10)
  t.match(answers.at(-1), { correlation: 1, saved: false })
  disk.fault = undefined
  save(2, 1, 1)
  await scheduler.advance(20)
  t.match(answers.at(-1), { correlation: 2, saved: true })
  t.same(await found(), { term: 1, vote: 1 })
})

t.test('on a full disk the reserve makes room', async t => {
  const { scheduler, disk, answers, save, found } = await setUp(async disk => { disk.capacity = Infinity })
  disk.capacity = disk.usedBytes
  save(1, 1, 1)
  await scheduler.advance(30)
  t.match(answers, [{ correlation: 1, saved: true }])
  t.same(await found(), { term: 1, vote: 1 })
})

t.test('what is tried again on a full disk never undoes what came after it', async t => {
  let spent = (): void => {}
  const reserve = new Promise<void>(resolve => { spent = resolve })
  const { scheduler, disk, answers, save, found } = await setUp(async () => await reserve)
  disk.capacity = disk.usedBytes
  save(1, 5, 1)
  await scheduler.advance(10)
  t.same(answers, [], 'it waits for the reserve')
  disk.capacity = Infinity
  save(2, 6, 2)
  await scheduler.advance(20)
  t.match(answers, [{ correlation: 2, saved: true }])
  spent()
  await scheduler.advance(20)
  t.match(answers[1], { correlation: 1, saved: false })
  t.same(await found(), { term: 6, vote: 2 })
})
