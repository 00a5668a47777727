/**
 * What this program writes and speaks, in one place: who changes a format raises its number here and says in docs/storage.md or
 * docs/controller.md how the older one is still read.
 *
 * A *feature level* stands for everything that all brokers of a cluster must understand before any of them may use it: new kinds of
 * metadata records, new messages between brokers. The controller raises the level of the cluster when every broker can do more, and
 * never lowers it, so that programs of two versions can run side by side while brokers are upgraded one after the other.
 */

/** What brokers speak with each other, behind the hello that opens a connection, both inclusive: two speak the highest that both can. */
export const protocolRange = { min: 1, max: 1 } as const

/** The levels that this program can work with, both inclusive. */
export const featureRange = { min: 1, max: 1 } as const

/** Of a cluster whose metadata log does not say otherwise. */
export const firstFeatureLevel = 1

/** What each level brought. */
export const featureLevels: Readonly<Record<number, string>> = {
  1: 'replicated partitions, a metadata log with brokers, assignments and reassignments'
}
