/**
 * Runs every fast test (or the files given as arguments) with tap, prints one line a file and each failure in full,
 * and closes with one line: `N passed, N failed` (assertions).
 * Exits with 1 when something failed, when tap itself failed, and when nothing ran at all.
 */
import { spawn, spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { Parser, type Result } from 'tap-parser'
import { stringify } from 'yaml'

const wholeRunMs = 15 * 60_000
const tap = 'node_modules/tap/dist/esm/run.mjs'
const builtClass = 'node_modules/@tapjs/test/test-built/dist/esm/index.js'
const count = { passed: 0, failed: 0, seen: 0 }

/** tap compiles its class for the plugins of .taprc at the first run, but would still load the old set in that run. */
function buildTapOnce (): void {
  if (!/@tapjs\/(typescript|mock)/.test(readFileSync(builtClass, 'utf8'))) return
  const { status } = spawnSync(process.execPath, [tap, 'build'], { stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) throw new Error('tap build failed')
}

/**
 * Counts the assertions of `parser` and of the subtests in it. A subtest's own closing line counts only when it failed
 * without a failure inside: a crash, a timeout, a wrong plan.
 */
function watch (parser: Parser, path: readonly string[]): void {
  let failedBefore: number | undefined
  let seenBefore = 0
  parser.on('child', (child: Parser) => {
    failedBefore = count.failed
    seenBefore = count.seen
    watch(child, [...path, child.name])
  })
  parser.on('assert', (result: Result) => {
    const closesSubtest = failedBefore !== undefined
    if (!closesSubtest || result.skip) count.seen++
    if (!closesSubtest && result.ok && !result.skip && !result.todo) count.passed++
    if (!result.ok && !result.skip && !result.todo && (!closesSubtest || count.failed === failedBefore)) {
      count.failed++
      const diagnostics = result.diag === null ? '' : stringify(result.diag).replace(/^/gm, '    ')
      console.log(`not ok  ${[...path, result.name].join(' > ')}\n${diagnostics}`)
    }
    if (result.skip && !closesSubtest) console.log(`skip    ${[...path, result.name].join(' > ')} ${result.skip === true ? '' : result.skip}`)
    if (path.length === 0) {
      const empty = result.ok && count.seen === seenBefore + (result.skip ? 1 : 0)
      if (empty) count.failed++
      console.log(`${result.ok && !empty ? 'ok    ' : 'not ok'}  ${result.name}  ${empty ? 'ran no test' : `${Math.round(result.time ?? 0)} ms`}`)
    }
    failedBefore = undefined
  })
}

async function run (files: readonly string[]): Promise<number | null> {
  const child = spawn(process.execPath, [tap, 'run', '--reporter=tap', ...files], { stdio: ['ignore', 'pipe', 'inherit'] })
  const limit = setTimeout(() => child.kill(), wholeRunMs)
  const parser = new Parser()
  watch(parser, [])
  const parsed = new Promise(resolve => parser.once('complete', resolve))
  child.stdout.pipe(parser as unknown as NodeJS.WritableStream)
  const status = await new Promise<number | null>(resolve => child.once('exit', resolve))
  await parsed
  clearTimeout(limit)
  return status
}

const chosen = process.argv.slice(2)
const files = chosen.length > 0 ? chosen : globSync('test/**/*.test.ts').sort()
buildTapOnce()
const status = files.length > 0 ? await run(files) : 1
if (count.passed + count.failed === 0) console.log('No test ran.')
else if (status !== 0 && count.failed === 0) console.log(`tap ended with status ${status}.`)
process.exitCode = status === 0 && count.failed === 0 && count.passed > 0 ? 0 : 1
console.log(`${count.passed} passed, ${count.failed} failed`)
