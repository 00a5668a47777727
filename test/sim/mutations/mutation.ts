/** A planted bug: wraps a method of the product while it is planted, and puts the true one back. */
export interface Mutation {
  readonly name: string
  /** In words, what is wrong then. */
  readonly bug: string
  /** @returns how to take it out again */
  plant (): () => void
}

/** Replaces one method, given the true one. */
export function override<T extends object, K extends keyof T> (prototype: T, name: K, make: (truth: T[K]) => T[K]): () => void {
  const truth = prototype[name]
  prototype[name] = make(truth)
  return () => { prototype[name] = truth }
}
