/** Input that breaks the protocol: truncated, oversized, a length that lies. The sender's fault; it costs the sender its connection. */
export class ProtocolError extends Error {
  override name = 'ProtocolError'
}
