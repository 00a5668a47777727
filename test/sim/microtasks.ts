/**
 * Lets promises settle without giving up the stack: all microtasks run before this returns. So one event of a simulation is one
 * plain call, and costs nanoseconds where a turn of Node's own loop costs microseconds.
 *
 * By V8's own name for it, which works everywhere but within a microtask: whoever uses this is to be called by a timer
 * or the like. {@link fromLoop} sees to that.
 */
import { setFlagsFromString } from 'node:v8'

setFlagsFromString('--allow-natives-syntax')
/* eslint-disable-next-line no-new-func -- the syntax is allowed for this one line only */
export const settlePromises = new Function('%PerformMicrotaskCheckpoint()') as () => void
// It is compiled when it is first called.
settlePromises()
setFlagsFromString('--no-allow-natives-syntax')

/** Calls `work` out of Node's loop, and resolves with what it returns. */
export async function fromLoop<T> (work: () => T): Promise<T> {
  const { promise, resolve } = Promise.withResolvers<() => T>()
  setImmediate(() => {
    try {
      const result = work()
      resolve(() => result)
    } catch (error) {
      resolve(() => { throw error })
    }
  })
  return (await promise)()
}
