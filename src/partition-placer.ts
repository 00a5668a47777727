/** How the controller has partitions placed and removed: through the supervisor, as effects that post what came of it. */
import type { PartitionSpec, PartitionsPlaced, PartitionsRemoved, PartitionsStopped, PlacementFailed } from './actors/controller/messages.ts'
import type { Placer as PartitionPlacer } from './actors/controller/options.ts'
import type { Effect, Post } from './base/effect.ts'
import type { PartitionIndex, TopicId } from './base/ids.ts'
import type { Logger } from './base/logger.ts'
import { partitionName, type ReactorSpec } from './places.ts'
import type { Placer } from './runtime/program.ts'

/** @param files  of a topic's partitions: whether there are any; and to remove those of partitions that run no more */
export function partitionPlacer (placer: Placer, logger: Logger, files: {
  exists (topicId: TopicId, partition: PartitionIndex): Promise<boolean>
  remove (topicId: TopicId, partitions: readonly PartitionIndex[]): Promise<void>
}): PartitionPlacer {
  const exists = async (topicId: TopicId, partition: PartitionIndex): Promise<boolean> => await files.exists(topicId, partition).catch(() => false)
  const stop = async (topicId: TopicId, partitions: readonly PartitionIndex[]): Promise<void> => {
    for (const partition of partitions) await placer.remove(partitionName(topicId, partition))
  }
  const effect = (work: (post: Post) => Promise<void>): Effect => ({ run: post => { work(post).catch(error => logger.error({ error }, 'an effect of the controller failed')) } })
  return {
    place: (topicId, wanted) => effect(async post => {
      const partitions: PartitionSpec[] = []
      const absent: PartitionIndex[] = []
      for (const spec of wanted) {
        if (spec.mayBegin || await exists(topicId, spec.partition)) partitions.push(spec)
        else absent.push(spec.partition)
      }
      if (absent.length > 0) post({ kind: 'placement-failed', topicId, partitions: absent, reason: 'there is no log yet' } as PlacementFailed)
      if (partitions.length === 0) return
      try {
        const actors = await Promise.all(partitions.map(async spec =>
          await placer.place(partitionName(topicId, spec.partition), { type: 'partition', ...spec } as ReactorSpec)))
        post({ kind: 'partitions-placed', topicId, partitions: partitions.map(spec => spec.partition), actors } as PartitionsPlaced)
      } catch (error) {
        logger.error({ topicId, error }, 'partitions could not be placed')
        post({ kind: 'placement-failed', topicId, partitions: partitions.map(spec => spec.partition), reason: String(error) } as PlacementFailed)
      }
    }),
    stop: (topicId, partitions) => effect(async post => {
      let stopped = true
      try {
        await stop(topicId, partitions)
      } catch (error) {
        stopped = false
        logger.error({ topicId, partitions, error }, 'partitions that are not to be here any more could not be stopped')
      }
      post({ kind: 'partitions-stopped', topicId, partitions, stopped } as PartitionsStopped)
    }),
    remove: (topicId, partitions) => effect(async post => {
      let removed = true
      try {
        await stop(topicId, partitions)
        await files.remove(topicId, partitions)
      } catch (error) {
        removed = false
        logger.error({ topicId, partitions, error }, 'the files of partitions that are not here any more could not be removed')
      }
      post({ kind: 'partitions-removed', topicId, partitions, removed } as PartitionsRemoved)
    })
  }
}
