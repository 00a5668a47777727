/**
 * What stands at which offset of one key, as far as anybody was told. Offsets may have holes: control batches take offsets
 * that no client sees. Pages, so that a wild offset costs a page and not an array up to it.
 */
const pageSize = 4096

export class LogOfKey {
  readonly #pages = new Map<number, Float64Array>()
  /** Highest offset with a record; -1: none. */
  last = -1
  /** Records placed. */
  count = 0

  /** @returns the value at `offset`; undefined: none known */
  at (offset: number): number | undefined {
    const value = this.#pages.get(Math.floor(offset / pageSize))?.[offset % pageSize]
    return value === undefined || Number.isNaN(value) ? undefined : value
  }

  /** The first value placed stays. @returns the value that stands there now */
  place (offset: number, value: number): number {
    const index = Math.floor(offset / pageSize)
    let page = this.#pages.get(index)
    if (page === undefined) this.#pages.set(index, page = new Float64Array(pageSize).fill(NaN))
    const before = page[offset % pageSize]!
    if (!Number.isNaN(before)) return before
    page[offset % pageSize] = value
    this.count++
    if (offset > this.last) this.last = offset
    return value
  }

  /** @returns the first offset with a record in `from` to `end` (exclusive); -1: none */
  firstIn (from: number, end: number): number {
    for (let offset = from; offset < end;) {
      const index = Math.floor(offset / pageSize)
      const page = this.#pages.get(index)
      const pageEnd = Math.min(end, (index + 1) * pageSize)
      if (page !== undefined) {
        for (; offset < pageEnd; offset++) if (!Number.isNaN(page[offset % pageSize]!)) return offset
      } else if (offset > this.last) return -1
      offset = pageEnd
    }
    return -1
  }
}
