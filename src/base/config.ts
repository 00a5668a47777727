/**
 * The one list of broker settings: each with its key (file), flag, environment variable, default, allowed values and meaning.
 * Precedence: flag, environment, file, default.
 */
import { type ConfigFile, readConfigFile } from './config-file.ts'
import { nearest } from './nearest.ts'
import { address, boolean, checkValues, ConfigError, duration, endpoints, type Given, integer, maxInt32, nodeName, oneOf, orUnlimited, type Setting, setting, size, text, type Values } from './setting.ts'

export { ConfigError }

/** A request goes to another thread in one message, which may have 128 MiB with what it says besides. */
const requestBytesMax = 127 * 1024 * 1024

export const settings = {
  nodeId: setting('node_id', 'broker-1', nodeName, 'Name of this node, unique in a cluster'),
  bindAddr: setting('bind_addr', '127.0.0.1', text('an IP address or host name'), 'Address that clients connect to'),
  bindPort: setting('bind_port', 9092, integer(0, 65535), 'Port for Kafka clients and HTTP; 0 takes a free one'),
  advertisedAddr: setting('advertised_addr', '', text('a host name or IP address, or empty'), 'Address told to clients; empty: `bind_addr`, or the host name where that is a wildcard'),
  advertisedPort: setting('advertised_port', 0, integer(0, 65535), 'Port told to clients; 0: the port that was bound'),
  dataDir: setting('data_dir', './data', text('a folder, or "memory"'), 'Folder of all data; `memory` keeps everything in this process'),
  logDir: setting('log_dir', '', text('a folder, or empty'), 'Folder for `ringmq.log`; empty: log lines go to stderr'),
  threads: setting('threads', 0, integer(0, 256), 'Reactor threads; 0: one per core'),
  maxConnections: setting('max_connections', 20000, integer(1, 1_000_000), 'Connections at one time; more are closed at once'),
  maxRequestBytes: setting('max_request_bytes', '100MiB', size(1024, requestBytesMax), 'Largest request; a larger one closes its connection'),
  messageMaxBytes: setting('message_max_bytes', 1048588, size(1, maxInt32), 'Largest record batch'),
  autoCreateTopics: setting('auto_create_topics', true, boolean, 'Create a topic when a client first asks for it'),
  numPartitions: setting('num_partitions', 1, integer(1, 10_000), 'Partitions of a topic that was created without saying how many'),

  logFlush: setting('log.flush', 'always', oneOf('always', 'interval', 'os'), 'When an acknowledged write is on disk: before the answer, within `log.flush_interval_ms`, or when the system writes it'),
  logFlushIntervalMs: setting('log.flush_interval_ms', '1s', duration(1), 'Longest time without a sync under `log.flush: interval`'),
  logSegmentBytes: setting('log.segment_bytes', '1GiB', size(1024, maxInt32), 'A segment file this large is followed by a new one'),
  logIndexIntervalBytes: setting('log.index_interval_bytes', '4KiB', size(64, maxInt32), 'Bytes of log per entry of the offset and time indexes'),
  logRetentionMs: setting('log.retention_ms', '7d', orUnlimited(duration(1)), 'Age after which a segment is deleted'),
  logRetentionBytes: setting('log.retention_bytes', -1, orUnlimited(size(0, Number.MAX_SAFE_INTEGER)), 'Size per partition above which the oldest segment is deleted'),

  performanceWriteCacheBytes: setting('performance.write_cache_size', '16MiB', size(2 ** 20, 2 ** 40), 'Memory for writes on their way to disk and for the newest records, all threads together'),
  performanceReadCacheBytes: setting('performance.read_cache_size', '64MiB', size(2 ** 20, 2 ** 40), 'Memory for reads on their way to clients, all threads together'),
  connectionIdleTimeoutMs: setting('performance.connection_idle_timeout', '10m', duration(1000), 'A connection idle for this long is closed; clients close theirs after 9 minutes, so that they never meet a closed one'),
  performanceMaxBatchSize: setting('performance.max_batch_size', 500, integer(1, 1_000_000), 'Entries in one message to a follower', 'never'),
  performanceMaxBatchBytes: setting('performance.max_batch_bytes', '1MiB', size(1024, maxInt32), 'Bytes in one message to a follower'),
  performanceBatchTimeoutMs: setting('performance.batch_timeout', '10ms', duration(0), 'Longest wait for more entries to a follower', 'never'),
  performanceConnectionPoolSize: setting('performance.connection_pool_size', 100, integer(1, 100_000), 'Connections to other brokers', 'never'),

  loggingLevel: setting('logging.level', 'info', oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'), 'Least important log lines that are written'),
  loggingFile: setting('logging.file', '', text('a file, or empty'), 'Log file, instead of `ringmq.log` in `log_dir`'),
  loggingMaxBytes: setting('logging.max_size', 100, size(4096, 2 ** 40, 'MB'), 'A log file this large is set aside and a new one begun'),
  loggingMaxBackups: setting('logging.max_backups', 10, integer(0, 10_000), 'Log files kept beside the current one'),
  loggingMaxAgeMs: setting('logging.max_age', 30, duration(0, 'd'), 'Age after which a log file set aside is deleted; 0: never'),
  loggingCompress: setting('logging.compress', true, boolean, 'Compress log files set aside (gzip)'),

  raftAddr: setting('raft_addr', '', address, 'Address for other brokers; needed in a cluster'),
  advertisedRaftAddr: setting('advertised_raft_addr', '', address, 'Address told to other brokers; empty: `raft_addr`, with the host name where that is a wildcard'),
  rack: setting('rack', '', text('a name, or empty'), 'Where the broker stands: the replicas of a partition are spread over racks'),
  clusterName: setting('cluster_name', 'default', nodeName, 'Tells clusters that share an etcd apart'),
  enableFollowerRead: setting('enable_follower_read', false, boolean, 'Let followers answer fetches'),
  raftRttMs: setting('raft.rtt_millisecond', 50, duration(1), 'Unit of the Raft clock'),
  raftHeartbeatRtt: setting('raft.heartbeat_rtt', 2, integer(1, 1000), 'Raft clock units between heartbeats'),
  raftElectionRtt: setting('raft.election_rtt', 10, integer(2, 10_000), 'Raft clock units without a leader before an election; more than `raft.heartbeat_rtt`'),
  defaultReplicationFactor: setting('default_replication_factor', 1, integer(1, 7), 'Replicas of a topic that was created without saying how many'),
  controllerVoters: setting('controller_voters', 3, integer(1, 5), 'Brokers that vote in the metadata group; the others learn'),
  brokerSessionMs: setting('broker_session_timeout', '6s', duration(500), 'A broker that its cluster has not heard of for this long gets no partitions and leads none'),
  replicaLagMsMax: setting('replica_lag_max', '30s', duration(100), 'A follower that has not held what its leader holds for this long is not in sync'),
  replicationThrottleBytes: setting('replication_throttle', -1, orUnlimited(size(2 ** 16, 2 ** 50)), 'Bytes a second that this broker reads for followers that are not in sync, all of them together'),
  raftCheckQuorum: setting('raft.check_quorum', true, boolean, 'A leader that cannot reach a majority steps down'),
  raftSnapshotEntries: setting('raft.snapshot_entries', 10000, integer(0, maxInt32), 'Changes of the metadata between their snapshots, if fewer than `raft.controller_snapshot_freq`; 0: not counted'),
  raftCompactionOverhead: setting('raft.compaction_overhead', 5000, integer(0, maxInt32), 'Changes of the metadata kept in their log below the older of two snapshots, for brokers that lag'),
  raftMaxInMemLogBytes: setting('raft.max_in_mem_log_size', '64MiB', size(1024, 2 ** 40), 'Memory for entries that followers still need', 'never'),
  raftControllerGroupId: setting('raft.controller_group_id', 1, integer(1, maxInt32), 'Number of the metadata Raft group', 'never'),
  raftControllerSnapshotFreq: setting('raft.controller_snapshot_freq', 1000, integer(1, maxInt32), 'Changes of the metadata between their snapshots'),
  discoveryType: setting('discovery.type', 'memory', oneOf('memory', 'etcd'), 'How brokers find each other'),
  discoveryEndpoints: setting('discovery.endpoints', '', endpoints, 'etcd, or with `memory` the `raft_addr` of each broker that founds the cluster'),
  discoveryTimeoutMs: setting('discovery.timeout', '5s', duration(1), 'Longest wait for one answer of etcd or of another broker before the cluster is joined'),

  compressionEnabled: setting('compression_enabled', false, boolean, 'Compress batches that arrive uncompressed', 'delivery'),
  compressionType: setting('compression_type', 'snappy', oneOf('gzip', 'zlib', 'snappy', 'lz4', 'zstd'), 'Codec for that', 'delivery'),
  compressionThresholdBytes: setting('compression_threshold', 1024, size(0, maxInt32), 'Smaller batches stay as they are', 'delivery'),
  deduplicationEnabled: setting('deduplication_enabled', false, boolean, 'Drop messages whose content was seen before', 'delivery'),
  deduplicationTtlMs: setting('deduplication_ttl', 24, duration(1, 'h'), 'How long content is remembered', 'delivery'),
  deduplicationMaxSize: setting('deduplication_max_size', 100000, integer(1, maxInt32), 'How many contents are remembered', 'delivery')
} as const satisfies Record<string, Setting>

export type SettingName = keyof typeof settings
/** Checked values by name: durations in ms, sizes in bytes, -1 where a limit is off. */
export type BrokerConfig = Values<typeof settings>

export const settingNames = Object.keys(settings) as readonly SettingName[]
export const settingFlag = (name: SettingName): string => '--' + settings[name].key.replaceAll(/[._]/g, '-')
export const settingVariable = (name: SettingName): string => 'RINGMQ_' + settings[name].key.replaceAll('.', '_').toUpperCase()
const nameByVariable = new Map(settingNames.map(name => [settingVariable(name), name]))

export interface ConfigSources {
  /** Values of flags by setting name. */
  readonly flags?: Partial<Record<SettingName, unknown>>
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly file?: ConfigFile | undefined
}

export interface LoadedConfig {
  readonly config: BrokerConfig
  /** Settings that were given and not left at their default, with where from. */
  readonly given: ReadonlyMap<SettingName, string>
}

/** Returns the settings that the sources give together. @throws ConfigError naming each wrong key, its value and what is allowed */
export function loadConfig (sources: ConfigSources): LoadedConfig {
  const problems: string[] = []
  const given = sources.file === undefined ? new Map<string, Given>() : readConfigFile(sources.file, settings, problems)
  readEnvironment(sources.environment ?? {}, given, problems)
  for (const [name, value] of Object.entries(sources.flags ?? {})) {
    if (value !== undefined) given.set(name, { value, from: settingFlag(name as SettingName) })
  }
  const config = check(given, problems)
  return { config, given: new Map([...given].map(([name, { from }]) => [name as SettingName, from])) }
}

/**
 * Returns a whole configuration from some values by name, the rest at their defaults: for a broker inside another program.
 * A number counts in the unit that its name ends with, so a configuration that was checked before passes unchanged.
 *
 * @throws ConfigError
 */
export function brokerConfig (options: Partial<Record<SettingName, unknown>> = {}): BrokerConfig {
  const problems: string[] = []
  const given = new Map<string, Given>()
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(settings, name)) problems.push(`${name}: unknown option; the nearest known one is ${nearest(name, settingNames)}`)
    else if (value !== undefined) given.set(name, { value: withUnit(value, settings[name as SettingName].unit), from: `option ${name}` })
  }
  return check(given, problems)
}

const withUnit = (value: unknown, unit: string | undefined): unknown => typeof value === 'number' && value >= 0 && unit !== undefined ? `${value}${unit}` : value

function check (given: ReadonlyMap<string, Given>, problems: string[]): BrokerConfig {
  const config = checkValues(settings, given, problems)
  const { raftHeartbeatRtt: heartbeat, raftElectionRtt: election } = config
  if (problems.length === 0 && election <= heartbeat) {
    problems.push(`raft.election_rtt: ${election} is not allowed; allowed: more than raft.heartbeat_rtt, which is ${heartbeat}`)
  }
  if (problems.length === 0) checkDiscovery(config, problems)
  if (problems.length > 0) throw new ConfigError(problems)
  return config
}

function checkDiscovery ({ discoveryType, discoveryEndpoints, raftAddr, dataDir }: BrokerConfig, problems: string[]): void {
  const byEtcd = discoveryType === 'etcd'
  if (byEtcd && discoveryEndpoints.length === 0) problems.push('discovery.endpoints: "" is not allowed; allowed: at least one address of etcd, as discovery.type is etcd')
  if (!byEtcd && discoveryEndpoints.length === 0) return
  const cause = `as ${byEtcd ? 'discovery.type is etcd' : 'discovery.endpoints names other brokers'}`
  if (raftAddr === '') problems.push(`raft_addr: "" is not allowed; allowed: HOST:PORT, ${cause}`)
  if (dataDir === 'memory') problems.push(`data_dir: "memory" is not allowed; allowed: a folder, ${cause}: a broker that forgets what it voted for must not vote`)
}

/** What Kubernetes sets in every container for a service of this name: no settings of ours. */
const serviceVariable = /^RINGMQ_(\w+_)?(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP)(_\w+)?|PORT=(tcp|udp):.*)(=|$)/

function readEnvironment (environment: Readonly<Record<string, string | undefined>>, given: Map<string, Given>, problems: string[]): void {
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith('RINGMQ_') || value === undefined) continue
    const name = nameByVariable.get(variable)
    if (name !== undefined) given.set(name, { value, from: `environment ${variable}` })
    else if (!serviceVariable.test(`${variable}=${value}`)) problems.push(`${variable}: unknown environment variable; the nearest known one is ${nearest(variable, nameByVariable.keys())}`)
  }
}
