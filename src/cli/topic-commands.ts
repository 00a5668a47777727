/** create-topic, list-topics, describe-topic, delete-topic. */
import { BrokerError } from '../client/broker-error.ts'
import { type Cluster, type OffsetRange, type TopicInfo, retrying } from '../client/cluster.ts'
import { requireTopic, type Session } from './client-session.ts'
import { newTable, plural } from './table.ts'

export async function createTopic ({ config, cluster }: Session): Promise<void> {
  const topic = requireTopic(config)
  await cluster.createTopic(topic, config.partitions, config.replicas)
  console.log(`created topic ${topic}: ${plural(config.partitions, 'partition')}, ${plural(config.replicas, 'replica')}`)
  if (config.replicas === 2) console.error('note: of 2 replicas both must agree, so the loss of either stops the topic; with 3 one may fail')
}

export async function listTopics ({ cluster }: Session): Promise<void> {
  const topics = (await cluster.topics(null)).sort((a, b) => a.name < b.name ? -1 : 1)
  if (topics.length === 0) return console.log('no topics yet; make one with: ringmq create-topic --topic NAME')
  const table = newTable(['topic', 'partitions', 'replicas', 'id'])
  for (const { name, partitions, id } of topics) table.push([name, partitions.length, partitions[0]?.replicas.length ?? 0, id])
  console.log(table.toString())
}

export async function describeTopic ({ config, cluster }: Session): Promise<void> {
  const { topic, offsets } = await topicWithOffsets(cluster, requireTopic(config))
  const settings = await cluster.topicSettings(topic.name)
  console.log(`topic ${topic.name}  id ${topic.id}  ${plural(topic.partitions.length, 'partition')}`)
  for (const { name, value } of settings) console.log(`  ${name} = ${value}`)
  const table = newTable(['partition', 'leader', 'epoch', 'replicas', 'in sync', 'first offset', 'end offset', 'messages'])
  for (const { index, leader, leaderEpoch, replicas, inSync, offline } of topic.partitions) {
    const range = offsets.get(index)
    const shown = replicas.map(id => offline.includes(id) ? `${id} (down)` : String(id)).join(' ')
    table.push([index, leader < 0 ? 'none' : leader, leaderEpoch < 0 ? '' : leaderEpoch, shown, inSync.join(' '), range?.start ?? '', range?.end ?? '', range === undefined ? '' : range.end - range.start])
  }
  console.log(table.toString())
}

/** A partition without a leader has no offsets to tell; one whose leader has just changed is asked again. */
async function topicWithOffsets (cluster: Cluster, name: string): Promise<{ topic: TopicInfo, offsets: Map<number, OffsetRange> }> {
  return await retrying(cluster.timeoutMs, async () => {
    const topic = (await cluster.topics([name]))[0]!
    const led = topic.partitions.filter(({ leader }) => leader >= 0).map(({ index }) => index)
    return { topic, offsets: await cluster.offsets(topic, led) }
  }, error => error instanceof BrokerError && error.canRetry && error.code !== 'UNKNOWN_TOPIC_OR_PARTITION')
}

export async function deleteTopic ({ config, cluster }: Session): Promise<void> {
  const topic = requireTopic(config)
  await cluster.deleteTopic(topic)
  console.log(`deleted topic ${topic}`)
}
