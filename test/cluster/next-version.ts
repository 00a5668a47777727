/**
 * Makes brokers of the next version out of this checkout: a module that Node is told to load first (`--import`, in NODE_OPTIONS, so that the broker's
 * threads load it too). With it the one home of versions, src/base/versions.ts, says one more for what the broker speaks with others and for the
 * feature levels that it can work with. Nothing else is changed: all that such a broker does follows from these two numbers.
 */
import { registerHooks } from 'node:module'

const versions = new URL('../../src/base/versions.ts', import.meta.url).href
/** What brokers speak with each other, and the feature levels. */
const ranges = 2

registerHooks({
  load (url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (url !== versions) return loaded
    let raised = 0
    const source = String(loaded.source).replaceAll(/\bmax: (\d+)/g, (_, max: string) => {
      raised++
      return `max: ${Number(max) + 1}`
    })
    if (raised !== ranges) throw new Error(`${versions} has ${raised} ranges of versions where ${ranges} were expected`)
    return { ...loaded, source }
  }
})
