import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from './harness.ts'

/**
 * The words that start a broker as `npm start` does, without its own flags: what is tested and measured is what users run.
 * @param root       the checkout
 * @param nodeFlags  more of Node's flags
 */
export function startCommand (root = projectRoot, nodeFlags: readonly string[] = []): string[] {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly scripts: { readonly start: string } }
  const words = scripts.start.split(' ').slice(1)
  return [process.execPath, ...nodeFlags, ...words.map(word => /^(\.|src)\//.test(word) ? join(root, word) : word)]
}
