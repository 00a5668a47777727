import net from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import { Listener } from '../../src/net/listener.ts'

t.setTimeout(30_000)

t.test('a connection that cannot be accepted is reported, and the next one is taken', async t => {
  const servers: net.Server[] = []
  const listen = net.Server.prototype.listen
  // Node's own server, to do to it what the system does when no file descriptor is left.
  t.teardown(() => { net.Server.prototype.listen = listen })
  net.Server.prototype.listen = function (this: net.Server, ...args: [handle: unknown]) {
    servers.push(this)
    return listen.apply(this, args)
  } as typeof listen
  const [errors, remotes]: [Error[], string[]] = [[], []]
  const listener = await Listener.listen({
    host: '127.0.0.1',
    port: 0,
    reusePort: false,
    accept: (handle, remote) => {
      remotes.push(remote)
      new net.Socket({ handle } as net.SocketConstructorOpts).destroy()
    },
    onError: error => errors.push(error)
  })
  servers[0]!.emit('error', new Error('accept EMFILE'))
  t.match(errors, [{ message: 'accept EMFILE' }])
  const client = net.connect(listener.port, '127.0.0.1')
  await once(client, 'close')
  t.equal(remotes.length, 1)
  listener.close()
})
