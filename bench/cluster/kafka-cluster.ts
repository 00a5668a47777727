/** Three Apache Kafka nodes on the loopback, each broker and controller in one process (KRaft), with the heap and flags of its own start script. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { metadata } from '../../src/protocol/apis/metadata.ts'
import { RawClient } from '../../test/broker/raw-client.ts'
import { type NetworkKind, openNetwork } from '../../test/cluster/network.ts'
import { kafkaClasspath, kafkaTool, runKafkaTool } from '../peers/kafka.ts'
import { Server } from '../process-stats.ts'
import { dataFolder } from '../subjects.ts'
import { type ClusterSubject, cutterOf, nodes } from './subject.ts'

const clusterId = 'cmluZ21xLWJlbmNoLXBlZQ'
/** Kafka's own, in `kafka-server-start.sh` and `kafka-run-class.sh`. */
const flags = ['-Xmx1g', '-Xms1g', '-server', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20', '-XX:InitiatingHeapOccupancyPercent=35', '-XX:+ExplicitGCInvokesConcurrent', '-XX:MaxInlineLevel=15', '-Djava.awt.headless=true']

export async function startKafkaCluster (kind: NetworkKind): Promise<ClusterSubject> {
  const classpath = await kafkaClasspath()
  const folder = dataFolder('cluster-kafka')
  rmSync(folder, { recursive: true, force: true })
  const network = await openNetwork(kind, nodes)
  const { places } = network
  const controllers = places.map(({ raftAddress }, i) => `${i + 1}@${raftAddress}`).join()
  const properties = places.map(({ host, clientPort, raftAddress }, i) => {
    const dataDir = join(folder, `node-${i + 1}`)
    mkdirSync(dataDir, { recursive: true })
    const file = join(dataDir, 'server.properties')
    writeFileSync(file, [
      'process.roles=broker,controller', `node.id=${i + 1}`, `controller.quorum.voters=${controllers}`,
      `listeners=PLAINTEXT://${host}:${clientPort},CONTROLLER://${raftAddress}`, `advertised.listeners=PLAINTEXT://${host}:${clientPort}`,
      'controller.listener.names=CONTROLLER', 'listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT', 'inter.broker.listener.name=PLAINTEXT',
      `log.dirs=${join(dataDir, 'log')}`, 'num.partitions=1', 'offsets.topic.replication.factor=3', 'offsets.topic.num.partitions=4',
      'transaction.state.log.replication.factor=3', 'transaction.state.log.min.isr=2', 'group.initial.rebalance.delay.ms=0', 'log.segment.delete.delay.ms=1000', ''
    ].join('\n'))
    return file
  })
  for (const file of properties) await runKafkaTool('storage', ['format', '--cluster-id', clusterId, '-c', file])
  const addresses = places.map(({ host, clientPort }) => `${host}:${clientPort}`)
  const servers: Array<Server | undefined> = places.map(() => undefined)
  const start = async (index: number): Promise<void> => {
    const [command, ...words] = [...network.wrapper(index), 'java', ...flags, '-cp', classpath, kafkaTool.broker, properties[index]!]
    servers[index] = await Server.start({ name: `kafka ${index + 1}`, command: command!, args: words, logFile: join(folder, `node-${index + 1}`, 'server.log') },
      async () => await answers(addresses[index]!), 120_000)
  }
  const end = async (index: number, signal: NodeJS.Signals, withinMs: number): Promise<void> => {
    await servers[index]?.stop(signal, withinMs)
    servers[index] = undefined
  }
  // One alone is no quorum and does not answer: all are started at once.
  await Promise.all(places.map(async (_, index) => await start(index)))
  return {
    name: 'kafka',
    addresses,
    pidOf: index => servers[index]?.pid,
    kill: async index => await end(index, 'SIGKILL', 15_000),
    pause: index => { process.kill(servers[index]!.pid, 'SIGSTOP') },
    resume: index => { process.kill(servers[index]!.pid, 'SIGCONT') },
    stop: async index => await end(index, 'SIGTERM', 60_000),
    start,
    cutOff: cutterOf(network),
    heal: async () => await network.heal(),
    close: async () => {
      await Promise.all(places.map(async (_, index) => await end(index, 'SIGKILL', 15_000)))
      await network.close()
    }
  }
}

/** Whether it lists a broker. */
async function answers (address: string): Promise<boolean> {
  const client = await RawClient.connect(address, 1000)
  try {
    return (await client.call(metadata, 12, { topics: [], allowAutoTopicCreation: false }, 1000)).brokers.length > 0
  } finally {
    client.close()
  }
}
