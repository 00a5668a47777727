/** How the controller has partitions placed and removed: through the supervisor, as effects that post what came of it. */
import type { PartitionsPlaced, PartitionsRemoved, PlacementFailed } from './actors/controller/messages.ts'
import type { Placer as PartitionPlacer } from './actors/controller/options.ts'
import type { Effect, Post } from './base/effect.ts'
import type { PartitionIndex, TopicId } from './base/ids.ts'
import type { Logger } from './base/logger.ts'
import { partitionName, type ReactorSpec } from './places.ts'
import type { Placer } from './runtime/program.ts'

/** @param removeFiles  of a topic's partitions, which run no more */
export function partitionPlacer (placer: Placer, logger: Logger, removeFiles: (topicId: TopicId, partitions: readonly PartitionIndex[]) => Promise<void>): PartitionPlacer {
  const effect = (work: (post: Post) => Promise<void>): Effect => ({ run: post => { work(post).catch(error => logger.error({ error }, 'an effect of the controller failed')) } })
  return {
    place: (topicId, partitions) => effect(async post => {
      try {
        const actors = await Promise.all(partitions.map(async spec =>
          await placer.place(partitionName(topicId, spec.partition), { type: 'partition', ...spec } as ReactorSpec)))
        post({ kind: 'partitions-placed', topicId, partitions: partitions.map(spec => spec.partition), actors } as PartitionsPlaced)
      } catch (error) {
        logger.error({ topicId, error }, 'partitions could not be placed')
        post({ kind: 'placement-failed', topicId, partitions: partitions.map(spec => spec.partition), reason: String(error) } as PlacementFailed)
      }
    }),
    remove: (topicId, partitions) => effect(async post => {
      let removed = true
      try {
        for (const partition of partitions) await placer.remove(partitionName(topicId, partition))
        await removeFiles(topicId, partitions)
      } catch (error) {
        removed = false
        logger.error({ topicId, partitions, error }, 'the files of partitions that are not here any more could not be removed')
      }
      post({ kind: 'partitions-removed', topicId, partitions, removed } as PartitionsRemoved)
    })
  }
}
