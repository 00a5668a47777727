/**
 * Keeps the network actors' copies of the metadata current. A change is published at the end of the turn, as many come together, or just
 * before the answer to who asked for it.
 */
import type { Message } from '../../base/effect.ts'
import type { ActorId, TopicId } from '../../base/ids.ts'
import type { Outbox } from '../../runtime/actor.ts'
import { topicImage, type ImageSources } from './image.ts'
import type { ClusterImage, SubscribeMetadata, TopicImage } from './messages.ts'

export interface PublisherOptions {
  readonly edges: readonly ActorId[]
  readonly sources: ImageSources
  readonly cluster: () => ClusterImage
}

export class Publisher {
  readonly #options: PublisherOptions
  readonly #changed = new Set<TopicId>()
  #deleted: TopicId[] = []
  #clusterChanged = false
  #begun = false
  /** Edges that asked too early, by their id: a listener that opened now would meet clients that nobody can serve yet. */
  readonly #early = new Map<ActorId, SubscribeMetadata>()

  constructor (options: PublisherOptions) {
    this.#options = options
  }

  get begun (): boolean {
    return this.#begun
  }

  /** What is known now may be told to clients. */
  begin (out: Outbox): void {
    this.#begun = true
    this.#forgetChanges()
    const image = { topics: this.#images(this.#options.sources.state.topics.keys()), cluster: this.#options.cluster() }
    for (const edge of this.#options.edges) out.tell(edge, { kind: 'metadata-replaced', ...image } as Message)
    for (const early of this.#early.values()) this.#answer(early, out)
    this.#early.clear()
  }

  subscribe (request: SubscribeMetadata, out: Outbox): void {
    if (this.#begun) this.#answer(request, out)
    else this.#early.set(request.replyTo, request)
  }

  topic (id: TopicId, out: Outbox): void {
    this.#changed.add(id)
    out.turnEnd()
  }

  deleted (id: TopicId, out: Outbox): void {
    this.#changed.delete(id)
    this.#deleted.push(id)
    out.turnEnd()
  }

  cluster (out: Outbox): void {
    this.#clusterChanged = true
    out.turnEnd()
  }

  /** @returns the topics that were published */
  publish (out: Outbox): TopicId[] {
    const ids = [...this.#changed]
    if (ids.length === 0 && this.#deleted.length === 0 && !this.#clusterChanged) return ids
    if (this.#begun) {
      const { cluster, edges } = this.#options
      const message = { kind: 'metadata-changed', topics: this.#images(ids), deleted: this.#deleted, cluster: this.#clusterChanged ? cluster() : null } as Message
      for (const edge of edges) out.tell(edge, message)
    }
    this.#forgetChanges()
    return ids
  }

  #forgetChanges (): void {
    this.#changed.clear()
    this.#deleted = []
    this.#clusterChanged = false
  }

  #images (ids: Iterable<TopicId>): TopicImage[] {
    const { sources } = this.#options
    const images: TopicImage[] = []
    for (const id of ids) {
      const topic = sources.state.topics.get(id)
      if (topic !== undefined) images.push(topicImage(topic, sources))
    }
    return images
  }

  #answer ({ replyTo, correlation }: SubscribeMetadata, out: Outbox): void {
    const topics = this.#images(this.#options.sources.state.topics.keys())
    out.tell(replyTo, { kind: 'metadata-image', correlation, topics, cluster: this.#options.cluster() } as Message)
  }
}
