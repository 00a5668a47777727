/**
 * The topics in a consumer's metadata. Groups treat metadata as bytes of the clients; only the question whether an offset
 * is still in use needs to look inside, and only at the part that all versions begin with:
 * `version int16, topics [length int16, UTF-8]` with a count of int32, big-endian.
 */

/** Returns the topics, or null if the bytes are something else. */
export function subscribedTopics (metadata: Uint8Array): Set<string> | null {
  const view = new DataView(metadata.buffer, metadata.byteOffset, metadata.byteLength)
  const topics = new Set<string>()
  let position = 6
  if (metadata.length < position) return null
  const count = view.getInt32(2)
  for (let index = 0; index < count; index++) {
    if (metadata.length < position + 2) return null
    const end = position + 2 + view.getInt16(position)
    if (end < position + 2 || end > metadata.length) return null
    topics.add(new TextDecoder().decode(metadata.subarray(position + 2, end)))
    position = end
  }
  return topics
}
