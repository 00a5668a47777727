/** Fails when a table in the documentation is not what the code gives now. */
import { readFileSync } from 'node:fs'
import { pageWithTable } from './configuration-table.ts'
import { page as protocolPage, pageWithTables } from './protocol-table.ts'

const pages: ReadonlyArray<[page: string, current: (text: string) => string, command: string]> = [
  ['docs/configuration.md', pageWithTable, 'npm run docs:configuration'],
  [protocolPage, pageWithTables, 'npm run docs:protocol']
]

const stale = pages.filter(([page, current]) => {
  const text = readFileSync(page, 'utf8')
  return current(text) !== text
})
for (const [page, , command] of stale) console.error(`${page} is out of date: ${command}`)
if (stale.length > 0) process.exitCode = 1
else console.log(`${pages.length} pages are up to date`)
