/** How each reader went along the offsets of each key: forward only, and past nothing that is known to stand there. */
import type { Anomalies } from './anomalies.ts'
import { type History, nameOf, type Poll } from './history.ts'
import type { LogOfKey } from './log-of-key.ts'

/**
 * Offsets without a record known to be there may be left out: control batches take them. What is known counts whenever it
 * became known: the log in front of a readable record never changes.
 */
export function checkReadOrder (history: History, logs: readonly LogOfKey[], anomalies: Anomalies): void {
  /** The next offset of each reader in each key; -1: anywhere. */
  const next = new Map<number, number>()
  const keys = history.keys.length
  for (const read of history.reads) {
    const reader = read.process * keys + read.key
    if (!('offsets' in read)) {
      next.set(reader, read.from)
      continue
    }
    const log = logs[read.key]!
    const from = next.get(reader) ?? -1
    if (from !== -1 && read.offsets.length > 0) checkStep(history, log, read, from, anomalies)
    checkInside(history, log, read, anomalies)
    // From where it went wrong it goes on: one fault is not told again by every poll.
    if (read.offsets.length > 0) next.set(reader, read.offsets.at(-1)! + 1)
  }
}

function checkStep (history: History, log: LogOfKey, read: Poll, from: number, anomalies: Anomalies): void {
  const first = read.offsets[0]!
  const who = (): string => `reader ${read.process} of ${history.keys[read.key]} was due at ${from} and got ${nameOf(read.values[0]!)} at ${first}`
  if (first < from) {
    anomalies.add('nonmonotonic-poll', who)
  } else if (first > from) {
    const skipped = log.firstIn(from, first)
    if (skipped !== -1) anomalies.add('poll-skip', () => `${who()}, past ${nameOf(log.at(skipped)!)} at ${skipped}`)
  }
}

function checkInside (history: History, log: LogOfKey, { process, key, offsets }: Poll, anomalies: Anomalies): void {
  for (let i = 1; i < offsets.length; i++) {
    const [before, offset] = [offsets[i - 1]!, offsets[i]!]
    const who = (): string => `reader ${process} of ${history.keys[key]} got offset ${offset} after ${before}`
    if (offset <= before) {
      anomalies.add('int-nonmonotonic-poll', who)
    } else if (offset > before + 1) {
      const skipped = log.firstIn(before + 1, offset)
      if (skipped !== -1) anomalies.add('int-poll-skip', () => `${who()}, past ${nameOf(log.at(skipped)!)} at ${skipped}`)
    }
  }
}
