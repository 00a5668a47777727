/** Durations and sizes as people write them: `5s`, `10ms`, `64MiB`. A number without a unit counts in `bare` units. */
const durationMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const sizeBytes = { B: 1, KB: 1000, MB: 1e6, GB: 1e9, TB: 1e12, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 } as const
export type DurationUnit = keyof typeof durationMs
export type SizeUnit = keyof typeof sizeBytes

/** Milliseconds, or undefined when `value` is no duration. Fractions of a millisecond are rounded. */
export function parseDuration (value: unknown, bare: DurationUnit = 'ms'): number | undefined {
  return parseScaled(value, durationMs, bare)
}

/** Bytes, or undefined when `value` is no size. `K`, `M`, `G`, `T` alone mean KiB, MiB, GiB, TiB. */
export function parseSize (value: unknown, bare: SizeUnit = 'B'): number | undefined {
  return parseScaled(typeof value === 'string' ? value.replace(/(?<=\d\s*)([kmgt])$/i, '$1iB') : value, sizeBytes, bare)
}

function parseScaled (value: unknown, scales: Record<string, number>, bare: string): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? Math.round(value * scales[bare]!) : undefined
  if (typeof value !== 'string') return undefined
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(value.trim())
  if (match === null) return undefined
  const unit = match[2] === '' ? bare : Object.keys(scales).find(name => name.toLowerCase() === match[2]!.toLowerCase())
  return unit === undefined ? undefined : Math.round(Number(match[1]) * scales[unit]!)
}

const binaryUnits = ['TiB', 'GiB', 'MiB', 'KiB'] as const
/** `1.5 GiB`, `640 KiB`, `12 B`: at most one decimal, for people. */
export function formatBytes (bytes: number): string {
  const unit = binaryUnits.find(name => bytes >= sizeBytes[name])
  return unit === undefined ? `${bytes} B` : `${Number((bytes / sizeBytes[unit]).toFixed(1))} ${unit}`
}
