/**
 * Finds out, when a log is opened, what of it is sound.
 *
 * ```
 *  segment 0 … n-1        newest segment
 *  [ closed: trusted ]    [ below the checkpoint | behind it: scanned, every checksum ] torn | zeros
 *                                                                                      ^ cut
 * ```
 * Closed segments were synced before the next one took writes, so they are trusted as they are. (Under `os` they were not
 * waited for: there the scan begins in the segment that holds the checkpoint's durable offset, if the machine was restarted.)
 * Bytes that are no batch are torn, and cut, only if they lie above the checkpoint and no sound batch of a later write follows
 * them. Anything else is damage: the log is not opened. After a clean close the file ends where the checkpoint says, and nothing is scanned.
 */
import { join } from 'node:path'
import type { Offset, Term } from '../base/ids.ts'
import { baseOffsetOf, batchBytesOf, leaderEpochOf, nextOffsetOf } from '../record/record-batch.ts'
import { groupBytesMax } from './appender.ts'
import type { Disk } from './disk.ts'
import { readChecked, readWhole } from './checked-file.ts'
import { type FoundCheckpoint, readCheckpoint } from './checkpoint.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import { offsetEntryBytes, OffsetIndex } from './offset-index.ts'
import { ProducerSnapshots } from './producer-snapshot.ts'
import type { LogReplay } from './replay.ts'
import { type Scan, type ScanResult, walkBatches } from './scan.ts'
import { cutFile, removeSegments, saveIndexes } from './segment-files.ts'
import { offsetOfName, Segment, segmentPath } from './segment.ts'
import { TimeIndex } from './time-index.ts'

export const epochsFormatVersion = 1

export function epochsPath (directory: string): string {
  return join(directory, 'leader-epochs')
}

/** Why a log must not be served: for the operator. */
export interface LogDamage {
  readonly segmentBase: Offset
  readonly position: number
  /** The first offset that is not there or not sound. */
  readonly offset: Offset
  readonly reason: string
}

export interface RecoveredLog {
  readonly segments: Segment[]
  readonly epochs: LeaderEpochs
  readonly checkpoint: FoundCheckpoint | undefined
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  /** How much of the log was read to be sure of it, and how much torn tail was cut. */
  readonly scannedBytes: number
  readonly cutBytes: number
}

export interface RecoveryOptions {
  readonly disk: Disk
  readonly directory: string
  readonly indexIntervalBytes: number
  readonly boot: number
  readonly scan: Scan
  readonly wallMs: number
  /** See {@link LogReplay}. */
  readonly first: LogReplay['first'] | undefined
}

class DamageError extends Error {
  readonly damage: LogDamage

  constructor (damage: LogDamage) {
    super(damage.reason)
    this.damage = damage
  }
}

/** Returns what stands in the log's folder (made if it is missing), or what is wrong with it. @throws on failing I/O */
export async function recoverLog (options: RecoveryOptions): Promise<RecoveredLog | { readonly damage: LogDamage }> {
  try {
    return await recover(options)
  } catch (error) {
    if (error instanceof DamageError) return { damage: error.damage }
    throw error
  }
}

async function recover (options: RecoveryOptions): Promise<RecoveredLog> {
  const { disk, directory } = options
  const names = await disk.list(directory)
  for (const name of names) if (name.endsWith('.new')) await disk.remove(join(directory, name))
  const bases = names.map(name => offsetOfName(name, 'log')).filter(base => base !== undefined)
  if (bases.length === 0) return createLog(options, names.length > 0 ? await readCheckpoint(disk, directory, options.boot) : undefined)

  const checkpoint = await readCheckpoint(disk, directory, options.boot)
  const epochs = await readEpochs(options, bases, checkpoint)
  const trusted = checkpoint?.trusted
  const newest = bases.at(-1)!
  if (trusted !== undefined && trusted.segmentBase > newest) {
    throw new DamageError({ segmentBase: newest, position: 0, offset: newest, reason: `segment ${trusted.segmentBase} of the checkpoint is missing` })
  }
  const scanFrom = trusted === undefined ? newest : Math.min(newest, trusted.segmentBase)
  const segments: Segment[] = []
  let logEndOffset = bases[0]!
  let scannedBytes = 0
  let cutBytes = 0
  for (const [index, base] of bases.entries()) {
    const stat = (await disk.stat(segmentPath(directory, base, 'log')))!
    const segment = new Segment(base, stat.modifiedMs)
    segment.fileId = stat.id
    segments.push(segment)
    const next = bases[index + 1]
    if (next !== undefined && base < scanFrom && await hasIndex(disk, directory, base, stat.size)) {
      segment.close(stat.size)
      segment.coldEnd = stat.size
      segment.maxTimestamp = undefined
      continue
    }
    const found = await recoverSegment(options, segment, stat.size, checkpoint, next)
    scannedBytes += found.scannedBytes
    cutBytes += stat.size - segment.size
    logEndOffset = found.endOffset
    // The list on disk is at least as old as the checkpoint; what was scanned tells the rest.
    if (found.terms.length > 0) epochs.truncate(found.terms[0]!.start + 1 as Offset)
    for (const { term, start } of found.terms) if (term > epochs.lastTerm) epochs.assign(term, start)
    if (next !== undefined && found.endOffset !== next) {
      // Under `os` and `interval` a loss of power may tear any segment behind the synced point: the log ends there.
      for (const later of bases.slice(index + 1).toReversed()) await removeSegments(disk, directory, [new Segment(later, 0)])
      if (stat.size !== segment.size) await cutTail(disk, segmentPath(directory, base, 'log'), segment.size)
      break
    }
    if (next !== undefined) {
      await saveIndexes(disk, directory, segment)
      segment.close(stat.size)
    } else if (stat.size !== segment.size) await cutTail(disk, segmentPath(directory, base, 'log'), segment.size)
  }
  epochs.truncate(logEndOffset)
  const logStartOffset = Math.max(bases[0]!, Math.min(checkpoint?.state.logStartOffset ?? 0, logEndOffset)) as Offset
  return { segments, epochs, checkpoint, logStartOffset, logEndOffset, scannedBytes, cutBytes }
}

/**
 * Reads the list of terms. One that is lost is read again from the batches below the trusted point, if they are all there: of a log
 * that begins later it alone knew the term before the first batch, and whoever takes the checkpoint away accepts that.
 */
async function readEpochs ({ disk, directory }: RecoveryOptions, bases: readonly Offset[], checkpoint: FoundCheckpoint | undefined): Promise<LeaderEpochs> {
  const saved = await readChecked(disk, epochsPath(directory), epochsFormatVersion)
  if (saved !== undefined) return LeaderEpochs.decode(saved)
  const lost = (segmentBase: Offset, position: number, offset: Offset): DamageError => new DamageError({
    segmentBase, position, offset, reason: 'leader-epochs is missing or damaged, and the batches do not tell all terms'
  })
  if (bases[0]! > 0 && checkpoint !== undefined) throw lost(bases[0]!, 0, bases[0]!)
  const epochs = new LeaderEpochs()
  const end = checkpoint?.trusted ?? { segmentBase: bases.at(-1)!, segmentSize: 0 }
  for (const base of bases) {
    if (base > end.segmentBase) break
    const path = segmentPath(directory, base, 'log')
    const size = base === end.segmentBase ? end.segmentSize : (await disk.stat(path))!.size
    let known = 0
    let offset = base
    await walkBatches(disk, path, 0, size, (bytes, at, position) => {
      const term = leaderEpochOf(bytes, at) as Term
      const start = baseOffsetOf(bytes, at) as Offset
      if (term < epochs.lastTerm || start < offset) return false
      epochs.assign(term, start)
      offset = nextOffsetOf(bytes, at) as Offset
      known = position + batchBytesOf(bytes, at)
      return true
    })
    if (known < size) throw lost(base, known, offset)
  }
  return epochs
}

/** A log without a segment: a new one, or one whose creation did not get as far as its first file. */
async function createLog (options: RecoveryOptions, checkpoint: FoundCheckpoint | undefined): Promise<RecoveredLog> {
  const { disk, directory, first } = options
  if (checkpoint !== undefined && checkpoint.trusted.offset > 0) {
    const { segmentBase, offset } = checkpoint.trusted
    throw new DamageError({ segmentBase, position: 0, offset: 0 as Offset, reason: `no segment is left, the checkpoint knows ${offset} offsets` })
  }
  await disk.makeFolder(directory)
  // Before the file that makes it a log.
  if (first !== undefined) await (await ProducerSnapshots.open(disk, directory, 0 as Offset)).save(0 as Offset, first())
  const segment = new Segment(0 as Offset, options.wallMs)
  const file = await disk.open(segmentPath(directory, 0, 'log'), 'write')
  segment.fileId = (await file.stat()).id
  await file.close()
  await disk.syncFolder(directory)
  await disk.syncFolder(join(directory, '..'))
  return {
    segments: [segment], epochs: new LeaderEpochs(), checkpoint: undefined, logStartOffset: 0 as Offset, logEndOffset: 0 as Offset, scannedBytes: 0, cutBytes: 0
  }
}

/** Whether a closed segment's index can serve reads; one that was lost is built again rather than walked by every read. */
async function hasIndex (disk: Disk, directory: string, base: Offset, size: number): Promise<boolean> {
  const expectedMin = Math.floor(size / (4 << 20))
  if (expectedMin === 0) return true
  const stat = await disk.stat(segmentPath(directory, base, 'index'))
  return stat !== undefined && stat.size / offsetEntryBytes >= expectedMin
}

const noTerms: ScanResult['terms'] = []

/**
 * How far behind a fault a sound batch must stand to prove damage. A killed process leaves the start of its last write, so any
 * batch behind a gap does. After a loss of power the parts of one group may be there or not in any combination; a later group
 * was only begun when this one was complete. Without that order (`interval`, `os`) nothing behind the synced point proves anything.
 */
function proofDistance (checkpoint: FoundCheckpoint | undefined): number {
  if (checkpoint?.sameBoot === true) return 1
  return checkpoint?.state.ordered === false ? Infinity : groupBytesMax
}

/** Brings `segment` up to its last sound batch. `next`: base of the segment that follows it, if any. */
async function recoverSegment (
  options: RecoveryOptions, segment: Segment, fileSize: number, checkpoint: FoundCheckpoint | undefined, next: Offset | undefined
): Promise<{ endOffset: Offset, scannedBytes: number, terms: ScanResult['terms'] }> {
  const { disk, directory } = options
  const { base } = segment
  const trusted = checkpoint?.trusted
  const here = checkpoint !== undefined && trusted !== undefined && trusted.segmentBase === base
  if (here && fileSize < trusted.segmentSize) {
    throw new DamageError({ segmentBase: base, position: fileSize, offset: base, reason: `the file has ${fileSize} bytes, the checkpoint knows ${trusted.segmentSize}` })
  }
  if (here) {
    const index = OffsetIndex.decode(base, await readWhole(disk, segmentPath(directory, base, 'index')) ?? new Uint8Array(0), trusted.segmentSize)
    const timeIndex = TimeIndex.decode(base, await readWhole(disk, segmentPath(directory, base, 'timeindex')) ?? new Uint8Array(0), trusted.offset)
    segment.adopt(index, timeIndex)
    if (fileSize === checkpoint.state.written.segmentSize && fileSize === trusted.segmentSize && next === undefined && index.count === checkpoint.state.indexEntries) {
      segment.maxTimestamp = checkpoint.state.maxTimestamp
      segment.maxTimestampOffset = checkpoint.state.maxTimestampOffset
      segment.endAt(fileSize)
      return { endOffset: trusted.offset, scannedBytes: 0, terms: noTerms }
    }
  }
  const fromPosition = segment.size
  const fromOffset = segment.index!.count === 0 ? base : segment.index!.offsetAt(segment.index!.count - 1)
  const proof = proofDistance(checkpoint)
  const result = await options.scan({
    path: segmentPath(directory, base, 'log'), fromPosition, fromOffset, toPosition: fileSize, indexIntervalBytes: options.indexIntervalBytes, proofDistance: proof
  })
  segment.addScanned(result)
  const fail = (reason: string): never => {
    throw new DamageError({ segmentBase: base, position: result.endPosition, offset: result.endOffset, reason })
  }
  const trustedEnd = trusted !== undefined && trusted.segmentBase <= base ? trusted.offset : 0
  if (result.endOffset < trustedEnd) fail(`no sound batch at offset ${result.endOffset}, the checkpoint knows all below ${trustedEnd}`)
  if (result.batchAfterFault) fail('bytes that are no batch are followed by a sound one')
  const tearable = proof === Infinity && trusted !== undefined && base >= trusted.segmentBase
  if (next !== undefined && (result.fault || result.endOffset !== next) && !tearable) fail(`the segment should reach offset ${next}`)
  return { endOffset: result.endOffset, scannedBytes: result.endPosition - fromPosition, terms: result.terms }
}

async function cutTail (disk: Disk, path: string, size: number): Promise<void> {
  const file = await disk.open(path, 'write')
  try {
    await cutFile(file, size, true)
  } finally {
    await file.close()
  }
}
