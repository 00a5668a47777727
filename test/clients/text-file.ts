/** A large text file that looks like one: the same bytes on every machine, so that a checksum says whether it came back. */
import { createHash } from 'node:crypto'
import { closeSync, createReadStream, openSync, writeSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { seededChance } from '../../src/base/prng.ts'

const words = `the of and to a in that it is was he for on are with as his they be at one have this from or had by hot but some what there we can out
other were all your when up use how said each she which do their time if will way about many then them would write like so these her long make thing
see him two has look more day could go come did my sound no most number who over know water than call first people may down side been now find any
new work part take get place made live where after back little only round man year came show every good me give our under name very through just
form much great think say help low line before turn cause same mean differ move right boy old too does tell sentence set three want air well also
play small end put home read hand port large spell add even land here must big high such follow act why ask men change went light kind off need
house picture try us again animal point mother world near build self earth father Zürich café naïve 東京 Ελλάδα привет`.split(/\s+/)

export interface TextFile {
  readonly path: string
  readonly lines: number
  readonly sha256: string
}

/**
 * Writes a file of at least `bytes` bytes. Each line ends with a newline and none is empty, because kcat leaves empty lines out;
 * most are sentences, some are a few words, and one in a thousand is a paragraph of some ten KB.
 */
export async function writeTextFile (path: string, bytes: number): Promise<TextFile> {
  const chance = seededChance(100)
  const file = openSync(path, 'w')
  let written = 0
  let lines = 0
  while (written < bytes) {
    let block = ''
    for (let index = 0; index < 2_000; index++, lines++) {
      const dice = chance.next()
      const count = dice < 0.001 ? 2_000 : dice < 0.1 ? 1 + Math.floor(chance.next() * 4) : 6 + Math.floor(chance.next() * 20)
      const line: string[] = []
      for (let word = 0; word < count; word++) line.push(words[Math.floor(chance.next() * words.length)]!)
      block += `${line.join(' ')}${dice < 0.9 ? '.' : `, ${Math.floor(chance.next() * 1e6)}`}\n`
    }
    written += writeSync(file, block)
  }
  closeSync(file)
  return { path, lines, sha256: await sha256OfFile(path) }
}

export async function sha256OfFile (path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
