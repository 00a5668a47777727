/** Lists of seeds in text files: `name  seed  what it found`, one a line; # begins a comment. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

export interface ListedSeed {
  readonly name: string
  readonly seed: number
  /** An invariant, or a cause in words. */
  readonly found: string
}

export function readSeeds (path: string): ListedSeed[] {
  if (!existsSync(path)) return []
  return readFileSync(path, 'utf8').split('\n').filter(line => line.trim() !== '' && !line.startsWith('#')).map(line => {
    const [name, seed, ...found] = line.trim().split(/\s+/)
    return { name: name!, seed: Number(seed), found: found.join(' ') }
  })
}

export function writeSeeds (path: string, head: string, seeds: readonly ListedSeed[]): void {
  const width = Math.max(...seeds.map(({ name }) => name.length))
  writeFileSync(path, `${head}\n${seeds.map(({ name, seed, found }) => `${name.padEnd(width)}  ${String(seed).padEnd(10)}  ${found}`).join('\n')}\n`)
}
