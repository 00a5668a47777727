/** The broker's configuration as its parts want it: what a topic's log is like, and what DescribeConfigs says. */
import type { BrokerConfig } from './base/config.ts'
import type { PartitionConfig } from './actors/partition/messages.ts'
import type { LogConfig } from './log/log.ts'

/** A segment is closed at this age, so that retention by time can reach it. */
const segmentMsMax = 7 * 24 * 3600 * 1000

/** @param topic  the topic's own settings, which go before the broker's */
export function logConfig (config: BrokerConfig, topic: Readonly<Record<string, string>>): LogConfig {
  const number = (name: string, fallback: number): number => topic[name] === undefined ? fallback : Number(topic[name])
  return {
    flush: (topic['ringmq.flush'] ?? config.logFlush) as LogConfig['flush'],
    flushIntervalMs: config.logFlushIntervalMs,
    segmentBytesMax: number('segment.bytes', config.logSegmentBytes),
    segmentMs: segmentMsMax,
    indexIntervalBytes: config.logIndexIntervalBytes,
    retentionMs: number('retention.ms', config.logRetentionMs),
    retentionBytes: number('retention.bytes', config.logRetentionBytes)
  }
}

export function partitionConfig (config: BrokerConfig, topic: Readonly<Record<string, string>>): PartitionConfig {
  return {
    ...logConfig(config, topic),
    batchBytesMax: Number(topic['max.message.bytes'] ?? config.messageMaxBytes),
    minInsyncReplicas: Number(topic['min.insync.replicas'] ?? 1)
  }
}

export function topicDefaults (config: BrokerConfig): Record<string, string> {
  return {
    'retention.ms': String(config.logRetentionMs),
    'retention.bytes': String(config.logRetentionBytes),
    'segment.bytes': String(config.logSegmentBytes),
    'max.message.bytes': String(config.messageMaxBytes),
    'ringmq.flush': config.logFlush,
    'cleanup.policy': 'delete',
    'compression.type': 'producer',
    'message.timestamp.type': 'CreateTime',
    'min.insync.replicas': '1'
  }
}

export function brokerSettings (config: BrokerConfig): Record<string, string> {
  return {
    'auto.create.topics.enable': String(config.autoCreateTopics),
    'num.partitions': String(config.numPartitions),
    'default.replication.factor': '1',
    'log.flush': config.logFlush,
    'log.retention.ms': String(config.logRetentionMs),
    'log.retention.bytes': String(config.logRetentionBytes),
    'log.segment.bytes': String(config.logSegmentBytes),
    'message.max.bytes': String(config.messageMaxBytes),
    'socket.request.max.bytes': String(config.maxRequestBytes)
  }
}
