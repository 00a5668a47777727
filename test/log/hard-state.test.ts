/** The file of terms and votes after a crash, a loss of power, and damage: a vote that is forgotten can be given twice. */
import t from 'tap'
import { seededChance } from '../../src/base/prng.ts'
import type { Term } from '../../src/base/ids.ts'
import { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { HardStateStore } from '../../src/log/hard-state-store.ts'

const path = '/meta/hard-state'

function save (store: HardStateStore, group: string, term: number): Promise<void> {
  return new Promise((resolve, reject) => {
    store.save(group, { term: term as Term, vote: 5 }, error => error === undefined ? resolve() : reject(error))
  })
}

/** A file of several writes, of one group or of many. */
async function written (disk: FaultyDisk, writes: number): Promise<HardStateStore> {
  const store = await HardStateStore.open(disk, '/meta')
  for (let term = 1; term <= writes; term++) await Promise.all(Array.from({ length: term % 3 === 0 ? 40 : 1 }, (_, i) => save(store, `t-${i}`, term)))
  return store
}

t.test('a flipped bit before what was written later stops the start', async t => {
  const disk = new FaultyDisk({ chance: seededChance(1) })
  await written(disk, 5)
  const bytes = disk.kill().peek(path)
  const before = new FaultyDisk({ chance: seededChance(1) })
  await written(before, 4)
  const newest = before.kill().peek(path).length
  for (let at = 0; at < bytes.length; at += 3) {
    const other = new FaultyDisk({ chance: seededChance(1) })
    const changed = bytes.slice()
    changed[at]! ^= 0x10
    other.poke(path, changed)
    if (at < newest) {
      await t.rejects(HardStateStore.open(other, '/meta'), /hard-state is damaged/, `byte ${at}`)
      t.same(other.peek(path), changed, 'the file is as it was')
    } else t.same((await HardStateStore.open(other, '/meta')).get('t-7'), { term: 3, vote: 5 }, `byte ${at} may be torn`)
  }
})

t.test('after a stop in order a flipped bit anywhere stops the start', async t => {
  const disk = new FaultyDisk()
  const store = await written(disk, 2)
  await store.close()
  const bytes = disk.peek(path)
  const again = await HardStateStore.open(disk, '/meta')
  await again.close()
  t.equal(disk.peek(path).length, bytes.length, 'a stop without a vote adds nothing')
  for (let at = 0; at < bytes.length - 16; at++) {
    const changed = bytes.slice()
    changed[at]! ^= 1
    disk.poke(path, changed)
    await t.rejects(HardStateStore.open(disk, '/meta'), /hard-state is damaged/, `byte ${at}`)
  }
})

t.test('a flipped bit in a file that was written anew stops the start', async t => {
  const disk = new FaultyDisk({ chance: seededChance(1) })
  const store = await written(disk, 3)
  disk.fault = () => 'EIO'
  await t.rejects(save(store, 't-0', 4))
  disk.fault = undefined
  await save(store, 't-0', 5)
  const left = disk.kill()
  const bytes = left.peek(path)
  bytes[100]! ^= 1
  left.poke(path, bytes)
  await t.rejects(HardStateStore.open(left, '/meta'), /hard-state is damaged/)
})

for (const end of ['kill', 'crash', 'kill, then a crash'] as const) {
  t.test(`a ${end} in the middle of a write loses nothing that was answered, and is never damage`, async t => {
    let torn = 0
    for (let seed = 1; seed <= 60; seed++) {
      let hold = false
      // What is held never ends.
      const schedule = (delayMs: number, work: () => void): void => { if (delayMs === 0) queueMicrotask(work) }
      let disk = new FaultyDisk({ chance: seededChance(seed), schedule })
      for (let round = 0; round < 3; round++) {
        const at = seed % 2 === 0 ? 'write' : 'sync'
        disk.delayMs = operation => hold && operation === at ? 1 : 0
        hold = false
        const store = await HardStateStore.open(disk, '/meta')
        const sizeBefore = (await disk.stat(path))!.size
        const term = 2 * round + 1
        if (round > 0) t.ok((store.get('t-3')?.term ?? 0) >= term - 2, `seed ${seed}, round ${round}`)
        await Promise.all(Array.from({ length: 60 }, (_, i) => save(store, `t-${i}`, term)))
        hold = true
        for (let i = 0; i < 60; i++) save(store, `t-${i}`, term + 1).catch(() => {})
        for (let i = 0; i < 10; i++) await null
        disk = end === 'kill' || (end !== 'crash' && round % 2 === 0) ? disk.kill() : disk.crash()
        if (disk.peek(path).length > sizeBefore) torn++
      }
      const store = await HardStateStore.open(disk, '/meta')
      for (let i = 0; i < 60; i++) if (store.get(`t-${i}`)!.term < 5) t.fail(`seed ${seed} forgot t-${i}`)
    }
    t.ok(torn > 40, `${torn} were torn`)
  })
}

t.test('what was left by a process that was killed after a failed sync is on the disk before anything is written behind it', async t => {
  for (let seed = 1; seed <= 20; seed++) {
    const disk = new FaultyDisk({ chance: seededChance(seed) })
    const store = await written(disk, 2)
    disk.fault = operation => operation === 'sync' || operation === 'remove' ? 'EIO' : undefined
    await t.rejects(save(store, 't-0', 3))
    const left = disk.kill()
    await save(await HardStateStore.open(left, '/meta'), 't-1', 4)
    const again = await HardStateStore.open(left.crash(), '/meta')
    t.same([again.get('t-0'), again.get('t-1')], [{ term: 3, vote: 5 }, { term: 4, vote: 5 }], `seed ${seed}`)
  }
})

t.test('a file of an older program is read', async t => {
  const disk = new FaultyDisk()
  disk.poke(path, Uint8Array.from(Buffer.from('0000000ba8e6a2800000000700000002742d30', 'hex')))
  t.same((await HardStateStore.open(disk, '/meta')).get('t-0'), { term: 7, vote: 2 })
})
