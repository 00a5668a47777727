/** What the settings of a topic become by a request, and whether they may. */
import { topicSettingProblem } from '../../base/topic-config.ts'
import type { ConfigRequest } from './messages.ts'

type Config = Readonly<Record<string, string>>

/** Returns why a topic may not have these settings; undefined when it may. */
export function configProblem (config: Config, replicas: number): string | undefined {
  for (const [name, value] of Object.entries(config)) {
    const problem = topicSettingProblem(name, value)
    if (problem !== undefined) return problem
  }
  const insync = Number(config['min.insync.replicas'] ?? 1)
  if (insync > replicas) return `min.insync.replicas is ${insync}, and the topic has ${replicas} ${replicas === 1 ? 'replica' : 'replicas'}: no write with acks=all could ever be answered`
  return undefined
}

export type AlteredConfig =
  | { readonly problem: string }
  | { readonly problem?: undefined, readonly config: Config, readonly changed: boolean }

/** Applies the changes in order, all or none. */
export function alteredConfig (before: Config, { replace, changes }: ConfigRequest, replicas: number): AlteredConfig {
  const config = new Map(replace ? [] : Object.entries(before))
  const names = new Set<string>()
  for (const { name, operation, value } of changes) {
    if (names.has(name)) return { problem: `${name} is named twice` }
    names.add(name)
    const unknown = topicSettingProblem(name, null)
    if (unknown !== undefined) return { problem: unknown }
    if (operation === 'append' || operation === 'subtract') return { problem: `${name} is no list: it can be set or deleted` }
    if (operation === 'delete') config.delete(name)
    else if (value === null) return { problem: `${name} is set to nothing` }
    else config.set(name, value)
  }
  const after = Object.fromEntries(config)
  const problem = configProblem(after, replicas)
  if (problem !== undefined) return { problem }
  const changed = config.size !== Object.keys(before).length || [...config].some(([name, value]) => before[name] !== value)
  return { config: after, changed }
}
