/** Opens the metadata log of this broker, and reads from it what it knows. */
import { Metadata } from './actors/controller/metadata.ts'
import { metadataTopicId } from './actors/controller/options.ts'
import { assertFit, assertLevel } from './actors/controller/registration.ts'
import type { BrokerRegistration } from './actors/controller/messages.ts'
import type { GroupState } from './actors/group-state.ts'
import type { BrokerConfig } from './base/config.ts'
import type { Logger } from './base/logger.ts'
import { logConfig } from './broker-settings.ts'
import type { Membership } from './discovery/membership.ts'
import type { Log, LogConfig } from './log/log.ts'
import type { LogDamage } from './log/recovery.ts'
import type { ReactorLogs } from './reactor-logs.ts'
import type { Replicas } from './replicas.ts'
import { Unstartable } from './runtime/cell.ts'

/** What is below the snapshots goes by whole segments. */
const segmentBytesMax = 16 * 1024 * 1024

export interface OpenedMetadata {
  readonly log: Log
  readonly state: GroupState
  readonly metadata: Metadata
}

export interface MetadataOpening {
  readonly config: BrokerConfig
  readonly membership: Membership
  readonly registration: BrokerRegistration
  readonly logs: ReactorLogs
  readonly replicas: Replicas
  readonly logger: Logger
}

/** @throws Unstartable  it is damaged, and nobody else has it; TooOld  it says that this program must not start */
export async function openMetadata (opening: MetadataOpening): Promise<OpenedMetadata> {
  const { membership, registration, logs, logger } = opening
  let opened = await open(opening)
  if ('damage' in opened && membership.peers.length > 0) {
    logger.error({ ...opened.damage }, 'the metadata log is damaged: it is given up, and comes again from the other brokers')
    await logs.giveUp(metadataTopicId, 0)
    opened = await open(opening)
  }
  if ('damage' in opened) throw new Unstartable(`the metadata log is damaged: ${opened.damage.reason}`)
  const { metadata } = opened
  metadata.opened()
  assertLevel(metadata.state.featureLevel, registration)
  for (const record of metadata.entries.peek()) assertFit(record, registration)
  return opened
}

async function open ({ config, membership, logs, replicas }: MetadataOpening): Promise<OpenedMetadata | { readonly damage: LogDamage }> {
  const founders = membership.metadataInitialVoters
  const metadata = new Metadata(founders)
  const state = replicas.state(founders.map(({ member }) => member), metadata)
  const ofTopics = logConfig(config, {})
  const metadataConfig: LogConfig = {
    ...ofTopics, flush: 'always', retentionMs: -1, retentionBytes: -1, segmentBytesMax: Math.min(ofTopics.segmentBytesMax, segmentBytesMax)
  }
  const opened = await logs.open(metadataTopicId, 0, metadataConfig, state.replay())
  if (opened.state === 'damaged') return opened
  const { log } = opened
  const { firstOffset } = log
  if (metadata.appliedEnd >= firstOffset) return { log, state, metadata }
  await log.close()
  return { damage: { segmentBase: firstOffset, position: 0, offset: firstOffset, reason: 'the snapshots of what stood before it are missing or damaged' } }
}
