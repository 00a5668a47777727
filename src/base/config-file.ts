/** Reads configuration files: YAML, of which JSON is a part. The one home of yaml. */
import { createRequire } from 'node:module'
import { nearest } from './nearest.ts'
import { ConfigError, type Given, type Setting } from './setting.ts'

/** Loaded by the first file that is read: a broker that is set up by flags does not pay for it. */
const yaml = (): typeof import('yaml') => createRequire(import.meta.url)('yaml')

export interface ConfigFile {
  readonly text: string
  /** What to call the file in messages. */
  readonly name: string
}

/** Returns the values of a file by setting name, and appends a line to `problems` for each unknown key. @throws ConfigError when the text is no YAML */
export function readConfigFile (file: ConfigFile, settings: Record<string, Setting>, problems: string[]): Map<string, Given> {
  const nameByKey = new Map(Object.entries(settings).map(([name, { key }]) => [key, name]))
  const given = new Map<string, Given>()
  for (const [key, value] of leaves(parseTree(file), '', nameByKey)) {
    const name = nameByKey.get(key)
    if (name !== undefined) given.set(name, { value, from: file.name })
    else problems.push(`${key}: unknown key in ${file.name}; the nearest known one is ${nearest(key, nameByKey.keys())}`)
  }
  return given
}

function parseTree (file: ConfigFile): object {
  let tree: unknown
  try {
    tree = yaml().parse(file.text)
  } catch (error) {
    throw new ConfigError([`${file.name}: not readable as YAML or JSON: ${(error as Error).message.split('\n')[0]}`])
  }
  if (tree === null || tree === undefined) return {}
  if (typeof tree !== 'object' || Array.isArray(tree)) throw new ConfigError([`${file.name}: must hold keys and values, such as "bind_port: 9092"`])
  return tree
}

/** `{raft: {rtt_millisecond: 50}}` and `{'raft.rtt_millisecond': 50}` both give `raft.rtt_millisecond`. A known key ends the descent; an empty section says nothing. */
function * leaves (tree: object, prefix: string, known: ReadonlyMap<string, string>): Generator<[string, unknown]> {
  for (const [part, value] of Object.entries(tree)) {
    const key = prefix + part
    if (typeof value === 'object' && !Array.isArray(value) && !known.has(key)) yield * leaves(value ?? {}, `${key}.`, known)
    else yield [key, value]
  }
}

/** Whether the file is meant for the client (seen by its keys), not for a broker. */
export function isClientFile (file: ConfigFile): boolean {
  const tree = parseTree(file)
  return 'broker_addrs' in tree || 'command' in tree || 'log_file' in tree
}
