/** What all groups of a coordinator take together; each part counts what it keeps, the coordinator refuses what would go too far. */
export class Usage {
  bytes = 0
  committedPartitions = 0
  /** Also those that only know their id: each has a timer. */
  members = 0
}
