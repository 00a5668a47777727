/**
 * A lock on a folder that ends with its holder: a listening unix socket. A second process cannot bind the same one, and after a
 * kill -9 the system has closed it. The one home of node:net outside net/.
 *
 * On Linux two sockets are held. An abstract one, named after the folder's device and inode, is taken atomically and leaves no
 * file, but is seen only within one network namespace; so a socket file in the folder is held too, for containers that share
 * it. A file left by a dead process is told from a living one by connecting to it.
 */
import { createHash } from 'node:crypto'
import net from 'node:net'
import { join, relative } from 'node:path'

/** Bytes of a socket's path that every system takes. */
const socketPathMax = 100
const connectTimeoutMs = 1000

export interface FolderLock {
  release (): Promise<void>
}

/** Another process holds the folder: the operator's mistake. */
export class FolderLockedError extends Error {
  override name = 'FolderLockedError'
}

function listen (path: string): Promise<net.Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = net.createServer(socket => socket.destroy())
    server.once('error', error => {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') resolve(undefined)
      else reject(error)
    })
    server.listen(path, () => {
      server.unref()
      resolve(server)
    })
  })
}

function isAlive (path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = net.connect(path)
    const done = (alive: boolean): void => {
      socket.destroy()
      resolve(alive)
    }
    socket.once('connect', () => done(true))
    socket.once('error', () => done(false))
    socket.setTimeout(connectTimeoutMs, () => done(true))
  })
}

function closeServer (server: net.Server): Promise<void> {
  return new Promise(resolve => server.close(() => resolve()))
}

/**
 * Takes the lock.
 *
 * @param folder    exists
 * @param identity  what names the folder on this machine whatever the path: device and inode
 * @param unlink    removes a socket file that a dead process left
 * @throws FolderLockedError  another living process has it
 */
export async function lockFolder (folder: string, identity: string, unlink: (path: string) => Promise<void>): Promise<FolderLock> {
  const servers: net.Server[] = []
  const release = async (): Promise<void> => { await Promise.all(servers.map(closeServer)) }
  const taken = new FolderLockedError(`${folder} is in use by another broker: stop it, or choose another data_dir`)
  if (process.platform === 'linux') {
    const name = createHash('sha256').update(identity).digest('hex').slice(0, 32)
    const abstract = await listen(`\0ringmq-${name}`)
    if (abstract === undefined) throw taken
    servers.push(abstract)
  }
  const full = join(folder, 'lock')
  const near = relative(process.cwd(), full)
  const path = near.length < full.length ? near : full
  // Too long a path for a socket: the abstract name alone has to do; elsewhere there is no lock without it.
  if (Buffer.byteLength(path) > socketPathMax) {
    if (servers.length > 0) return { release }
    throw new Error(`the path of data_dir is too long for a lock: ${path}`)
  }
  let server = await listen(path)
  if (server === undefined) {
    if (await isAlive(path)) {
      await release()
      throw taken
    }
    await unlink(path)
    server = await listen(path)
    if (server === undefined) {
      await release()
      throw taken
    }
  }
  servers.push(server)
  return { release }
}
