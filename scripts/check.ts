/** Everything that needs no running broker: types, lint, the tree's own rules, and the tables of the documentation. One line each. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const docsCheck = 'scripts/docs-check.ts'
const steps: ReadonlyArray<[name: string, args: readonly string[]]> = [
  ['types', ['node_modules/typescript/bin/tsc', '-p', '.']],
  ['lint', ['node_modules/eslint/bin/eslint.js', '.', '--max-warnings', '0']],
  ['tidy', ['scripts/test.ts', 'test/tidy.test.ts']],
  ...(existsSync(docsCheck) ? [['docs', [docsCheck]] as [string, string[]]] : [])
]

for (const [name, args] of steps) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  console.log(`${status === 0 ? 'ok    ' : 'not ok'}  ${name}`)
  if (status !== 0) {
    console.error(stdout + stderr)
    process.exitCode = 1
  }
}
