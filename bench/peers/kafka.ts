/**
 * Apache Kafka from Maven Central: its class path, a KRaft node of one, and its tools run by java directly.
 * Tests with Kafka's own clients use the same class path.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { freePort, peersRoot } from '../harness.ts'
import { type Finished, runProgram, Server } from '../process-stats.ts'

export const kafkaVersion = '4.3.1'
const root = join(peersRoot, 'kafka')
const libraries = join(root, 'lib')

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>ringmq</groupId><artifactId>kafka-classpath</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${kafkaVersion}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${kafkaVersion}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.4</version></dependency>
  </dependencies>
</project>
`

const logging = `<Configuration status="error">
  <Appenders><Console name="out" target="SYSTEM_ERR"><PatternLayout pattern="%d %p %m (%c{1})%n"/></Console></Appenders>
  <Loggers><Root level="warn"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
`

/** Returns the class path of Kafka's server and tools, fetched by Maven into .peers/kafka/lib at the first call. */
export async function kafkaClasspath (): Promise<string> {
  const mark = join(libraries, 'complete')
  if (!existsSync(mark) || readFileSync(mark, 'utf8') !== pom) {
    rmSync(libraries, { recursive: true, force: true })
    mkdirSync(libraries, { recursive: true })
    writeFileSync(join(root, 'pom.xml'), pom)
    await runProgram('mvn', ['-q', '-B', '-f', join(root, 'pom.xml'), 'dependency:copy-dependencies', `-DoutputDirectory=${libraries}`, '-DincludeScope=runtime'], { withinMs: 900_000 })
    writeFileSync(join(libraries, 'log4j2.xml'), logging)
    writeFileSync(mark, pom)
  }
  return `${libraries}:${libraries}/*`
}

/** The tools by the names of their scripts in Kafka's own distribution. */
export const kafkaTool = {
  topics: 'org.apache.kafka.tools.TopicCommand',
  configs: 'kafka.admin.ConfigCommand',
  consoleProducer: 'org.apache.kafka.tools.ConsoleProducer',
  consoleConsumer: 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  producerPerformance: 'org.apache.kafka.tools.ProducerPerformance',
  consumerPerformance: 'org.apache.kafka.tools.ConsumerPerformance',
  storage: 'kafka.tools.StorageTool',
  broker: 'kafka.Kafka'
} as const

export interface KafkaToolOptions {
  /** It is killed, and the call fails, after that. Default 2 minutes. */
  readonly withinMs?: number
  readonly input?: string | Uint8Array
  /** Default 512 MB. */
  readonly heapMegabytes?: number
}

/** Runs a class of Kafka's tools to its end. @throws unless it exits 0 in time; the message holds what it printed */
export async function runKafkaTool (tool: keyof typeof kafkaTool, args: readonly string[], options: KafkaToolOptions = {}): Promise<Finished> {
  const classpath = await kafkaClasspath()
  // Output is decoded as text, so the tools must write UTF-8 whatever the machine's locale is.
  return await runProgram('java', [`-Xmx${options.heapMegabytes ?? 512}m`, '-XX:+UseG1GC', '-Dfile.encoding=UTF-8', '-cp', classpath, kafkaTool[tool], ...args],
    { withinMs: options.withinMs ?? 120_000, input: options.input })
}

export interface KafkaNode {
  readonly server: Server
  readonly port: number
}

/** Opens and closes a connection. */
export async function accepts (port: number): Promise<boolean> {
  return await new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true) })
    socket.once('error', () => resolve(false))
  })
}

/**
 * Starts one KRaft node on the loopback with 1 GB of heap; the first start in `dataDir` formats it.
 * Kafka leaves syncing to the kernel unless a topic has `flush.messages=1`.
 */
export async function startKafka (dataDir: string, answers: (port: number) => Promise<boolean> = accepts): Promise<KafkaNode> {
  const classpath = await kafkaClasspath()
  const [port, controllerPort] = [await freePort(), await freePort()]
  const fresh = !existsSync(join(dataDir, 'log', 'meta.properties'))
  mkdirSync(dataDir, { recursive: true })
  const properties = join(dataDir, 'server.properties')
  writeFileSync(properties, [
    'process.roles=broker,controller', 'node.id=1', `controller.quorum.bootstrap.servers=127.0.0.1:${controllerPort}`,
    `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`, `advertised.listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'controller.listener.names=CONTROLLER', 'listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT', 'inter.broker.listener.name=PLAINTEXT',
    `log.dirs=${join(dataDir, 'log')}`, 'num.partitions=1', 'offsets.topic.replication.factor=1', 'offsets.topic.num.partitions=4',
    'transaction.state.log.replication.factor=1', 'transaction.state.log.min.isr=1', 'group.initial.rebalance.delay.ms=0',
    // Space of a deleted topic comes back at once: the runs of a table write tens of GB.
    'log.segment.delete.delay.ms=1000', ''
  ].join('\n'))
  if (fresh) await runKafkaTool('storage', ['format', '--standalone', '--cluster-id', 'cmluZ21xLWJlbmNoLXBlZQ', '-c', properties])
  const server = await Server.start({
    name: 'kafka',
    command: 'java',
    // The flags of Kafka's own start script, with the heap as its default has it.
    args: ['-Xmx1g', '-Xms1g', '-server', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20', '-XX:InitiatingHeapOccupancyPercent=35', '-XX:+ExplicitGCInvokesConcurrent', '-XX:MaxInlineLevel=15', '-Djava.awt.headless=true', '-cp', classpath, kafkaTool.broker, properties],
    logFile: join(dataDir, 'server.log')
  }, async () => await answers(port))
  return { server, port }
}
