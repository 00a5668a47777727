/**
 * Loads src/raft again with small changes to its text: a planted bug, or a smaller bound. Each variant is a set of modules of
 * its own, so several live beside each other in one process. What is private becomes public, so that machines can be
 * copied and compared (see state.ts); nothing else changes.
 */
import { registerHooks } from 'node:module'
import type { Machine } from './kit.ts'

/** One change of the text; what is searched for is there exactly once, else the change is out of date. */
export interface Change {
  readonly file: string
  readonly find: string
  readonly replace: string
}

const folder = new URL('../../src/raft/', import.meta.url).href
const variants: Array<readonly Change[]> = []

function changed (name: string, source: string, changes: readonly Change[]): string {
  for (const { file, find, replace } of changes) {
    if (file !== name) continue
    if (source.split(find).length !== 2) throw new Error(`${file} must have exactly once: ${find}`)
    source = source.replace(find, () => replace)
  }
  return source.replace(/#(?=[a-z]\w*)/g, '_')
}

registerHooks({
  resolve (specifier, context, nextResolve) {
    const resolved = nextResolve(specifier, context)
    const variant = /\?variant=\d+$/.exec(context.parentURL ?? '')?.[0]
    if (variant === undefined || !resolved.url.startsWith(folder) || resolved.url.includes('?')) return resolved
    return { ...resolved, url: resolved.url + variant }
  },
  load (url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    const variant = url.startsWith(folder) ? /\/([\w-]+\.ts)\?variant=(\d+)$/.exec(url) : null
    if (variant === null) return loaded
    const source = typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source as Uint8Array)
    return { ...loaded, source: changed(variant[1]!, source, variants[Number(variant[2])]!) }
  }
})

export async function loadVariant (changes: readonly Change[] = []): Promise<Machine> {
  const query = `?variant=${variants.push(changes) - 1}`
  const { Raft } = await import(`${folder}raft.ts${query}`) as Pick<Machine, 'Raft'>
  const { Configurations } = await import(`${folder}configurations.ts${query}`) as Pick<Machine, 'Configurations'>
  return { Raft, Configurations }
}
