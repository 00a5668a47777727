/** A running hash over everything that happens: two runs of one seed must end with the same one. */
export class Digest {
  #high = 0x9e3779b9 | 0
  #low = 0x85ebca6b | 0

  /** @param value  any number; its lowest 53 bits count */
  add (value: number): void {
    const low = value | 0
    const high = Math.floor(value / 0x100000000) | 0
    this.#low = Math.imul(this.#low ^ low, 0x01000193) + (this.#high >>> 13) | 0
    this.#high = Math.imul(this.#high ^ high ^ (this.#low >>> 15), 0x85ebca6b) | 0
  }

  addText (text: string): void {
    this.add(hashOf(text))
  }

  get hex (): string {
    return (this.#high >>> 0).toString(16).padStart(8, '0') + (this.#low >>> 0).toString(16).padStart(8, '0')
  }
}

const hashes = new Map<string, number>()
const hashesMax = 10_000

/** FNV-1a of a text; those of texts that come again and again are kept. */
export function hashOf (text: string): number {
  const known = hashes.get(text)
  if (known !== undefined) return known
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  if (hashes.size < hashesMax) hashes.set(text, hash)
  return hash
}
