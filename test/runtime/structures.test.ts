/** The runtime's small data structures against plain slow models. */
import fc from 'fast-check'
import t from 'tap'
import type { ActorId } from '../../src/base/ids.ts'
import { ActorNames } from '../../src/runtime/actor-names.ts'
import { Asks } from '../../src/runtime/asks.ts'
import { DeadlineHeap } from '../../src/runtime/deadline-heap.ts'
import { Mailbox } from '../../src/runtime/mailbox.ts'
import { ActorState, isOlderVersion, Placement, stateOf, threadOf, versionOf } from '../../src/runtime/placement.ts'
import { Timers } from '../../src/runtime/timers.ts'

const id = (n: number): ActorId => n as ActorId

t.test('property: a mailbox is a bounded queue', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(fc.array(fc.option(fc.integer()), { maxLength: 300 }), steps => {
    const mailbox = new Mailbox<number>(32, 4)
    const model: number[] = []
    for (const item of steps) {
      if (item === null) {
        if (mailbox.peek() !== model[0] || mailbox.shift() !== model.shift()) return false
      } else {
        const pushed = mailbox.push(item)
        if (pushed !== (model.length < 32)) return false
        if (pushed) model.push(item)
      }
      if (mailbox.count !== model.length) return false
    }
    return true
  })))
})

t.test('property: a deadline heap gives the earliest of what is in it', async t => {
  const step = fc.record({ slot: fc.integer({ min: 0, max: 150 }), deadline: fc.integer({ min: 0, max: 50 }) })
  t.doesNotThrow(() => fc.assert(fc.property(fc.array(step, { maxLength: 400 }), steps => {
    const heap = new DeadlineHeap()
    const model = new Map<number, number>()
    for (const { slot, deadline } of steps) {
      if (heap.has(slot) !== model.has(slot)) return false
      if (model.delete(slot)) {
        heap.remove(slot)
      } else {
        heap.add(slot, deadline)
        model.set(slot, deadline)
      }
      if (heap.count !== model.size) return false
      if (heap.next !== Math.min(Infinity, ...model.values())) return false
      if (model.size > 0 && model.get(heap.first) !== heap.next) return false
    }
    return true
  })))
})

t.test('property: open requests against a map', async t => {
  const step = fc.record({
    do: fc.constantFrom('open', 'open', 'open', 'settle', 'expire', 'crash', 'thread'),
    asker: fc.integer({ min: 0, max: 3 }),
    // Few values, some far apart, so that runs in the hash table collide, wrap and get gaps.
    correlation: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constantFrom(2 ** 31, 2 ** 32 - 1, 65_536)),
    deadline: fc.integer({ min: 0, max: 40 })
  })
  t.doesNotThrow(() => fc.assert(fc.property(fc.array(step, { maxLength: 300 }), steps => {
    const asks = new Asks(16)
    const placement = new Placement(new SharedArrayBuffer(64))
    const model = new Map<string, { target: number, version: number, thread: number, deadline: number }>()
    for (const { do: what, asker, correlation, deadline } of steps) {
      const key = `${asker}/${correlation}`
      const ended: string[] = []
      const end = (asker: ActorId, correlation: number): void => { ended.push(`${asker}/${correlation}`) }
      let expected: string[] = []
      const target = deadline % 4
      if (what === 'open') {
        if (model.has(key)) continue
        const place = placement.set(id(target), target as never, ActorState.running)
        const opened = asks.open(id(asker), correlation, id(target), place, deadline)
        if (opened !== (model.size < 16)) return false
        if (opened) model.set(key, { target, version: versionOf(place), thread: target, deadline })
      } else if (what === 'settle') {
        if (asks.settle(id(asker), correlation) !== model.delete(key)) return false
      } else {
        const version = versionOf(placement.lookup(id(target)))
        const matches = what === 'expire'
          ? (ask: { deadline: number }) => ask.deadline <= deadline / 4
          : what === 'crash'
            ? (ask: { target: number, version: number }) => ask.target === target && ask.version < version
            : (ask: { thread: number }) => ask.thread === target
        expected = [...model].filter(([, ask]) => matches(ask as never)).map(([key]) => key)
        for (const key of expected) model.delete(key)
        if (what === 'expire') asks.expire(deadline / 4, end)
        else if (what === 'crash') asks.endTarget(id(target), version, end)
        else asks.endThread(target, end)
      }
      if (ended.sort().join() !== expected.sort().join()) return false
      if (asks.count !== model.size) return false
      if (asks.next > Math.min(Infinity, ...[...model.values()].map(ask => ask.deadline))) return false
      if (what === 'expire' && asks.next <= deadline / 4) return false
    }
    return true
  }), { numRuns: 500 }))
})

t.test('an asker with two open requests of one correlation is at fault', async t => {
  const asks = new Asks(4)
  asks.open(id(1), 7, id(2), 0, 10)
  t.throws(() => asks.open(id(1), 7, id(2), 0, 10), { name: 'AssertionError' })
})

t.test('a timer that fired or was cancelled cancels no other that got its slot', async t => {
  const timers = new Timers<string>(2)
  const fired: string[] = []
  const deliver = (owner: string, message: { kind: string }): void => { fired.push(`${owner} ${message.kind}`) }
  const first = timers.add('a', 10, { kind: 'first' })
  timers.fire(10, deliver)
  const second = timers.add('a', 20, { kind: 'second' })
  t.not(first, second)
  timers.cancel(first, 'a')
  timers.cancel(second, 'b')
  timers.add('b', 15, { kind: 'third' })
  t.throws(() => timers.add('c', 1, { kind: 'fourth' }), { name: 'AssertionError' })
  timers.cancelAll('b')
  timers.fire(100, deliver)
  t.same(fired, ['a first', 'a second'])
  t.equal(timers.next, Infinity)
})

t.test('a placement word holds thread, state and version', async t => {
  const placement = new Placement(new SharedArrayBuffer(16))
  for (let i = 1; i < 10; i++) {
    const place = placement.set(id(3), 255 as never, ActorState.dead)
    t.equal(placement.lookup(id(3)), place)
    t.same([threadOf(place), stateOf(place), versionOf(place)], [255, ActorState.dead, i])
  }
  t.equal(stateOf(placement.lookup(id(4))), ActorState.free)
  t.throws(() => placement.set(id(4), 0 as never, ActorState.dead))
  t.ok(isOlderVersion(1, 2))
  t.notOk(isOlderVersion(2, 2))
  t.ok(isOlderVersion(2 ** 20 - 1, 0), 'versions run through')
})

t.test('names keep their ids, and retired ids are given away last', async t => {
  const names = new ActorNames({ first: 2, max: 5 })
  t.same(['a', 'b', 'a', 'c'].map(name => names.idOf(name)), [2, 3, 2, 4])
  t.throws(() => names.idOf('d'), { message: /no actor id/ })
  names.retire('b')
  t.equal(names.idOf('b'), 3, 'the name comes back to its id')
  names.retire('b')
  t.equal(names.idOf('d'), 3)
  t.equal(names.find('b'), undefined)
  t.throws(() => names.idOf('b'))
})
