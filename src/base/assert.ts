/** A broken invariant: a defect of ours, never the fault of input. The actor that meets it crashes and is restarted. */
export class AssertionError extends Error {
  override name = 'AssertionError'
}

/** Throws an {@link AssertionError} unless `condition` holds. Keep `message` a constant: it is evaluated every time. */
export function assert (condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** Marks the branch of an exhaustive switch that the types say cannot be reached. */
export function unreachable (value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`)
}
