/** What the machine does, as text to read: see transcript.ts. `npm run transcripts:rewrite` writes down what it does now, to be reviewed as a difference. */
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { Transcript } from './transcript.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const rewrites = process.argv.includes('--rewrite')
const files = globSync(join(import.meta.dirname, 'transcripts', '*.txt')).sort()

t.ok(files.length >= 25)

for (const file of files) {
  t.test(basename(file, '.txt'), async t => {
    const text = readFileSync(file, 'utf8')
    const played = new Transcript().play(text)
    if (rewrites) writeFileSync(file, played)
    t.equal(played, rewrites ? played : text)
  })
}
