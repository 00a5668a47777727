import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { pageWithTable } from '../../scripts/configuration-table.ts'
import { loadClientConfig } from '../../src/base/client-config.ts'
import { isClientFile } from '../../src/base/config-file.ts'
import { brokerConfig, ConfigError, loadConfig, settingFlag, settingNames, settings, settingVariable } from '../../src/base/config.ts'
import { systemLimits } from '../../src/runtime/system-options.ts'

const file = (text: string): { text: string, name: string } => ({ text, name: 'broker.yaml' })

/** The lines of the error that `run` must throw. */
function problemsOf (run: () => unknown): readonly string[] {
  try {
    run()
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  throw new Error('no error')
}

t.test('defaults', async t => {
  const { config, given } = loadConfig({})
  t.match(config, { nodeId: 'broker-1', bindAddr: '127.0.0.1', bindPort: 9092, dataDir: './data', logFlush: 'always', raftRttMs: 50, raftHeartbeatRtt: 2, raftElectionRtt: 10 })
  t.equal(given.size, 0)
  t.same(brokerConfig(), config)
})

t.test('flag over environment over file over default', async t => {
  const environment = { RINGMQ_BIND_PORT: '2', RINGMQ_LOG_FLUSH: 'os', PATH: '/bin' }
  const sources = { file: file('bind_port: 1\nlog: {flush: interval}\nthreads: 3\n'), environment, flags: { bindPort: '3' } }
  const { config, given } = loadConfig(sources)
  t.equal(config.bindPort, 3)
  t.equal(config.logFlush, 'os')
  t.equal(config.threads, 3)
  t.same([...given], [['bindPort', '--bind-port'], ['logFlush', 'environment RINGMQ_LOG_FLUSH'], ['threads', 'broker.yaml']])
})

t.test('a configuration as the original documents it is accepted', async t => {
  const { config } = loadConfig({
    file: file(`
node_id: "broker-1"
bind_addr: "0.0.0.0"
bind_port: 9092
data_dir: "./data/broker-1"
raft:
  rtt_millisecond: 200
  heartbeat_rtt: 5
  election_rtt: 10
  check_quorum: true
  snapshot_entries: 10000
  compaction_overhead: 5000
  max_in_mem_log_size: 67108864  # 64MB
  controller_group_id: 1
  controller_snapshot_freq: 1000
discovery:
  type: "memory"
  endpoints: []
  timeout: "5s"
performance:
  max_batch_size: 500
  max_batch_bytes: 1048576
  batch_timeout: "10ms"
  write_cache_size: 33554432
  read_cache_size: 67108864
  connection_pool_size: 100
  connection_idle_timeout: "5m"
compression_enabled: true
compression_type: "snappy"
compression_threshold: 1024
deduplication_enabled: true
deduplication_ttl: 24
deduplication_max_size: 100000
logging:
  level: "info"
  file: "./logs/broker.log"
  max_size: 100
  max_backups: 10
  max_age: 30
  compress: true
`)
  })
  t.match(config, { raftRttMs: 200, connectionIdleTimeoutMs: 300_000, performanceWriteCacheBytes: 33_554_432, deduplicationTtlMs: 86_400_000, loggingMaxBytes: 1e8, loggingMaxAgeMs: 30 * 86_400_000 })
})

t.test('an unknown key names the nearest known one', async t => {
  t.same(problemsOf(() => loadConfig({ file: file('raft:\n  rtt_milisecond: 3\n') })), ['raft.rtt_milisecond: unknown key in broker.yaml; the nearest known one is raft.rtt_millisecond'])
  t.same(problemsOf(() => loadConfig({ environment: { RINGMQ_DATADIR: 'x' } })), ['RINGMQ_DATADIR: unknown environment variable; the nearest known one is RINGMQ_DATA_DIR'])
  t.same(problemsOf(() => brokerConfig({ bindPrt: 1 } as object)), ['bindPrt: unknown option; the nearest known one is bindPort'])
})

t.test('variables of a Kubernetes service named ringmq are no settings', async t => {
  const environment = { RINGMQ_SERVICE_HOST: '10.0.0.1', RINGMQ_SERVICE_PORT_KAFKA: '9092', RINGMQ_PORT: 'tcp://10.0.0.1:9092', RINGMQ_PORT_9092_TCP_ADDR: '10.0.0.1' }
  t.same(loadConfig({ environment }).config, brokerConfig())
  t.equal(problemsOf(() => loadConfig({ environment: { RINGMQ_PORT: '9092' } })).length, 1)
})

t.test('every wrong value is named with where it came from and what is allowed', async t => {
  const problems = problemsOf(() => loadConfig({ file: file('bind_port: 70000\nlog.segment_bytes: big\n'), environment: { RINGMQ_AUTO_CREATE_TOPICS: 'maybe' }, flags: { logFlush: 'never' } }))
  t.same(problems, [
    'bind_port: 70000 (from broker.yaml) is not allowed; allowed: a whole number from 0 to 65535',
    'auto_create_topics: "maybe" (from environment RINGMQ_AUTO_CREATE_TOPICS) is not allowed; allowed: true or false',
    'log.flush: "never" (from --log-flush) is not allowed; allowed: one of always, interval, os',
    'log.segment_bytes: "big" (from broker.yaml) is not allowed; allowed: a size such as 64KiB, 1MiB or 1GiB (a number alone counts in B), from 1024 to 2147483647 bytes'
  ])
  t.match(problemsOf(() => loadConfig({ flags: { raftElectionRtt: 2 } })), [/more than raft.heartbeat_rtt/])
  t.match(problemsOf(() => loadConfig({ file: file('a: [') })), [/not readable as YAML/])
  t.match(problemsOf(() => loadConfig({ file: file('- 1') })), [/must hold keys and values/])
})

t.test('the largest request that can be allowed crosses between threads, with something to spare', async t => {
  t.equal(problemsOf(() => loadConfig({ flags: { maxRequestBytes: systemLimits.messageBytesMax } })).length, 1)
  const { maxRequestBytes } = loadConfig({ flags: { maxRequestBytes: '127MiB' } }).config
  t.ok(maxRequestBytes + (1 << 20) <= systemLimits.messageBytesMax)
})

t.test('-1 and unlimited lift a limit', async t => {
  for (const value of [-1, '-1', 'unlimited']) t.equal(loadConfig({ flags: { logRetentionMs: value } }).config.logRetentionMs, -1)
  t.equal(problemsOf(() => loadConfig({ flags: { logRetentionMs: -2 } })).length, 1)
})

t.test('inside a program numbers count in the unit of the name, so a checked configuration passes unchanged', async t => {
  const { config } = loadConfig({ file: file('logging: {max_size: 5, max_age: 2}\ndeduplication_ttl: 1\nlog.retention_ms: -1\n') })
  t.same(brokerConfig(config), config)
  t.equal(brokerConfig({ loggingMaxBytes: 5000 }).loggingMaxBytes, 5000)
})

t.test('keys, flags and variables are each one of a kind', async t => {
  for (const nameOf of [settingFlag, settingVariable, (name: (typeof settingNames)[number]) => settings[name].key]) {
    t.equal(new Set(settingNames.map(nameOf)).size, settingNames.length)
  }
})

t.test('no file content makes anything but a configuration or a ConfigError', async t => {
  const key = fc.constantFrom(...settingNames.map(name => settings[name].key as string), 'raft', 'x')
  const content = fc.dictionary(key, fc.jsonValue())
  t.doesNotThrow(() => fc.assert(fc.property(content, tree => {
    try {
      loadConfig({ file: file(JSON.stringify(tree)) })
      return true
    } catch (error) {
      return error instanceof ConfigError && error.problems.length > 0
    }
  })))
})

t.test('the documentation holds the present table', async t => {
  const page = readFileSync('docs/configuration.md', 'utf8')
  t.equal(pageWithTable(page), page, 'run: npm run docs:configuration')
})

t.test('client configuration', async t => {
  const text = JSON.stringify({
    broker_addrs: ['localhost:9092', 'localhost:9093'],
    timeout: '10s',
    log_file: 'logs/client.log',
    command: { type: 'produce', topic: 'test-topic', partition: 0, message: 'Hello', offset: 0, count: 5 }
  })
  t.ok(isClientFile(file(text)))
  t.notOk(isClientFile(file('bind_port: 1')))
  const config = loadClientConfig({ topic: 'other', count: undefined }, file(text))
  t.match(config, { brokerAddrs: ['localhost:9092', 'localhost:9093'], timeoutMs: 10_000, commandType: 'produce', topic: 'other', partition: 0, count: 5, offset: '0' })
  t.match(loadClientConfig({}, undefined), { brokerAddrs: ['127.0.0.1:9092'], partition: -1, count: -1 })
  t.match(problemsOf(() => loadClientConfig({ partition: 'x' }, undefined)), [/command.partition: "x" \(from the command line\)/])
  t.match(problemsOf(() => loadClientConfig({}, file('command: {topik: x}'))), [/nearest known one is command.topic/])
})
