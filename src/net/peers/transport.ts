/**
 * What carries frames between brokers: the port that {@link PeerLinks} and the calls of brokers without a cluster stand on. The
 * daemon has sockets behind it (socket-transport.ts); a simulator delivers whole frames as late, often and seldom as it likes.
 *
 * No method calls a handler before it has returned, and no handler is called inside an actor's `receive`: what a frame makes its
 * reader tell is received before {@link FrameHandler.frame} returns, while the frame's bytes are still there.
 */
import type { HostPort } from '../../base/address.ts'

/** Told what happens on one connection. */
export interface FrameHandler {
  /** An outgoing connection is there. */
  opened (): void
  /** A whole frame, `bytes[start..end)` without its length. Borrowed: valid until this returns. */
  frame (bytes: Uint8Array, start: number, end: number): void
  /** What one {@link FrameConnection.write} that returned false was given has left, in the order of the writes: its memory is free again. */
  taken (): void
  /** Called once, whoever closed: all memory that was handed over is free again. */
  closed (why: CloseReason): void
}

export interface CloseReason {
  readonly text: string
  /** Nobody listens there. */
  readonly refused: boolean
  /** What the other side sent are no frames, or too large ones. */
  readonly malformed: boolean
}

export interface FrameConnection {
  /** HOST:PORT of the other side, for log lines. */
  readonly remote: string
  /** Bytes handed over that have not left. */
  readonly unsentBytes: number
  /** Largest frame, without its length, that is taken from the other side; a larger one ends the connection. */
  frameBytesMax: number
  /**
   * Sends whole frames with their lengths, one behind the other; no frame is in two pieces.
   * @returns true: all has left; false: the pieces must stay as they are until {@link FrameHandler.taken}
   */
  write (pieces: readonly Uint8Array[]): boolean
  /** Ends the connection when what was written has left; what comes in is not looked at any more. */
  end (reason: string): void
  /** Drops the connection at once. */
  destroy (reason: string): void
}

export interface ListenAt extends HostPort {
  /** Several listen on one port. */
  readonly reusePort: boolean
}

export interface TransportListener {
  readonly port: number
  /** Stops accepting, and resolves when the port is free. Connections that were accepted live on. */
  close (): Promise<void>
}

export interface Transport {
  /** @throws the system's error, EADDRINUSE among them */
  listen (at: ListenAt, accept: (connection: FrameConnection) => FrameHandler): Promise<TransportListener>
  connect (to: HostPort, handler: FrameHandler): FrameConnection
}
