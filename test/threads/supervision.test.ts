/** Threads and actors that break: the others keep answering, and what broke comes back. */
import { EventEmitter, once } from 'node:events'
import t, { type Test } from 'tap'
import type { ActorId, ThreadIndex } from '../../src/base/ids.ts'
import type { RuntimeEvent } from '../../src/runtime/runtime-event.ts'
import { Supervisor, type SupervisorOptions } from '../../src/runtime/supervisor.ts'
import { reached, type FloodSpec, type PokeSpec, type SlowSpec } from './program.ts'

const thread = (n: number): ThreadIndex => n as ThreadIndex

interface Setup { supervisor: Supervisor, board: Int32Array, events: RuntimeEvent[], heard: EventEmitter }

async function start (t: Test, options: Partial<SupervisorOptions> = {}): Promise<Setup> {
  const board = new SharedArrayBuffer(256)
  const events: RuntimeEvent[] = []
  const heard = new EventEmitter()
  const supervisor = await Supervisor.start({
    threads: 2,
    program: new URL('program.ts', import.meta.url),
    init: { board },
    edge: { type: 'network' },
    ringBytes: 4096,
    silentMs: 600,
    onEvent: event => {
      events.push(event)
      heard.emit(event.kind, event)
    },
    ...options
  })
  t.teardown(async () => await supervisor.close())
  return { supervisor, board: new Int32Array(board), events, heard }
}

/** Keeps asking, and asks again what could not be delivered. Its board words are `first` to `first + 2`. */
const flood = (target: ActorId, first: number, count: number): FloodSpec => ({
  type: 'flood', target, count, sizeMax: 600, seed: first + 1, window: 8, pauses: 0.05, retry: true, answers: first, errors: first + 1, undelivered: first + 2
})

/**
 * Thread 1 breaks while an actor on thread 0 talks to one on thread 1, and two on thread 0 talk to each other.
 * Whoever waited for thread 1 is told, and gets all answers in the end.
 */
async function breakThread (t: Test, how: string, kinds: readonly string[], options: Partial<SupervisorOptions> = {}): Promise<Setup> {
  const setup = await start(t, options)
  const { supervisor, board, events, heard } = setup
  const near = await supervisor.place('near', { type: 'echo' }, thread(0))
  const far = await supervisor.place('far', { type: 'echo' }, thread(1))
  await supervisor.place('flood-near', flood(near, 0, 1_000_000), thread(0))
  await supervisor.place('flood-far', flood(far, 4, 1_000_000), thread(0))
  await reached(board, 4, 100)
  const replaced = once(heard, 'thread-replaced')
  await supervisor.place('poke', { type: 'poke', target: far, message: { kind: how } } satisfies PokeSpec as never, thread(0))
  const answered = Atomics.load(board, 0)
  await reached(board, 0, answered + 200)
  t.pass('the other thread keeps answering')
  await replaced
  await reached(board, 4, Atomics.load(board, 4) + 100)
  t.pass('the lost actor answers again, under the same id')
  t.ok(Atomics.load(board, 6) > 0, 'who waited for it was told')
  t.same([board[1], board[5]], [0, 0])
  t.same(events.map(event => event.kind).filter(kind => kind.startsWith('thread-')), kinds)
  const exited = events.find(event => event.kind === 'thread-exited')
  t.equal(exited?.kind === 'thread-exited' ? exited.actor : undefined, far, 'the log names the actor')
  return setup
}

t.test('a thread that hangs is named, terminated and replaced', async t => {
  await breakThread(t, 'spin', ['thread-silent', 'thread-exited', 'thread-replaced'])
})

t.test('a thread that exits in the middle of traffic is replaced', async t => {
  await breakThread(t, 'exit', ['thread-exited', 'thread-replaced'])
})

t.test('a thread that exhausts its heap is replaced', async t => {
  const { events } = await breakThread(t, 'nibble', ['thread-exited', 'thread-replaced'], {
    // Collecting garbage to the last also looks like silence, for a while.
    resourceLimits: { maxOldGenerationSizeMb: 48 }, silentMs: 20_000
  })
  // By its own guard, or by Node when the heap grew faster than that looks.
  t.match(events.find(event => event.kind === 'thread-exited'), { error: { code: /^(RINGMQ_HEAP_FULL|ERR_WORKER_OUT_OF_MEMORY)$/ } })
})

t.test('a thread that allocates without end in one go, which no heap limit stops, is silent and terminated', async t => {
  const { events } = await breakThread(t, 'hog', ['thread-silent', 'thread-exited', 'thread-replaced'], {
    // Far below what the process has: silence is taken seriously sooner.
    silentMs: 2000, rssBytesMax: 1 << 20
  })
  t.equal(events.filter(event => event.kind === 'memory-high').length, 1)
})

t.test('an actor that throws comes back on its thread, and callers on other threads are told', async t => {
  const { supervisor, board, events } = await start(t)
  const far = await supervisor.place('far', { type: 'echo' }, thread(1))
  await supervisor.place('flood', flood(far, 0, 1_000_000), thread(0))
  await reached(board, 0, 50)
  await supervisor.place('poke', { type: 'poke', target: far, message: { kind: 'throw' } } satisfies PokeSpec as never, thread(0))
  await reached(board, 2, 1)
  await reached(board, 0, Atomics.load(board, 0) + 50)
  t.equal(board[1], 0)
  t.equal((await supervisor.stats())[1]!.system.crashes, 1)
  t.same(events, [], 'no thread was touched')
})

t.test('a thread that dies again and again is given up, and its actors are dead', async t => {
  const { supervisor, board, heard } = await start(t, { restartAttemptsMax: 2, restartFirstMs: 1 })
  const far = await supervisor.place('far', { type: 'echo' }, thread(1))
  const givenUp = once(heard, 'thread-given-up')
  const poke: PokeSpec = { type: 'poke', target: far, message: { kind: 'exit' } }
  // Pokes again with each new thread, as it lives on the same one.
  await supervisor.place('poke', poke, thread(1))
  await givenUp
  await supervisor.place('flood', { ...flood(far, 0, 10), retry: false } as FloodSpec, thread(0))
  await reached(board, 2, 8)
  t.equal(board[0], 0)
  await t.rejects(supervisor.place('late', { type: 'echo' }, thread(1)))
})

t.test('a program that cannot be opened fails the start', async t => {
  await t.rejects(Supervisor.start({ threads: 2, program: new URL('no-such-program.ts', import.meta.url), init: {} }), { name: 'ThreadGone' })
})

t.test('an unknown actor type is the fault of whoever places it', async t => {
  const { supervisor } = await start(t)
  await t.rejects(supervisor.place('x', { type: 'no-such-type' }), { message: /unknown actor type/ })
  t.equal(await supervisor.place('y', { type: 'echo' }) > 1, true)
})

t.test('an actor that does not end in time is not forgotten: nothing starts in its place before', async t => {
  const { supervisor, board } = await start(t, { callMs: 100 })
  const [opened, closed] = [0, 1]
  const spec: SlowSpec = { type: 'slow', closeMs: 1500, opened, closed }
  await supervisor.place('slow', spec, thread(0))
  await t.rejects(supervisor.remove('slow'), { name: 'CallExpired' })
  await t.rejects(supervisor.remove('slow'), { name: 'CallExpired' }, 'it has not ended the second time either')
  await t.rejects(supervisor.place('slow', spec, thread(1)), { name: 'CallExpired' })
  await supervisor.move('slow', thread(1))
  t.same([board[opened], board[closed]], [1, 0])
  await reached(board, closed, 1)
  await supervisor.place('slow', spec, thread(1))
  t.same([board[opened], board[closed], supervisor.threadOf('slow')], [2, 1, 1])
  await t.rejects(supervisor.remove('slow'), { name: 'CallExpired' })
  await reached(board, closed, 2)
  await supervisor.remove('slow')
  t.equal(supervisor.threadOf('slow'), undefined)
})

t.test('an actor that was to end does not come back with its thread', async t => {
  const { supervisor, board, heard } = await start(t, { callMs: 100 })
  await supervisor.place('slow', { type: 'slow', closeMs: 60_000, opened: 0, closed: 1 } satisfies SlowSpec as never, thread(1))
  await t.rejects(supervisor.remove('slow'), { name: 'CallExpired' })
  const far = await supervisor.place('far', { type: 'echo' }, thread(1))
  const replaced = once(heard, 'thread-replaced')
  await supervisor.place('poke', { type: 'poke', target: far, message: { kind: 'exit' } } satisfies PokeSpec as never, thread(0))
  t.match(await replaced, [{ actors: 1 }])
  await supervisor.remove('slow')
  t.equal(supervisor.threadOf('slow'), undefined)
  t.equal(board[0], 1)
})

t.test('new actors go to the thread with the fewest', async t => {
  const { supervisor } = await start(t)
  // What is somewhere because it was said so does not count.
  for (let i = 0; i < 5; i++) await supervisor.place(`given${i}`, { type: 'echo' }, thread(0))
  for (let i = 0; i < 6; i++) await supervisor.place(`a${i}`, { type: 'echo' })
  const counts = [0, 0]
  for (let i = 0; i < 6; i++) counts[supervisor.threadOf(`a${i}`)!]!++
  t.ok(counts.every(count => count >= 2), `spread: ${counts}`)
  await supervisor.remove('a0')
  t.equal(supervisor.threadOf('a0'), undefined)
})

t.test('an actor moves while another thread is being replaced, and no thread dies of it', async t => {
  const { supervisor, board, events, heard } = await start(t, { threads: 3, program: new URL('slow-to-return.ts', import.meta.url), silentMs: 60_000 })
  const echo = await supervisor.place('echo', { type: 'echo' }, thread(0))
  const victim = await supervisor.place('victim', { type: 'echo' }, thread(2))
  const [exited, replaced] = [once(heard, 'thread-exited'), once(heard, 'thread-replaced')]
  await supervisor.place('poke', { type: 'poke', target: victim, message: { kind: 'exit' } } satisfies PokeSpec as never, thread(0))
  await exited
  while (Atomics.load(board, 60) < 2) await new Promise(resolve => setTimeout(resolve, 1))
  await supervisor.move('echo', thread(1))
  t.equal(supervisor.threadOf('echo'), 1)
  await replaced
  await supervisor.place('flood', flood(echo, 0, 1000), thread(2))
  await reached(board, 0, 1000)
  t.equal(events.filter(event => event.kind === 'thread-exited').length, 1)
})
