/** The tools of the fault tests: networks that can be broken, comparison of disks, gaps between successes. */
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { batchOf } from '../broker/requests.ts'
import { Pulse } from './pulse.ts'
import { compareReplicas } from './replica-logs.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

for (const kind of ['proxy', 'namespaces']) {
  t.test(`what is blocked does not pass, until it is healed: ${kind}`, async t => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'network-probe.ts'), kind], { encoding: 'utf8', timeout: 60_000 })
    const refused = /refused: (.*)/.exec(stdout)
    if (refused !== null) return t.pass('left out', { skip: `namespaces are not permitted here: ${refused[1]}` })
    t.equal(status, 0, stderr)
    t.match(stdout, new RegExp(`^${kind}: .*\nheld back on the way there\nheld back on the way back\nconnected after healing`))
  })
}

t.test('replicas that differ are found', async t => {
  const root = t.testdir({})
  const folder = '0123456789abcdef0123456789abcdef-0'
  const batches = ['a', 'b', 'c'].map((value, i) => batchOf([value, value], { baseOffset: i * 2, term: 1 + i }))
  const write = (name: string, files: ReadonlyArray<readonly Uint8Array[]>): string => {
    const dataDir = join(root, name)
    mkdirSync(join(dataDir, 'topics', folder), { recursive: true })
    for (const [i, parts] of files.entries()) writeFileSync(join(dataDir, 'topics', folder, `${String(i).padStart(20, '0')}.log`), Buffer.concat([...parts, Buffer.alloc(100)]))
    return dataDir
  }
  const [a, b, c] = batches as [Uint8Array, Uint8Array, Uint8Array]
  const one = write('one', [[a, b, c]])
  const same = write('same', [[a], [b, c]])
  const shorter = write('shorter', [[a, b]])
  t.same(compareReplicas([one, same, shorter]), { compared: 5, problems: [] })
  const due = compareReplicas([one, shorter], new Map([[folder, 6]]))
  t.match(due.problems, [/^0123456789abcdef0123456789abcdef-0 ends at 4 in .*shorter, and 6 was committed/])
  const otherTerm = write('term', [[a, batchOf(['b', 'b'], { baseOffset: 2, term: 9 })]])
  t.match(compareReplicas([one, otherTerm]).problems, [/differs at offset 2: term 9 crc .* term 2 crc/])
  const otherRecord = write('record', [[a, batchOf(['b', 'x'], { baseOffset: 2, term: 2 })]])
  t.match(compareReplicas([one, otherRecord]).problems, [/differs at offset 2/])
  const longer = write('longer', [[a, batchOf(['b', 'b', 'b'], { baseOffset: 2, term: 2 })]])
  t.match(compareReplicas([one, longer]).problems, [/differs at offset 2/])
  appendFileSync(join(root, 'not a folder'), '')
  t.same(compareReplicas([one, join(root, 'absent')]), { compared: 0, problems: [] })
})

t.test('the longest gap touches the time that was asked for', async t => {
  const pulse = new Pulse()
  for (const moment of [0, 10, 100, 105, 300]) pulse.beat(moment)
  t.equal(pulse.longestGap(2, 9), 10, 'the whole of the gap around it')
  t.equal(pulse.longestGap(50, 60), 90)
  t.equal(pulse.longestGap(50, 104), 90)
  t.equal(pulse.longestGap(101, 104), 5)
  t.equal(pulse.longestGap(101, 106), 195)
  t.equal(pulse.longestGap(290, 600), 300, 'nothing followed')
  t.equal(new Pulse().longestGap(10, 30), 20)
  t.equal(pulse.firstAfter(100), 105)
  t.equal(pulse.firstAfter(300), undefined)
})
