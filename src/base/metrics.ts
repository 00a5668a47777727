/**
 * Every metric of the broker, declared once, each with its words in one SharedArrayBuffer:
 *
 *   row 0 (main)      | requests 0 … 127 | bytesIn | bytesOut | connections | …
 *   row 1 (reactor 0) | requests 0 … 127 | bytesIn | …
 *
 * A row has one writer, its thread, so a count is a plain load and store; the page sums the rows. A reader may see a
 * value that is a moment old, never a torn one: an aligned 64-bit word is written at once on every platform Node runs on.
 */
export type MetricKind = 'counter' | 'gauge' | 'histogram'

export interface Metric {
  readonly kind: MetricKind
  /** Prometheus name without the prefix `ringmq_`. */
  readonly name: string
  readonly help: string
  /** First word in a row; a label value or bucket adds its index. */
  readonly slot: number
  /** Words in a row. A histogram has one per bound, one above the last, and the sum. */
  readonly width: number
  readonly label: { readonly name: string, readonly values: readonly string[] } | undefined
  /** Upper inclusive bounds of a histogram's buckets, ascending. */
  readonly bounds: readonly number[]
  /** Shown for each thread too, not only as the sum. */
  readonly perThread: boolean
}

interface Options { readonly perThread?: boolean }
const declared: Metric[] = []
let nextSlot = 0

function declare (kind: MetricKind, name: string, help: string, width: number, more: Partial<Metric> & Options): Metric {
  const metric: Metric = { kind, name, help, slot: nextSlot, width, label: more.label, bounds: more.bounds ?? [], perThread: more.perThread ?? false }
  nextSlot += width
  declared.push(metric)
  return metric
}
const counter = (name: string, help: string, options: Options = {}): Metric => declare('counter', name, help, 1, options)
const gauge = (name: string, help: string, options: Options = {}): Metric => declare('gauge', name, help, 1, options)
const histogram = (name: string, help: string, bounds: readonly number[]): Metric => declare('histogram', name, help, bounds.length + 2, { bounds })
const counters = (name: string, help: string, label: string, values: readonly string[], options: Options = {}): Metric =>
  declare('counter', name, help, values.length, { ...options, label: { name: label, values } })

/** Kafka's keys 0–95 and our own 10000–10063 have a word each; {@link apiIndex} finds it. */
const ownApiKey = 10000
const apiKeys = [...Array.from({ length: 96 }, (_, key) => String(key)), ...Array.from({ length: 64 }, (_, index) => String(ownApiKey + index))]
/** Index of an API key under the label of `requests`; a key outside both ranges counts as key 95. */
export const apiIndex = (key: number): number => key >= 0 && key < 96 ? key : key >= ownApiKey && key < ownApiKey + 64 ? 96 + key - ownApiKey : 95

/** Why an answer carried an error. Coarse on purpose: each class asks somebody else to act. */
export const errorClasses = ['retriable', 'client', 'corrupt', 'too-large', 'unsupported', 'storage', 'defect'] as const
export type ErrorClass = (typeof errorClasses)[number]
export const errorIndex = (name: ErrorClass): number => errorClasses.indexOf(name)

/** Why another broker's connection or question was refused: the numbers are those of the protocol, see net/peers/frames.ts. */
export const peerRefusalReasons = ['other', 'malformed', 'version', 'cluster', 'member', 'full', 'unavailable', 'late'] as const
/**
 * Why a message between brokers was dropped: too much has not left, there is no connection, it ended before the message had left,
 * the group or the member is not known (any more), it is larger than may be sent.
 */
export const peerDropReasons = ['unsent', 'closed', 'lost', 'no-group', 'no-peer', 'too-large'] as const

const latencySeconds = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2]

export const metrics = {
  requests: counters('requests_total', 'Requests answered, by API', 'api', apiKeys),
  errors: counters('errors_total', 'Errors answered or met, by class', 'class', errorClasses),
  bytesIn: counter('received_bytes_total', 'Bytes read from connections', { perThread: true }),
  bytesOut: counter('sent_bytes_total', 'Bytes written to connections', { perThread: true }),
  connections: gauge('connections', 'Open connections', { perThread: true }),
  connectionsOpened: counter('connections_opened_total', 'Connections accepted'),
  connectionsRefused: counter('connections_refused_total', 'Connections closed at once because there were too many'),
  malformedFrames: counter('malformed_frames_total', 'Connections closed for bytes that are no request'),
  readsPaused: counter('reads_paused_total', 'Times a connection was not read for want of credit'),

  produceSeconds: histogram('produce_seconds', 'From a produce request read to its answer written', latencySeconds),
  fetchSeconds: histogram('fetch_seconds', 'From a fetch request read to its answer written, waiting for data included', latencySeconds),

  appendedBatches: counter('appended_batches_total', 'Record batches appended', { perThread: true }),
  appendedRecords: counter('appended_records_total', 'Records appended', { perThread: true }),
  appendedBytes: counter('appended_bytes_total', 'Bytes of record batches appended', { perThread: true }),
  duplicateBatches: counter('duplicate_batches_total', 'Batches of an idempotent producer that were there already'),
  groupCommitBytes: histogram('group_commit_bytes', 'Bytes in one group write', [1024, 4096, 16384, 65536, 262144, 1048576, 4194304]),
  syncSeconds: histogram('sync_seconds', 'Time of one write with its sync', latencySeconds),
  fetchedMemoryBytes: counter('fetched_memory_bytes_total', 'Bytes of fetches answered from the tail in memory'),
  fetchedFileBytes: counter('fetched_file_bytes_total', 'Bytes of fetches read from segment files'),
  logBytes: gauge('log_bytes', 'Bytes of the logs of all partitions here', { perThread: true }),
  openFiles: gauge('open_files', 'Segment and index files open'),
  damagedSegments: counter('damaged_segments_total', 'Closed segments found damaged on disk'),
  refusingPartitions: gauge('refusing_partitions', 'Partitions that take no writes because their disk is full or fails'),
  replicatedRecords: counter('replicated_records_total', 'Records that followers here took from their leaders'),
  replicatedBytes: counter('replicated_bytes_total', 'Bytes of record batches that followers here took from their leaders', { perThread: true }),
  leaderPartitions: gauge('leader_partitions', 'Partitions whose leader is here'),
  elections: counter('elections_total', 'Elections that groups here have begun'),
  discoveryRegistered: gauge('discovery_registered', 'Whether other brokers can find this one in etcd'),
  discoveryFailures: counter('discovery_failures_total', 'Rounds that etcd did not answer'),
  quarantinedPartitions: gauge('quarantined_partitions', 'Partitions not served because their log is damaged'),

  partitions: gauge('partitions', 'Partitions placed here', { perThread: true }),
  partitionMoves: counter('partition_moves_total', 'Partitions moved to another thread'),
  actorRestarts: counter('actor_restarts_total', 'Actors restarted after a defect', { perThread: true }),
  threadRestarts: counter('thread_restarts_total', 'Threads replaced'),
  mailboxRefusals: counter('mailbox_refusals_total', 'Messages refused because the mailbox was full or its actor not there', { perThread: true }),
  ringFull: counter('ring_full_total', 'Times a frame waited because the ring to another thread was full', { perThread: true }),
  ringMessages: counter('ring_messages_total', 'Messages sent to another thread', { perThread: true }),
  doorbellRings: counter('doorbell_rings_total', 'Times a sleeping thread was woken', { perThread: true }),
  groupMembers: gauge('group_members', 'Members of consumer groups'),

  peerBytesIn: counter('peer_received_bytes_total', 'Bytes read from other brokers', { perThread: true }),
  peerBytesOut: counter('peer_sent_bytes_total', 'Bytes written to other brokers', { perThread: true }),
  peerConnections: gauge('peer_connections', 'Connections that other brokers have made to this one', { perThread: true }),
  peerLinks: gauge('peer_links', 'Connections to other brokers that are open', { perThread: true }),
  peersDown: gauge('peers_down', 'Other brokers that do not answer'),
  peerDropped: counters('peer_dropped_messages_total', 'Messages between brokers that were dropped, by reason', 'reason', peerDropReasons),
  peerRefusals: counters('peer_refusals_total', 'Connections and questions of other brokers that were refused, by reason', 'reason', peerRefusalReasons),

  loopLagSeconds: gauge('event_loop_lag_seconds', 'How late the last beat of the thread was', { perThread: true }),
  loopUtilization: gauge('event_loop_utilization_ratio', 'Share of time the thread was busy since the last beat', { perThread: true })
} as const satisfies Record<string, Metric>

/** All metrics in the order of their words. */
export const metricList: readonly Metric[] = declared

/** Rows begin on cache lines of their own (128 bytes, as prefetchers fetch pairs), or two writers would slow each other. */
const wordsPerRow = Math.ceil(nextSlot / 16) * 16

/** Returns the zeroed words of `rows` threads: row 0 for main, row 1 + n for reactor n. */
export function createMetrics (rows: number): SharedArrayBuffer {
  return new SharedArrayBuffer(rows * wordsPerRow * Float64Array.BYTES_PER_ELEMENT)
}

/** One thread's words. Only that thread may call anything but `at`. */
export class MetricRow {
  readonly #words: Float64Array

  constructor (shared: SharedArrayBuffer, row: number) {
    this.#words = new Float64Array(shared, row * wordsPerRow * Float64Array.BYTES_PER_ELEMENT, wordsPerRow)
  }

  /** @param index  of the label value, see {@link apiIndex} and {@link errorIndex} */
  add (metric: Metric, count = 1, index = 0): void {
    this.#words[metric.slot + index]! += count
  }

  set (metric: Metric, value: number): void {
    this.#words[metric.slot] = value
  }

  /** Counts `value` in a histogram: seconds, bytes or a number, as its name says. */
  observe (metric: Metric, value: number): void {
    const { bounds, slot } = metric
    let bucket = 0
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++
    this.#words[slot + bucket]! += 1
    this.#words[slot + bounds.length + 1]! += value
  }

  at (metric: Metric, index = 0): number {
    return this.#words[metric.slot + index]!
  }

  /** For the thread that takes over the row of a dead one: what it held is gone, what it counted stays. */
  resetGauges (): void {
    for (const metric of metricList) {
      if (metric.kind === 'gauge') this.#words.fill(0, metric.slot, metric.slot + metric.width)
    }
  }
}

/** All rows, for the page and for tests. */
export function metricRows (shared: SharedArrayBuffer): readonly MetricRow[] {
  const count = shared.byteLength / (wordsPerRow * Float64Array.BYTES_PER_ELEMENT)
  return Array.from({ length: count }, (_, row) => new MetricRow(shared, row))
}
