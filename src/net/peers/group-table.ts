/** Which actor takes which Raft group's messages, found by the group's name and by its bytes in a frame, without making a name of those. */
import type { ActorId, GroupKey } from '../../base/ids.ts'
import { groupKeyBytes, writeGroupKey } from '../../raft/wire.ts'

interface Group {
  readonly bytes: Uint8Array
  readonly hash: number
  actor: ActorId
  /** Another group of the same hash. */
  next: Group | undefined
}

export class GroupTable {
  readonly #byKey = new Map<GroupKey, Group>()
  readonly #byHash = new Map<number, Group>()

  get size (): number { return this.#byKey.size }

  set (key: GroupKey, actor: ActorId): void {
    const known = this.#byKey.get(key)
    if (known !== undefined) {
      known.actor = actor
      return
    }
    const bytes = bytesOf(key)
    const hash = hashAt(bytes, 0)
    const group = { bytes, hash, actor, next: this.#byHash.get(hash) }
    this.#byKey.set(key, group)
    this.#byHash.set(hash, group)
  }

  delete (key: GroupKey): void {
    const group = this.#byKey.get(key)
    if (group === undefined) return
    this.#byKey.delete(key)
    const first = this.#byHash.get(group.hash)!
    if (first === group) {
      if (group.next === undefined) this.#byHash.delete(group.hash)
      else this.#byHash.set(group.hash, group.next)
      return
    }
    let before = first
    while (before.next !== group) before = before.next!
    before.next = group.next
  }

  /** The actor of the group whose bytes begin at `start`; undefined: none is here. */
  actorAt (bytes: Uint8Array, start: number): ActorId | undefined {
    let group = this.#byHash.get(hashAt(bytes, start))
    while (group !== undefined && !isAt(group.bytes, bytes, start)) group = group.next
    return group?.actor
  }

  /** A group's bytes. One that is not (or no longer) in the table may still say something: it costs more. */
  bytesOf (key: GroupKey): Uint8Array {
    return this.#byKey.get(key)?.bytes ?? bytesOf(key)
  }

  * actors (): Generator<ActorId> {
    for (const { actor } of this.#byKey.values()) yield actor
  }
}

function bytesOf (key: GroupKey): Uint8Array {
  const bytes = new Uint8Array(groupKeyBytes)
  writeGroupKey(key, bytes, new DataView(bytes.buffer), 0)
  return bytes
}

/** 30 bits, so that it is a small integer for V8. Topic ids are random: a part of one and the partition tell groups apart. */
function hashAt (bytes: Uint8Array, at: number): number {
  const id = bytes[at]! | bytes[at + 3]! << 8 | bytes[at + 10]! << 16 | bytes[at + 15]! << 24
  const partition = bytes[at + 16]! | bytes[at + 17]! << 8 | bytes[at + 18]! << 16 | bytes[at + 19]! << 24
  return (id ^ Math.imul(partition, 0x9e3779b1)) & 0x3fffffff
}

function isAt (key: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < groupKeyBytes; i++) if (key[i] !== bytes[at + i]) return false
  return true
}
