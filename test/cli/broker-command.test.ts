import { createServer } from 'node:net'
import { once } from 'node:events'
import { readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ringmq, startRingmq } from './kit.ts'

const quiet = ['--logging-level', 'error', '--threads', '1', '--bind-port', '0']
const address = (banner: string): string => /ready on (\S+)/.exec(banner)![1]!

t.test('starts, serves, stops at SIGTERM, and finds everything again', async t => {
  const dir = join(t.testdir(), 'data')
  const first = startRingmq(['broker', ...quiet, '--data-dir', dir, '--log-flush', 'os'])
  const banner = await first.until(/consume --topic demo.*\n/)
  t.match(banner, /^RingMQ \d+\.\d+\.\d+ is ready on 127\.0\.0\.1:\d+\n {2}data +\S+data\n {2}flush +os\n {2}threads +1\n/)
  t.match(await ringmq(['produce', '--topic', 'kept', '--message', 'safe', '--count', '3', '--broker', address(banner)]), { code: 0 })

  const second = await ringmq(['broker', ...quiet, '--data-dir', dir])
  t.equal(second.code, 1)
  t.match(second.stderr, /^ringmq: cannot start: .*\n$/, 'a folder in use is one clear line')

  t.equal(await first.end('SIGTERM'), 0)
  t.equal(first.stderr(), '')
  const third = startRingmq([...quiet, '-data-dir', dir])
  const back = await third.until(/consume --topic demo.*\n/)
  t.equal((await ringmq(['consume', '--topic', 'kept', '--broker', address(back)])).stdout.toString(), 'safe\nsafe\nsafe\n')
  t.equal(await third.end('SIGINT'), 0)
})

t.test('a damaged metadata log stops the start, and says so', async t => {
  const dir = join(t.testdir(), 'data')
  const first = startRingmq(['broker', ...quiet, '--data-dir', dir])
  const banner = await first.until(/consume --topic demo.*\n/)
  t.match(await ringmq(['create-topic', '--topic', 'kept', '--broker', address(banner)]), { code: 0 })
  t.equal(await first.end('SIGTERM'), 0)
  const log = join(dir, 'topics', `${'0'.repeat(31)}1-0`)
  for (const name of readdirSync(log)) if (name.endsWith('.log')) truncateSync(join(log, name), 10)
  const { code, stderr } = await ringmq(['broker', ...quiet, '--data-dir', dir])
  t.equal(code, 1)
  t.match(stderr, /^ringmq: cannot start: the metadata log is damaged: .+$/m)
})

t.test('a port in use is one clear line', async t => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as { port: number }
  const { code, stderr } = await ringmq(['broker', '--data-dir', join(t.testdir(), 'data'), '--bind-port', String(port)])
  t.equal(code, 1)
  t.match(stderr, new RegExp(`^ringmq: cannot start: .*${port}.*--bind-port.*\\n$`))
})

t.test('wrong configuration is named before anything starts', async t => {
  const file = join(t.testdir(), 'broker.yaml')
  writeFileSync(file, 'bind_prt: 1\nlog: {flush: sometimes}\n')
  const { code, stderr } = await ringmq(['broker', '--config', file, '--threads', 'many'], { env: { RINGMQ_BIND_PORT: '99999' } })
  t.equal(code, 2)
  t.same(stderr.trim().split('\n').map(line => line.split(':')[1]!.trim()).sort(), ['bind_port', 'bind_prt', 'log.flush', 'threads'])
  t.match(await ringmq(['broker', '--config', join(t.testdir(), 'none.yaml')]), { code: 1, stderr: /^ringmq: cannot read the configuration .*\n$/ })
})

t.test('help, version, and mistakes in usage', async t => {
  t.match((await ringmq(['--version'])).stdout.toString(), /^\d+\.\d+\.\d+\n$/)
  const help = await ringmq([])
  t.equal(help.code, 0)
  t.match(help.stdout.toString(), /create-topic[\s\S]*Examples:/)
  t.match((await ringmq(['broker', '--help'])).stdout.toString(), /--log-flush <value>/)
  t.match((await ringmq(['consume', '--help'])).stdout.toString(), /--follow[\s\S]*Examples:/)
  t.match(await ringmq(['consum']), { code: 2, stderr: /Did you mean consume/ })
  t.match(await ringmq(['consume', '--topik', 'x']), { code: 2, stderr: /Did you mean --topic/ })
})
