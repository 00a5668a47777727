/** create-topic, list-topics, describe-topic, delete-topic. */
import CliTable from 'cli-table3'
import { requireTopic, type Session } from './client-session.ts'

export async function createTopic ({ config, cluster }: Session): Promise<void> {
  const topic = requireTopic(config)
  await cluster.createTopic(topic, config.partitions, config.replicas)
  console.log(`created topic ${topic}: ${plural(config.partitions, 'partition')}, ${plural(config.replicas, 'replica')}`)
}

export async function listTopics ({ cluster }: Session): Promise<void> {
  const topics = (await cluster.topics(null)).sort((a, b) => a.name < b.name ? -1 : 1)
  if (topics.length === 0) return console.log('no topics yet; make one with: ringmq create-topic --topic NAME')
  const table = newTable(['topic', 'partitions', 'replicas', 'id'])
  for (const { name, partitions, id } of topics) table.push([name, partitions.length, partitions[0]?.replicas.length ?? 0, id])
  console.log(table.toString())
}

export async function describeTopic ({ config, cluster }: Session): Promise<void> {
  const topic = await cluster.topic(requireTopic(config))
  const offsets = await cluster.offsets(topic, topic.partitions.map(({ index }) => index))
  const settings = await cluster.topicSettings(topic.name)
  console.log(`topic ${topic.name}  id ${topic.id}  ${plural(topic.partitions.length, 'partition')}`)
  for (const { name, value } of settings) console.log(`  ${name} = ${value}`)
  const table = newTable(['partition', 'leader', 'replicas', 'in sync', 'first offset', 'end offset', 'messages'])
  for (const { index, leader, replicas, inSync } of topic.partitions) {
    const { start, end } = offsets.get(index)!
    table.push([index, leader, replicas.join(' '), inSync.join(' '), start, end, end - start])
  }
  console.log(table.toString())
}

export async function deleteTopic ({ config, cluster }: Session): Promise<void> {
  const topic = requireTopic(config)
  await cluster.deleteTopic(topic)
  console.log(`deleted topic ${topic}`)
}

const newTable = (head: string[]): InstanceType<typeof CliTable> => new CliTable({ head, style: { head: [], border: [], compact: true } })
const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`
