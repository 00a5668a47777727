/** Clients name sets as lists: what is named again is answered once. Otherwise a small request makes an answer without bound. */

/** The items with different keys, the first of each, in their order. */
export function distinctBy<T> (items: readonly T[], keyOf: (item: T) => string | number): readonly T[] {
  const first = new Map<string | number, T>()
  for (const item of items) {
    const key = keyOf(item)
    if (!first.has(key)) first.set(key, item)
  }
  return first.size === items.length ? items : [...first.values()]
}

/** As {@link distinctBy}; items of one key become one with what all of them ask for. */
export function mergedBy<T> (items: readonly T[], keyOf: (item: T) => string | number, merge: (same: readonly T[]) => T): readonly T[] {
  const byKey = Map.groupBy(items, keyOf)
  return byKey.size === items.length ? items : [...byKey.values()].map(same => same.length === 1 ? same[0]! : merge(same))
}
