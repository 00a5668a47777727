/**
 * This thread's copy of the cluster's metadata, kept current by the controller of this broker. Answers Metadata and finds a
 * partition's actor without leaving the thread. It may be behind what is true by now: a partition decides for itself whether it leads.
 */
import { noNode, type BrokerImage, type ClusterImage, type MetadataChanged, type TopicImage } from '../actors/controller/messages.ts'
import type { NodeId, TopicId } from '../base/ids.ts'

const nobody: ClusterImage = { brokers: [], controller: noNode, self: noNode, featureLevel: 0 }

export class MetadataCache {
  readonly #byName = new Map<string, TopicImage>()
  readonly #byId = new Map<TopicId, TopicImage>()
  readonly #brokers = new Map<NodeId, BrokerImage>()
  #cluster = nobody
  #live: readonly BrokerImage[] = []
  /** False until the controller has sent the first image: before that nothing can be said about any topic. */
  ready = false

  replace (topics: readonly TopicImage[], cluster: ClusterImage): void {
    this.#byName.clear()
    this.#byId.clear()
    for (const topic of topics) this.#set(topic)
    this.#setCluster(cluster)
    this.ready = true
  }

  change ({ topics, deleted, cluster }: MetadataChanged): void {
    if (cluster !== null) this.#setCluster(cluster)
    for (const topic of topics) this.#set(topic)
    for (const id of deleted) {
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

  get cluster (): ClusterImage { return this.#cluster }

  /** Brokers that are not fenced, by ascending id. */
  get live (): readonly BrokerImage[] { return this.#live }

  /** Undefined for one that is not registered. */
  broker (nodeId: NodeId): BrokerImage | undefined { return this.#brokers.get(nodeId) }

  #set (topic: TopicImage): void {
    this.#byName.set(topic.name, topic)
    this.#byId.set(topic.id, topic)
  }

  #setCluster (cluster: ClusterImage): void {
    this.#cluster = cluster
    this.#brokers.clear()
    for (const broker of cluster.brokers) this.#brokers.set(broker.nodeId, broker)
    this.#live = cluster.brokers.filter(({ fenced }) => !fenced).sort((a, b) => a.nodeId - b.nodeId)
  }
}
