/**
 * How the hot messages between network actors and partitions look in a ring: a fixed header, then raw bytes.
 * Numbers are little-endian (what the machine does); offsets and positions are float64, exact for safe integers.
 */
import type { MessageCodec } from '../../runtime/codec.ts'
import type { ActorId, Offset } from '../../base/ids.ts'
import type { Append, Appended, Fetch, Fetched, Unwatch } from './messages.ts'

/** 0 replyTo u32 | 4 correlation u32 | 8 acks i32 | 16 records … */
const append: MessageCodec<Append> = {
  kind: 'append',
  code: 1,
  size: message => 16 + message.records.length,
  write: ({ replyTo, correlation, acks, records }, { bytes, view }, offset) => {
    view.setUint32(offset, replyTo, true)
    view.setUint32(offset + 4, correlation, true)
    view.setInt32(offset + 8, acks, true)
    bytes.set(records, offset + 16) // the one copy on the way to another thread
  },
  read: ({ bytes, view }, offset, length) => ({
    kind: 'append',
    replyTo: view.getUint32(offset, true) as ActorId,
    correlation: view.getUint32(offset + 4, true),
    acks: view.getInt32(offset + 8, true),
    records: bytes.subarray(offset + 16, offset + length)
  })
}

/** 0 correlation u32 | 4 errorCode i32 | 8 baseOffset f64 | 16 logAppendTimeMs f64 | 24 logStartOffset f64 */
const appended: MessageCodec<Appended> = {
  kind: 'appended',
  code: 2,
  size: () => 32,
  write: (message, { view }, offset) => {
    view.setUint32(offset, message.correlation, true)
    view.setInt32(offset + 4, message.errorCode, true)
    view.setFloat64(offset + 8, message.baseOffset, true)
    view.setFloat64(offset + 16, message.logAppendTimeMs, true)
    view.setFloat64(offset + 24, message.logStartOffset, true)
  },
  read: ({ view }, offset) => ({
    kind: 'appended',
    correlation: view.getUint32(offset, true),
    errorCode: view.getInt32(offset + 4, true),
    baseOffset: view.getFloat64(offset + 8, true),
    logAppendTimeMs: view.getFloat64(offset + 16, true),
    logStartOffset: view.getFloat64(offset + 24, true)
  })
}

/** 0 replyTo u32 | 4 correlation u32 | 8 offset f64 | 16 bytesMax f64 | 24 beyond f64 | 32 leaderEpoch i32 | 36 lastFetchedEpoch i32 | 40 replicaOk u8 */
const fetch: MessageCodec<Fetch> = {
  kind: 'fetch',
  code: 3,
  size: () => 48,
  write: (message, { view }, offset) => {
    view.setUint32(offset, message.replyTo, true)
    view.setUint32(offset + 4, message.correlation, true)
    view.setFloat64(offset + 8, message.offset, true)
    view.setFloat64(offset + 16, message.bytesMax, true)
    view.setFloat64(offset + 24, message.beyond, true)
    view.setInt32(offset + 32, message.leaderEpoch, true)
    view.setInt32(offset + 36, message.lastFetchedEpoch ?? -1, true)
    view.setUint8(offset + 40, message.replicaOk === true ? 1 : 0)
  },
  read: ({ view }, offset) => ({
    kind: 'fetch',
    replyTo: view.getUint32(offset, true) as ActorId,
    correlation: view.getUint32(offset + 4, true),
    offset: view.getFloat64(offset + 8, true),
    bytesMax: view.getFloat64(offset + 16, true),
    beyond: view.getFloat64(offset + 24, true),
    leaderEpoch: view.getInt32(offset + 32, true),
    lastFetchedEpoch: view.getInt32(offset + 36, true),
    replicaOk: view.getUint8(offset + 40) === 1
  })
}

const hasPlan = 1
const isHot = 2
const isIndexed = 4
const isDiverging = 8

/**
 * 0 correlation u32 | 4 errorCode i32 | 8 highWatermark f64 | 16 logStartOffset f64 | 24 flags u32
 * 32 segmentBase f64 | 40 fileId f64 | 48 position f64 | 56 bytes f64 | 64 offset f64 | 72 endOffset f64 | 80 plan's highWatermark f64
 * 88 version f64
 *
 * With a diverging epoch there is no plan: 32 epoch f64 | 40 endOffset f64
 *
 * A plan's bytes in the partition's memory do not cross threads: the reader finds them in the page cache.
 */
const fetched: MessageCodec<Fetched> = {
  kind: 'fetched',
  code: 4,
  size: () => 96,
  write: ({ correlation, errorCode, highWatermark, logStartOffset, plan, diverging }, { view }, offset) => {
    view.setUint32(offset, correlation, true)
    view.setInt32(offset + 4, errorCode, true)
    view.setFloat64(offset + 8, highWatermark, true)
    view.setFloat64(offset + 16, logStartOffset, true)
    const isApart = diverging !== undefined && diverging !== null
    view.setUint32(offset + 24, isApart ? isDiverging : plan === null ? 0 : hasPlan | (plan.hot ? isHot : 0) | (plan.indexed ? isIndexed : 0), true)
    if (isApart) {
      view.setFloat64(offset + 32, diverging.epoch, true)
      view.setFloat64(offset + 40, diverging.endOffset, true)
      return
    }
    if (plan === null) return
    view.setFloat64(offset + 32, plan.segmentBase, true)
    view.setFloat64(offset + 40, plan.fileId, true)
    view.setFloat64(offset + 48, plan.position, true)
    view.setFloat64(offset + 56, plan.bytes, true)
    view.setFloat64(offset + 64, plan.offset, true)
    view.setFloat64(offset + 72, plan.endOffset, true)
    view.setFloat64(offset + 80, plan.highWatermark, true)
    view.setFloat64(offset + 88, plan.version, true)
  },
  read: ({ view }, offset) => {
    const flags = view.getUint32(offset + 24, true)
    return {
      kind: 'fetched',
      correlation: view.getUint32(offset, true),
      errorCode: view.getInt32(offset + 4, true),
      highWatermark: view.getFloat64(offset + 8, true),
      logStartOffset: view.getFloat64(offset + 16, true),
      plan: (flags & hasPlan) === 0
        ? null
        : {
            segmentBase: view.getFloat64(offset + 32, true) as Offset,
            fileId: view.getFloat64(offset + 40, true),
            position: view.getFloat64(offset + 48, true),
            bytes: view.getFloat64(offset + 56, true),
            offset: view.getFloat64(offset + 64, true) as Offset,
            endOffset: view.getFloat64(offset + 72, true) as Offset,
            highWatermark: view.getFloat64(offset + 80, true) as Offset,
            hot: (flags & isHot) !== 0,
            indexed: (flags & isIndexed) !== 0,
            version: view.getFloat64(offset + 88, true),
            memory: undefined
          },
      diverging: (flags & isDiverging) === 0 ? null : { epoch: view.getFloat64(offset + 32, true), endOffset: view.getFloat64(offset + 40, true) }
    }
  }
}

/** 0 replyTo u32 | 4 correlation u32 */
const unwatch: MessageCodec<Unwatch> = {
  kind: 'unwatch',
  code: 5,
  size: () => 8,
  write: ({ replyTo, correlation }, { view }, offset) => {
    view.setUint32(offset, replyTo, true)
    view.setUint32(offset + 4, correlation, true)
  },
  read: ({ view }, offset) => ({ kind: 'unwatch', replyTo: view.getUint32(offset, true) as ActorId, correlation: view.getUint32(offset + 4, true) })
}

export const partitionCodecs = [append, appended, fetch, fetched, unwatch] as unknown as readonly MessageCodec[]
