/** A long run of the fault tests can be broken off and taken up again; memory that grows is seen. No process is started here. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Campaign, type CampaignPorts } from './campaign.ts'
import { cases } from './cases.ts'
import { MemoryWatch, type Sample } from './memory.ts'
import { openNetwork } from './network.ts'
import { type FaultOptions, faultOptions } from './options.ts'
import { type Case, type RoundResult, Skipped } from './round.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const result: RoundResult = { operations: 10, records: 20, acknowledged: 20, unknownStored: 0, faults: 2, gapsMs: [30, 50], memory: [], errors: 'none', userErrors: 'none', staleEnds: 0 }
const done: Array<readonly [string, number]> = []
const works: Case = { about: '', run: async () => {} }
const fails: Case = { about: '', run: async () => { throw new Error('what went wrong') } }
const skips: Case = { about: '', run: async () => { throw new Skipped('not here') } }
const needy: Case = { about: '', needs: 'broken network', run: async () => {} }
/** Each round takes 10 s. */
let nowMs = 0
const ports: CampaignPorts = {
  nowMs: () => nowMs,
  runRound: async (case_, { seed }) => {
    nowMs += 10_000
    await case_.run(undefined as never)
    done.push([Object.entries({ works, fails, skips, needy }).find(([, each]) => each === case_)![0], seed])
    return result
  }
}

t.test('each case once, with the command that repeats one that failed', async t => {
  done.length = 0
  const lines: string[] = []
  const network = await openNetwork('plain', 3)
  const totals = await new Campaign(faultOptions(['--seed', '7']), 'c', ports).run([['works', works], ['fails', fails], ['skips', skips], ['needy', needy]], network, line => lines.push(line))
  t.same(done, [['works', 7]])
  t.match(totals, { passed: 1, failed: 1, skipped: 2, faults: 2, gapsMs: [30, 50] })
  t.match(lines.join('\n'), /not ok {2}fails .*\n.*what went wrong\n.*--cases fails --seed 8\n/)
  t.match(lines.join('\n'), /skipped needy .* this network cannot be broken/)
})

t.test('a run of minutes goes on where it was broken off', async t => {
  const out = join(t.testdir({}), 'faults.jsonl')
  const network = await openNetwork('plain', 3)
  const run = async (commit: string, more: Partial<FaultOptions>): Promise<number> => {
    done.length = 0
    const totals = await new Campaign({ ...faultOptions(['--seed', '7', '--out', out]), ...more }, commit, ports).run([['works', works]], network, () => {})
    t.equal(totals.failed, 0)
    return totals.passed
  }
  t.equal(await run('c', { minutes: 1 }), 6)
  t.equal(readFileSync(out, 'utf8').trim().split('\n').length, 6)
  t.equal(await run('c', { minutes: 1 }), 6, 'all of it counts')
  t.same(done, [], 'and nothing is done again')
  t.equal(await run('c', { minutes: 2 }), 12)
  t.same(done.map(([, seed]) => seed), [13, 14, 15, 16, 17, 18], 'only what is left, with the next seeds')
  await run('d', { minutes: 1 })
  t.same(done[0], ['works', 7], 'another commit begins anew')
  await run('c', { minutes: 1, again: true })
  t.same(done[0], ['works', 7])
})

t.test('options', async t => {
  t.match(faultOptions([]), { minutes: 0, cases: [], brokers: 3, network: 'auto' })
  t.same(faultOptions(['--cases', 'pause,one-way']).cases, ['pause', 'one-way'])
  t.throws(() => faultOptions(['--brokers', '0']), /--brokers 0: expected 1 to 9/)
  t.throws(() => faultOptions(['--seed', '1.5']), /--seed/)
  t.throws(() => faultOptions(['--network', 'x']), /there are auto, namespaces, proxy, plain/)
  t.ok(Object.values(cases).every(({ about }) => about !== ''))
})

t.test('memory that grows is seen, in processes that live long enough', async t => {
  let samples: Array<Sample | undefined> = []
  const watch = new MemoryWatch(() => samples, false)
  const mebibyte = 2 ** 20
  for (let second = 0; second <= 180; second++) {
    // One grows by 60 MiB a minute, one stays level after its start, one is replaced every minute, one is down.
    samples = [{ pid: 1, bytes: (100 + second) * mebibyte }, { pid: 2, bytes: (second < 20 ? 50 : 200) * mebibyte }, { pid: 10 + Math.floor(second / 60), bytes: (100 + second % 60) * mebibyte }, undefined]
    watch.take(second * 1000)
  }
  t.same(watch.stop(), [
    { firstMiB: 100, lastMiB: 280, peakMiB: 280, growthMiBPerMinute: 60 },
    { firstMiB: 50, lastMiB: 200, peakMiB: 200, growthMiBPerMinute: 0 },
    { firstMiB: 100, lastMiB: 100, peakMiB: 159, growthMiBPerMinute: undefined },
    { firstMiB: 0, lastMiB: 0, peakMiB: 0, growthMiBPerMinute: undefined }
  ])
})
