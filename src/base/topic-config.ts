/** The settings of a topic: one row per name, from which validation, DescribeConfigs and the docs come. */

export interface TopicSetting {
  readonly name: string
  readonly type: 'long' | 'int' | 'string'
  readonly doc: string
  /** Allowed values of a string setting. */
  readonly values?: readonly string[]
  /** Smallest allowed number. */
  readonly min?: number
}

export const topicSettings: readonly TopicSetting[] = [
  { name: 'retention.ms', type: 'long', min: -1, doc: 'Age in milliseconds above which a closed segment is deleted; -1 keeps everything.' },
  { name: 'retention.bytes', type: 'long', min: -1, doc: 'Bytes of a partition above which its oldest closed segments are deleted; -1 for no limit.' },
  { name: 'segment.bytes', type: 'int', min: 64 * 1024, doc: 'Bytes after which a partition goes on in a new segment.' },
  { name: 'max.message.bytes', type: 'int', min: 1024, doc: 'Largest record batch a producer may send, in bytes.' },
  { name: 'ringmq.flush', type: 'string', values: ['always', 'interval', 'os'], doc: 'When an acknowledged batch is on disk: before the answer, within log.flush_interval_ms, or when the system writes it.' },
  { name: 'cleanup.policy', type: 'string', values: ['delete'], doc: 'What happens to old segments.' },
  { name: 'compression.type', type: 'string', values: ['producer'], doc: 'Batches are stored as the producer compressed them.' },
  { name: 'message.timestamp.type', type: 'string', values: ['CreateTime'], doc: 'Whose clock the timestamps of records come from.' },
  { name: 'min.insync.replicas', type: 'int', min: 1, doc: 'Replicas that must hold a batch before acks=all is answered.' }
]

const byName = new Map(topicSettings.map(setting => [setting.name, setting]))

/** Returns why a topic may not have this setting, or undefined when it may. */
export function topicSettingProblem (name: string, value: string | null): string | undefined {
  const setting = byName.get(name)
  if (setting === undefined) return `unknown topic setting ${name}`
  if (value === null) return undefined
  if (setting.type === 'string') {
    return setting.values!.includes(value) ? undefined : `${name} is ${value}, allowed: ${setting.values!.join(', ')}`
  }
  const number = Number(value)
  const max = setting.type === 'int' ? 2 ** 31 - 1 : Number.MAX_SAFE_INTEGER
  if (!Number.isSafeInteger(number) || number < setting.min! || number > max) {
    return `${name} is ${value}, allowed: whole numbers from ${setting.min} to ${max}`
  }
  return undefined
}

/** Topic names become no path and no metric label unchecked: this is the one place that decides. */
export function topicNameProblem (name: string): string | undefined {
  if (name.length === 0) return 'a topic name must not be empty'
  if (name.length > 249) return 'a topic name has at most 249 characters'
  if (name === '.' || name === '..') return 'a topic cannot be named . or ..'
  if (!/^[A-Za-z0-9._-]+$/.test(name)) return 'a topic name consists of letters, digits, dot, underscore and hyphen'
  return undefined
}
