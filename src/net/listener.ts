/** A thread's own listening socket. All threads listen on the same port; the kernel spreads connections over them. */
import net from 'node:net'

export interface ListenOptions {
  readonly host: string
  readonly port: number
  /** False where the platform cannot share a port: then only one thread listens. */
  readonly reusePort: boolean
  /** Takes the raw handle of an accepted socket: nothing has been read from it. */
  readonly accept: (handle: unknown, remote: string) => void
  /** A connection could not be accepted, perhaps for want of file descriptors. The listener goes on. */
  readonly onError: (error: Error) => void
}

export class Listener {
  readonly #server: net.Server
  readonly port: number

  private constructor (server: net.Server, port: number) {
    this.#server = server
    this.port = port
  }

  /** Listens. @throws the system's error, EADDRINUSE among them */
  static async listen (options: ListenOptions): Promise<Listener> {
    const server = net.createServer({ pauseOnConnect: true, noDelay: true }, socket => {
      const holder = socket as unknown as { _handle: unknown }
      const handle = holder._handle
      const remote = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`
      // The handle moves to a Connection; this wrapper must not close it.
      holder._handle = null
      options.accept(handle, remote)
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: options.host, port: options.port, reusePort: options.reusePort, backlog: 1024 }, () => {
        server.off('error', reject)
        // Without anybody who hears of it an error would end the thread.
        server.on('error', options.onError)
        resolve()
      })
    })
    const address = server.address() as net.AddressInfo
    return new Listener(server, address.port)
  }

  /** Stops accepting. Connections that were accepted live on. */
  close (): void {
    this.#server.close()
  }
}

/**
 * Makes sure that nobody else listens on the port, and resolves port 0, by binding it once without sharing:
 * two processes that share a port would silently split its connections.
 */
export async function reservePort (host: string, port: number): Promise<number> {
  const server = net.createServer()
  return await new Promise<number>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, exclusive: true }, () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Whether several sockets can listen on one port here. */
export const canSharePort = process.platform === 'linux'
