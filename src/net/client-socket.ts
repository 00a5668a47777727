/** The socket of a client as a connection uses it, and what else of the event loop a connection needs: a simulator has its own. */
import net from 'node:net'

/** What {@link net.Socket} has of it, with its meaning. */
export interface ClientSocket {
  readonly writableLength: number
  readonly destroyed: boolean
  /** `written` is told when the kernel has taken these bytes and all before them. */
  write (bytes: Uint8Array, written?: () => void): boolean
  cork (): void
  uncork (): void
  pause (): void
  resume (): void
  end (): void
  destroySoon (): void
  destroy (): void
  on (event: 'error', listener: (error: Error) => void): this
  on (event: 'close', listener: () => void): this
  once (event: 'drain' | 'close', listener: () => void): this
}

/** Where what is read goes: into the buffer that is asked for first. */
export interface ReadInto {
  buffer (): Uint8Array
  /** @returns false: no more, until the socket is resumed */
  callback (count: number, buffer: Uint8Array): boolean
}

export interface ClientSockets {
  /** Makes a socket of what a listener accepted; it reads at once. */
  open (handle: unknown, read: ReadInto): ClientSocket
  /** Calls back after the sockets that are ready now. */
  afterTurn (callback: () => void): void
  /** Calls back after `delayMs`, unless the returned function is called; the process does not stay for it. */
  later (delayMs: number, callback: () => void): () => void
}

export const nodeSockets: ClientSockets = {
  open: (handle, read) => {
    // `handle` and `onread` together give a server side socket the read-into-own-buffer mode that clients have;
    // node:net documents it for connect() only, test/net/connection.test.ts notices if that changes.
    const socket = new net.Socket({ handle, onread: read } as unknown as net.SocketConstructorOpts)
    socket.setNoDelay(true)
    return socket
  },
  afterTurn: callback => { setImmediate(callback) },
  later: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs).unref()
    return () => clearTimeout(timer)
  }
}
