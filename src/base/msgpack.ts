/** The one home of MessagePack: control messages between threads, metadata records, snapshots. Never on a hot path. */
import { decode as decodeAny, Encoder } from '@msgpack/msgpack'
import { isWholeMessagePack } from './msgpack-walk.ts'

const encoder = new Encoder({ ignoreUndefined: true })

/** Returns the value as MessagePack bytes. `undefined` fields are left out; Uint8Array fields stay binary. */
export function encode (value: unknown): Uint8Array<ArrayBuffer> {
  // Copied out of the encoder's memory, which the next value is written to.
  return encoder.encode(value)
}

/** Returns the value that {@link encode} was given. Binary fields are copies, so they outlive `bytes`. @throws on malformed bytes */
export function decode<T> (bytes: Uint8Array): T {
  return decodeAny(new Uint8Array(bytes)) as T
}

/** As {@link decode}, for bytes from another machine; undefined: they are no MessagePack, or claim to hold more than they do. */
export function decodeForeign (bytes: Uint8Array): unknown {
  if (!isWholeMessagePack(bytes)) return undefined
  try {
    return decode(bytes)
  } catch {
    // A key that is no text, an extension's wrong size, ...
    return undefined
  }
}
