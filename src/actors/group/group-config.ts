/** How long groups wait, and how much memory all of them together may take. */
export interface GroupConfig {
  /**
   * How long the first member of an empty group is kept waiting for others, started anew by each that comes.
   * Apache Kafka waits 3000. A short wait lets a lone consumer start at once, and still gathers members that start together.
   */
  readonly initialRebalanceDelayMs: number
  readonly sessionTimeoutMinMs: number
  readonly sessionTimeoutMaxMs: number
  /** How long a newcomer's first JoinGroup may wait: it cannot send heartbeats yet, so only this removes one that went away. */
  readonly newMemberJoinTimeoutMs: number
  readonly groupsMax: number
  /** In one group, members that have only been told their id not counted; of those there may be as many again. */
  readonly membersMax: number
  /** Over all groups, those that have only been told their id too. Each has a timer, of which a thread has but so many. */
  readonly allMembersMax: number
  /** Of what all groups keep: names, members' metadata and assignments, offsets with their metadata. */
  readonly bytesMax: number
  readonly offsetMetadataBytesMax: number
  /** Partitions with a committed offset, over all groups. */
  readonly committedPartitionsMax: number
  /** An empty group goes this long after its last member or commit: the first when it has committed nothing. */
  readonly emptyRetentionMs: number
  readonly offsetsRetentionMs: number
}

export const groupConfigDefaults: GroupConfig = {
  initialRebalanceDelayMs: 100,
  sessionTimeoutMinMs: 6_000,
  sessionTimeoutMaxMs: 30 * 60_000,
  newMemberJoinTimeoutMs: 5 * 60_000,
  groupsMax: 10_000,
  membersMax: 1_000,
  allMembersMax: 50_000,
  bytesMax: 256 * 1024 * 1024,
  offsetMetadataBytesMax: 4096,
  committedPartitionsMax: 1_000_000,
  emptyRetentionMs: 10 * 60_000,
  offsetsRetentionMs: 7 * 24 * 60 * 60_000
}
