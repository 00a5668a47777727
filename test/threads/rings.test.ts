/** Real threads, small rings, much traffic: everything arrives once, whole and in order, and nobody is left asleep. */
import t, { type Test } from 'tap'
import type { ActorId, ThreadIndex } from '../../src/base/ids.ts'
import { Supervisor, type SupervisorOptions } from '../../src/runtime/supervisor.ts'
import { reached, type FloodSpec } from './program.ts'

const thread = (n: number): ThreadIndex => n as ThreadIndex
const answers = 0
const errors = 1
const undelivered = 2

async function start (options: Partial<SupervisorOptions> = {}): Promise<{ supervisor: Supervisor, board: Int32Array }> {
  const board = new SharedArrayBuffer(256)
  const supervisor = await Supervisor.start({
    threads: 2,
    program: new URL('program.ts', import.meta.url),
    init: { board },
    edge: { type: 'network' },
    ringBytes: 4096,
    // A wake-up that is missed must show as a hang.
    limits: { sleepMs: 600_000 },
    ...options
  })
  return { supervisor, board: new Int32Array(board) }
}

const flood = (target: ActorId, more: Partial<FloodSpec> = {}): FloodSpec => ({
  type: 'flood', target, count: 3000, sizeMax: 1200, seed: 1, window: 40, pauses: 0, retry: false, answers, errors, undelivered, ...more
})

async function crossTraffic (t: Test, options: Partial<SupervisorOptions>, more: Partial<FloodSpec>): Promise<void> {
  const { supervisor, board } = await start(options)
  t.teardown(async () => await supervisor.close())
  const echoes = [await supervisor.place('echo-0', { type: 'echo' }, thread(0)), await supervisor.place('echo-1', { type: 'echo' }, thread(1))]
  const count = more.count ?? 3000
  await Promise.all([0, 1].map(async n => {
    await supervisor.place(`flood-${n}`, flood(echoes[1 - n]!, { ...more, seed: n + 1 }), thread(n))
  }))
  await reached(board, answers, 2 * count)
  t.equal(board[errors], 0)
  t.equal(board[undelivered], 0)
  const stats = await supervisor.stats()
  t.ok(stats.every(({ system }) => system.framesReceived >= 2 * count))
}

t.test('two threads with 4 KiB rings under full cross traffic', async t => {
  await crossTraffic(t, {}, {})
})

t.test('sequences that start just below 2^31', async t => {
  await crossTraffic(t, { ringFirstSequence: 2 ** 31 - 4096 }, { count: 500 })
})

t.test('sequences that start just below 2^32', async t => {
  await crossTraffic(t, { ringFirstSequence: 2 ** 32 - 4096 }, { count: 500 })
})

t.test('messages many times larger than the ring go in pieces', async t => {
  await crossTraffic(t, {}, { count: 100, sizeMax: 100_000, window: 4 })
})

t.test('threads that fall asleep again and again are woken each time', async t => {
  await crossTraffic(t, {}, { count: 400, sizeMax: 64, window: 1, pauses: 0.3 })
})

t.test('one thread alone needs no rings', async t => {
  const { supervisor, board } = await start({ threads: 1 })
  t.teardown(async () => await supervisor.close())
  const echo = await supervisor.place('echo', { type: 'echo' })
  await supervisor.place('flood', flood(echo, { count: 500 }))
  await reached(board, answers, 500)
  t.equal(board[errors], 0)
})
