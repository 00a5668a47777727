import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startBroker } from '../../src/broker.ts'
import { ringmq, startRingmq } from './kit.ts'

const broker = await startBroker({ dataDir: 'memory', port: 0, loggingLevel: 'error' })
t.teardown(() => broker.close())
const at = ['--broker', broker.address]

t.test('topics: create, list, describe, delete', async t => {
  const created = await ringmq(['create-topic', '--topic', 'first', '--partitions', '3', '--replicas', '1', ...at])
  t.match(created, { code: 0, stderr: '' })
  t.match(created.stdout.toString(), /^created topic first: 3 partitions, 1 replica\n$/)
  t.match((await ringmq(['list-topics', ...at])).stdout.toString(), /first +│ 3 +│ 1/)
  t.match((await ringmq(['describe-topic', '--topic', 'first', ...at])).stdout.toString(), /topic first .*3 partitions[\s\S]*│ 2 +│/)
  const again = await ringmq(['create-topic', '--topic', 'first', ...at])
  t.equal(again.code, 1)
  t.match(again.stderr, /^ringmq: topic first exists already; .*\n$/)
  t.match(await ringmq(['delete-topic', '--topic', 'first', ...at]), { code: 0 })
  const gone = await ringmq(['describe-topic', '--topic', 'first', ...at])
  t.equal(gone.code, 1)
  t.match(gone.stderr, /^ringmq: there is no topic first; .*\n$/)
})

t.test('messages: text, count, offset, partition, json', async t => {
  await ringmq(['create-topic', '--topic', 'texts', '--partitions', '2', ...at])
  const produced = await ringmq(['produce', '--topic', 'texts', '--partition', '1', '--message', 'grüß dich', '--count', '5', ...at])
  t.match(produced.stdout.toString(), /^produced 5 messages \(55 B\) to texts in .*; last offset by partition: 1:4\n$/)
  t.equal((await ringmq(['consume', '--topic', 'texts', ...at])).stdout.toString(), 'grüß dich\n'.repeat(5))
  t.equal((await ringmq(['consume', '--topic', 'texts', '--partition', '1', '--offset', '3', ...at])).stdout.toString(), 'grüß dich\n'.repeat(2))
  t.equal((await ringmq(['consume', '--topic', 'texts', '--offset', 'latest', ...at])).stdout.length, 0)
  const json = (await ringmq(['consume', '--topic', 'texts', '--offset', 'earliest', '--count', '1', '--json', ...at])).stdout.toString()
  t.match(JSON.parse(json), { topic: 'texts', partition: 1, offset: 0, timestamp: Number, key: null, value: 'grüß dich' })
  const beyond = await ringmq(['consume', '--topic', 'texts', '--partition', '1', '--offset', '9', ...at])
  t.match(beyond, { code: 1, stderr: /^ringmq: partition 1 holds offsets from 0 up to 5, not 9; .*\n$/ })
  t.match(await ringmq(['produce', '--topic', 'texts', '--partition', '2', '--message', 'x', ...at]), { code: 1, stderr: /partitions 0 to 1, not 2/ })
})

t.test('the original\'s spellings', async t => {
  const dir = t.testdir()
  const config = join(dir, 'client.json')
  writeFileSync(config, JSON.stringify({ broker_addrs: [broker.address], timeout: '10s', log_file: join(dir, 'client.log'), command: { type: 'produce', topic: 'old', partition: 0, message: 'from file', count: 2 } }))
  t.match(await ringmq([`-config=${config}`, '-cmd=create-topic', '-topic=other', '-partitions=1', '-replicas=1']), { code: 0 })
  t.match(await ringmq(['-config', config]), { code: 0 })
  t.match(await ringmq([`-config=${config}`, '-cmd=produce', '-message=flag', '-count=-1']), { code: 0 })
  const consumed = await ringmq([`-broker=${broker.address}`, '-cmd', 'consume', '-topic=old', '-partition=0', '-offset=0', '-count=50'])
  t.equal(consumed.stdout.toString(), 'from file\nfrom file\nflag\n')
})

t.test('lines come back byte for byte', async t => {
  const bytes = Buffer.concat([Buffer.from('one\r\n\n\n'), Buffer.from([0, 255, 254, 10]), Buffer.from('x'.repeat(300_000) + '\n'), ...Array.from({ length: 20_000 }, (_, i) => Buffer.from(`line ${i}\n`))])
  const file = join(t.testdir({ 'input.txt': bytes }), 'input.txt')
  for (const [name, args, input] of [['file', ['--file', file], ''], ['stdin', [], bytes], ['zstd', ['--file', file, '--compression', 'zstd'], '']] as const) {
    t.match(await ringmq(['produce', '--topic', name, ...args, ...at], { input }), { code: 0, stderr: '' }, name)
    t.ok((await ringmq(['consume', '--topic', name, ...at])).stdout.equals(bytes), name)
  }
  await ringmq(['produce', '--topic', 'unended', ...at], { input: 'a\nb' })
  t.equal((await ringmq(['consume', '--topic', 'unended', ...at])).stdout.toString(), 'a\nb\n')
  const values = (await ringmq(['consume', '--topic', 'file', '--count', '4', '--json', ...at])).stdout.toString().trim().split('\n').map(line => JSON.parse(line))
  t.same(values.map(({ value, valueBase64 }) => value ?? valueBase64), ['one\r', '', '', Buffer.from([0, 255, 254]).toString('base64')])
})

t.test('a key keeps its messages together', async t => {
  await ringmq(['create-topic', '--topic', 'keyed', '--partitions', '4', ...at])
  for (const key of ['a', 'b', 'a']) await ringmq(['produce', '--topic', 'keyed', '--key', key, '--message', `of ${key}`, ...at])
  const lines = (await ringmq(['consume', '--topic', 'keyed', '--json', ...at])).stdout.toString().trim().split('\n').map(line => JSON.parse(line))
  t.equal(lines.length, 3)
  t.equal(new Set(lines.filter(line => line.key === 'a').map(({ partition }) => partition)).size, 1)
})

t.test('consume --follow shows what arrives and ends at Ctrl-C', async t => {
  await ringmq(['create-topic', '--topic', 'live', ...at]) // reading a topic does not create it
  const follower = startRingmq(['consume', '--topic', 'live', '--follow', ...at])
  await ringmq(['produce', '--topic', 'live', '--message', 'now', ...at])
  t.equal(await follower.until(/now/), 'now\n')
  t.equal(await follower.end('SIGINT'), 0)
  t.equal(follower.stderr(), '')
})

t.test('failures', async t => {
  t.match(await ringmq(['list-topics', '--broker', '127.0.0.1:1']), { code: 1, stderr: /^ringmq: cannot reach 127\.0\.0\.1:1 \(ECONNREFUSED\): .*\n$/ })
  t.match(await ringmq(['consume', '--topic', 'nowhere', ...at]), { code: 1, stderr: /^ringmq: there is no topic nowhere.*\n$/ })
  t.match(await ringmq(['produce', '--topic', 'a b', '--message', 'x', ...at]), { code: 1, stderr: /^ringmq: "a b" is no topic name.*\n$/ })
  t.match(await ringmq(['produce', '--topic', 'x', '--file', 'no-such-file', ...at]), { code: 1, stderr: /^ringmq: cannot read no-such-file.*\n$/ })
  t.match(await ringmq(['produce', '--topic', 'x', '--message', 'x', '--acks', 'some', ...at]), { code: 2, stderr: /--acks: "some" is not allowed/ })
  t.match(await ringmq(['produce', ...at]), { code: 2, stderr: /^ringmq: no topic named; use --topic NAME\n$/ })
})
