/** An actor that moves between threads in the middle of traffic: order is kept and nothing is lost. */
import t from 'tap'
import type { ThreadIndex } from '../../src/base/ids.ts'
import { Supervisor } from '../../src/runtime/supervisor.ts'
import { reached, type FloodSpec, type SinkSpec, type StreamSpec } from './program.ts'

const thread = (n: number): ThreadIndex => n as ThreadIndex
const received = 0
const errors = 1
const sent = 2
const expected = 3
const moves = 6

t.test('streams told from every thread arrive in order, each item once', async t => {
  const board = new Int32Array(new SharedArrayBuffer(256))
  const supervisor = await Supervisor.start({
    threads: 3, program: new URL('program.ts', import.meta.url), init: { board: board.buffer }, edge: { type: 'network' }, ringBytes: 4096
  })
  t.teardown(async () => await supervisor.close())
  const sink = await supervisor.place('sink', { type: 'sink', received, errors, expected } satisfies SinkSpec as never, thread(0))
  const count = 6000
  for (let stream = 0; stream < 3; stream++) {
    await supervisor.place(`stream-${stream}`, { type: 'stream', target: sink, count, stream, sent } satisfies StreamSpec as never, thread(stream))
  }
  for (let move = 1; move <= moves; move++) {
    await reached(board, sent, Math.floor(3 * count * move / (moves + 2)))
    await supervisor.move('sink', thread(move % 3))
    t.equal(supervisor.threadOf('sink'), move % 3)
  }
  t.ok(Atomics.load(board, sent) < 3 * count, 'the moves happened in the middle')
  await reached(board, received, 3 * count)
  t.equal(board[errors], 0)
})

t.test('requests are answered, or refused and sent again, across moves', async t => {
  const board = new Int32Array(new SharedArrayBuffer(256))
  const supervisor = await Supervisor.start({
    threads: 2, program: new URL('program.ts', import.meta.url), init: { board: board.buffer }, edge: { type: 'network' }, ringBytes: 4096
  })
  t.teardown(async () => await supervisor.close())
  const echo = await supervisor.place('echo', { type: 'echo' }, thread(0))
  const flood: FloodSpec = {
    type: 'flood', target: echo, count: 1_000_000, sizeMax: 600, seed: 1, window: 8, pauses: 0.05, retry: true, answers: 0, errors: 1, undelivered: 2
  }
  await supervisor.place('flood-0', flood, thread(0))
  await supervisor.place('flood-1', { ...flood, answers: 3, seed: 2 } as FloodSpec, thread(1))
  for (let move = 1; move <= 4; move++) {
    await supervisor.move('echo', thread(move % 2))
    await Promise.all([0, 3].map(async word => await reached(board, word, Atomics.load(board, word) + 200)))
  }
  t.equal(board[errors], 0)
})
