/** The one home of chance. `cryptoChance` for the daemon, `seededChance` for tests and simulations. */

export interface Chance {
  /** A uniform number in [0, 1). */
  next (): number
  /** A uniform uint32. */
  uint32 (): number
}

/** By the global `crypto`, which costs a thread nothing before it is used. */
export const cryptoChance: Chance = {
  next: () => Math.random(),
  uint32: () => crypto.getRandomValues(new Uint32Array(1))[0]!
}

/** A small fast generator (sfc32) that gives the same numbers for the same seed on every machine. */
export function seededChance (seed: number): Chance {
  let a = 0x9e3779b9 | 0
  let b = 0x243f6a88 | 0
  let c = seed | 0
  let d = 1
  const uint32 = (): number => {
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + t | 0
    return t >>> 0
  }
  for (let i = 0; i < 12; i++) uint32()
  return { uint32, next: () => uint32() / 4294967296 }
}

/** A random version-4 UUID as 32 lower-case hex digits. */
export function uuidHex (chance: Chance): string {
  const words = [chance.uint32(), chance.uint32(), chance.uint32(), chance.uint32()]
  words[1] = ((words[1]! & 0xffff0fff) | 0x4000) >>> 0
  words[2] = ((words[2]! & 0x3fffffff) | 0x80000000) >>> 0
  return words.map(word => word.toString(16).padStart(8, '0')).join('')
}
