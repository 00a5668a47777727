/** How Raft messages look in a ring, between a group's actor and the links of another thread: as between brokers. */
import { assert } from '../../base/assert.ts'
import { groupKeyBytes, raftMessageBytes, readGroupKey, readRaftMessage, writeGroupKey, writeRaftMessage } from '../../raft/wire.ts'
import type { MessageCodec } from '../../runtime/codec.ts'
import type { Memory } from '../../runtime/ring.ts'
import type { RaftIn, RaftMessage, RaftOut } from './messages.ts'

const raftIn: MessageCodec<RaftIn> = {
  kind: 'raft-in',
  code: 10,
  size: ({ message }) => raftMessageBytes(message),
  write: ({ message }, { bytes, view }, offset) => { writeRaftMessage(message, bytes, view, offset) },
  read: (memory, offset, length) => ({ kind: 'raft-in', message: messageIn(memory, offset, offset + length) })
}

/** 0 group 20 bytes | 20 message */
const raftOut: MessageCodec<RaftOut> = {
  kind: 'raft-out',
  code: 11,
  size: ({ message }) => groupKeyBytes + raftMessageBytes(message),
  write: ({ group, message }, { bytes, view }, offset) => {
    writeGroupKey(group, bytes, view, offset)
    writeRaftMessage(message, bytes, view, offset + groupKeyBytes)
  },
  read: (memory, offset, length) => ({
    kind: 'raft-out',
    group: readGroupKey(memory.bytes, memory.view, offset),
    message: messageIn(memory, offset + groupKeyBytes, offset + length)
  })
}

function messageIn ({ bytes, view }: Memory, start: number, end: number): RaftMessage {
  const message = readRaftMessage(bytes, view, start, end)
  assert(message !== undefined, 'a ring holds whole messages')
  return message
}

export const peersCodecs = [raftIn, raftOut] as unknown as readonly MessageCodec[]
