/** Topics of three copies, and what brokers say of them. */
import { type ClusterClient, type PartitionState, sleep } from '../../test/cluster/cluster-client.ts'

const withinMs = 180_000

/** What each broker that answers says of a topic, by broker. */
export async function viewsOf (client: ClusterClient, addresses: readonly string[], topic: string): Promise<PartitionState[][]> {
  const views = await Promise.all(addresses.map(async address => {
    const { topics } = await client.metadataFrom(address, [topic]).catch(() => ({ topics: [] }))
    return topics[0]?.errorCode === 0 ? topics[0].partitions : undefined
  }))
  return views.filter(view => view !== undefined)
}

const isLed = ({ leaderId, errorCode }: PartitionState): boolean => leaderId >= 0 && errorCode === 0

/** Resolves when all brokers agree that each partition has a leader and three replicas in sync. */
export async function wholeTopic (client: ClusterClient, addresses: readonly string[], topic: string, partitions: number): Promise<void> {
  await eventually(`${topic} is whole`, async () => {
    const views = await viewsOf(client, addresses, topic)
    return views.length === addresses.length && views.every(view => view.length === partitions && view.every(each => isLed(each) && each.isrNodes.length === 3))
  })
}

/** Makes one and waits until it is whole. @returns after how many ms every partition had a leader in the eyes of every broker */
export async function topicWithThree (client: ClusterClient, addresses: readonly string[], topic: string, partitions: number): Promise<number> {
  const started = performance.now()
  await client.createTopic(topic, partitions, 3, { 'min.insync.replicas': '2' }, withinMs)
  await eventually(`${topic} is led`, async () => {
    const views = await viewsOf(client, addresses, topic)
    return views.length === addresses.length && views.every(view => view.length === partitions && view.every(isLed))
  })
  const tookMs = performance.now() - started
  await wholeTopic(client, addresses, topic, partitions)
  return tookMs
}

/** Index of the broker that leads a partition. */
export async function leaderIndex (client: ClusterClient, addresses: readonly string[], topic: string, partition: number): Promise<number> {
  let found = -1
  await eventually(`${topic}/${partition} has a leader`, async () => {
    const { brokers, topics } = await client.metadata([topic])
    const leader = brokers.find(({ nodeId }) => nodeId === topics[0]?.partitions.find(({ index }) => index === partition)?.leaderId)
    found = leader === undefined ? -1 : addresses.indexOf(`${leader.host}:${leader.port}`)
    return found !== -1
  })
  return found
}

export async function eventually (what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + withinMs
  while (!await holds().catch(() => false)) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`)
    await sleep(20)
  }
}
