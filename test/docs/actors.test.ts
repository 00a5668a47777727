/** docs/actors.md names every message between actors, and none that is gone. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

process.chdir(join(import.meta.dirname, '../..'))

const declaration = /readonly kind: '([a-z-]+)'/g
const kindsIn = (path: string): string[] => [...readFileSync(path, 'utf8').matchAll(declaration)].map(match => match[1]!)

/** First cells of table rows that hold one kind. */
const documented = new Set([...readFileSync('docs/actors.md', 'utf8').matchAll(/^\| `([a-z-]+)` \|/gm)].map(match => match[1]!))

t.test('every message of an actor has its row', async t => {
  const files = globSync('src/actors/*/messages.ts').sort()
  t.ok(files.length >= 4)
  for (const file of [...files, 'src/runtime/actor.ts']) {
    const kinds = kindsIn(file)
    t.ok(kinds.length > 0, `${file} declares messages`)
    for (const kind of kinds) t.ok(documented.has(kind), `${kind} of ${file} is in docs/actors.md`)
  }
})

t.test('every row is of a message that there is', async t => {
  const folders = ['src/actors', 'src/net', 'src/runtime', 'src/log']
  const known = new Set(folders.flatMap(folder => globSync(`${folder}/**/*.ts`)).flatMap(kindsIn))
  for (const kind of documented) t.ok(known.has(kind), `${kind} of docs/actors.md is in the code`)
})
