/** This thread's copy of the cluster's metadata, kept current by the controller. Answers Metadata and finds a partition's actor without leaving the thread. */
import type { TopicId } from '../base/ids.ts'
import type { MetadataChanged, TopicImage } from '../actors/controller/messages.ts'

export class MetadataCache {
  readonly #byName = new Map<string, TopicImage>()
  readonly #byId = new Map<TopicId, TopicImage>()
  /** False until the controller has sent the first image: before that nothing can be said about any topic. */
  ready = false

  replace (topics: readonly TopicImage[]): void {
    this.#byName.clear()
    this.#byId.clear()
    for (const topic of topics) this.#set(topic)
    this.ready = true
  }

  change (change: MetadataChanged): void {
    for (const topic of change.topics) this.#set(topic)
    for (const id of change.deleted) {
      const topic = this.#byId.get(id)
      if (topic === undefined) continue
      this.#byId.delete(id)
      // The name may belong to a newer topic by now.
      if (this.#byName.get(topic.name) === topic) this.#byName.delete(topic.name)
    }
  }

  topics (): IterableIterator<TopicImage> { return this.#byName.values() }

  byName (name: string): TopicImage | undefined { return this.#byName.get(name) }

  byId (id: string): TopicImage | undefined { return this.#byId.get(id as TopicId) }

  /** By name, or by id where the client's version names topics so: then `name` is empty. */
  find (name: string, id: string): TopicImage | undefined { return name === '' ? this.byId(id) : this.#byName.get(name) }

  #set (topic: TopicImage): void {
    this.#byName.set(topic.name, topic)
    this.#byId.set(topic.id, topic)
  }
}
