import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { createApi } from '../../scripts/new-api.ts'

const project = resolve(import.meta.dirname, '../..')

t.test('a new API stands in its place and can be loaded', async t => {
  const root = mkdtempSync(join(tmpdir(), 'new-api-'))
  t.teardown(() => rmSync(root, { recursive: true }))
  for (const folder of ['src/protocol', 'src/base']) cpSync(join(project, folder), join(root, folder), { recursive: true })
  cpSync(join(project, 'package.json'), join(root, 'package.json'))
  const file = createApi(root, { name: 'describeLogDirs', key: 35, versions: [0, 1] })
  t.equal(file, join(root, 'src/protocol/apis/describe-log-dirs.ts'))
  const { apis } = await import(pathToFileURL(join(root, 'src/protocol/apis.ts')).href) as { apis: Record<string, { key: number, versions: readonly number[] }> }
  const keys = Object.values(apis).map(api => api.key)
  t.strictSame(keys, keys.toSorted((a, b) => a - b))
  t.strictSame(apis['describeLogDirs']!.versions, [0, 1])
  const before = readFileSync(join(root, 'src/protocol/apis.ts'), 'utf8')
  for (const api of [
    { name: 'describeLogDirs', key: 145, versions: [0, 1] },
    { name: 'other', key: 35, versions: [0, 1] },
    { name: 'Other', key: 145, versions: [0, 1] },
    { name: 'other', key: 145, versions: [1, 0] },
    { name: 'other', key: NaN, versions: [0, 0] }
  ] as const) t.throws(() => createApi(root, api), JSON.stringify(api))
  t.equal(readFileSync(join(root, 'src/protocol/apis.ts'), 'utf8'), before, 'a refusal changes nothing')
})
