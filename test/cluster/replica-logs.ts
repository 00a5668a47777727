/**
 * Compares what brokers that were stopped have on their disks: at one offset all replicas must hold the same batch of the same
 * term, whatever any client ever read. Raft calls this log matching.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { baseOffsetOf, batchBytesOf, batchHeaderBytes, crcOf, leaderEpochOf, nextOffsetOf } from '../../src/record/record-batch.ts'

interface StoredBatch { readonly baseOffset: number, readonly end: number, readonly identity: string }

export interface Comparison {
  /** Batches that stand in more than one replica. */
  readonly compared: number
  /** At most 20. */
  readonly problems: readonly string[]
}

const problemsMax = 20

/**
 * @param dataDirs  of stopped brokers
 * @param required  by group folder, the end up to which every replica must hold everything; others only must not differ
 */
export function compareReplicas (dataDirs: readonly string[], required: ReadonlyMap<string, number> = new Map()): Comparison {
  const problems: string[] = []
  let compared = 0
  const folders = new Set(dataDirs.flatMap(dataDir => foldersIn(dataDir)))
  for (const folder of folders) {
    const reference = new Map<number, { batch: StoredBatch, dataDir: string }>()
    for (const dataDir of dataDirs) {
      if (!foldersIn(dataDir).includes(folder)) continue
      let end = 0
      for (const batch of batchesIn(join(dataDir, 'topics', folder))) {
        end = batch.end
        const other = reference.get(batch.baseOffset)
        if (other === undefined) {
          reference.set(batch.baseOffset, { batch, dataDir })
          continue
        }
        compared++
        if (other.batch.identity !== batch.identity && problems.length < problemsMax) {
          problems.push(`${folder} differs at offset ${batch.baseOffset}: ${batch.identity} in ${dataDir}, ${other.batch.identity} in ${other.dataDir}`)
        }
      }
      const due = required.get(folder)
      if (due !== undefined && end < due && problems.length < problemsMax) problems.push(`${folder} ends at ${end} in ${dataDir}, and ${due} was committed`)
    }
  }
  return { compared, problems }
}

function foldersIn (dataDir: string): string[] {
  try {
    return readdirSync(join(dataDir, 'topics')).filter(name => /^[0-9a-f]{32}-\d+$/.test(name))
  } catch {
    return []
  }
}

/** The batches of one replica, in order, up to the space that is only reserved. */
function * batchesIn (folder: string): Generator<StoredBatch> {
  for (const file of readdirSync(folder).filter(name => name.endsWith('.log')).sort()) {
    const bytes = readFileSync(join(folder, file))
    for (let at = 0; at + batchHeaderBytes <= bytes.length;) {
      const size = batchBytesOf(bytes, at)
      if (size < batchHeaderBytes || at + size > bytes.length) break
      yield { baseOffset: baseOffsetOf(bytes, at), end: nextOffsetOf(bytes, at), identity: `term ${leaderEpochOf(bytes, at)} crc ${crcOf(bytes, at).toString(16)} to ${nextOffsetOf(bytes, at) - 1}` }
      at += size
    }
  }
}
