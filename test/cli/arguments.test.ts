import t from 'tap'
import { type FileKind, normalizeArguments } from '../../src/cli/arguments.ts'

const commands = new Set(['broker', 'create-topic', 'list-topics', 'produce', 'consume', 'cluster', 'help'])
const known = {
  withValue: new Set(['topic', 'message', 'partition', 'offset', 'count', 'broker', 'config', 'log', 'node-id', 'bind-port', 'data-dir']),
  switches: new Set(['follow', 'json', 'enable-follower-read']),
  brokerOnly: new Set(['node-id', 'bind-port', 'data-dir', 'enable-follower-read']),
  groups: new Map([['cluster', new Set(['status', 'move'])]])
}
const fileKind = (path: string): FileKind => path.includes('client') ? { kind: 'client', command: 'produce' } : { kind: 'broker' }
const normalize = (line: string): string => normalizeArguments(line.split(' ').filter(part => part !== ''), commands, known, fileKind).join(' ')

t.test('spellings', async t => {
  const same: ReadonlyArray<[given: string, meant: string]> = [
    ['produce --topic a --message hi', 'produce --topic=a --message=hi'],
    ['produce -topic a -message=hi', 'produce --topic=a --message=hi'],
    ['--broker h:1 list-topics', 'list-topics --broker=h:1'],
    ['-config=client.json -cmd=create-topic -topic=x', 'create-topic --config=client.json --topic=x'],
    ['-cmd list-topics', 'list-topics'],
    ['-config client.json', 'produce --config=client.json'],
    ['-config broker.yaml', 'broker --config=broker.yaml'],
    ['-node-id=broker-1 -bind-port 9093', 'broker --node-id=broker-1 --bind-port=9093'],
    ['-data-dir=d -enable-follower-read -node-id n', 'broker --data-dir=d --enable-follower-read --node-id=n'],
    ['--enable-follower-read=false', 'broker --enable-follower-read=false'],
    ['consume -topic=t -partition -1 -offset=-1 --follow', 'consume --topic=t --partition=-1 --offset=-1 --follow'],
    ['produce --topic produce --message -bind-port', 'produce --topic=produce --message=-bind-port'],
    ['produce --topic a -- -x --y', 'produce --topic=a -- -x --y'],
    ['cluster status --broker h:1', 'cluster status --broker=h:1'],
    ['-broker h:1 cluster -json status', 'cluster status --broker=h:1 --json'],
    ['cluster --broker h:1 move produce 0 --to 1,2', 'cluster move --broker=h:1 produce 0 --to 1,2'],
    ['cluster move status 0', 'cluster move status 0'],
    ['cluster stats', 'cluster stats'],
    ['cluster', 'cluster'],
    ['help produce', 'help produce'],
    ['--help', '--help'],
    ['-h', '-h'],
    ['-V', '-V'],
    ['consum', 'consum'],
    ['', '']
  ]
  for (const [given, meant] of same) t.equal(normalize(given), meant, given)
})

t.test('values keep every character', async t => {
  t.same(normalizeArguments(['produce', '-message=a=b\n c', '--topic', ''], commands, known, fileKind), ['produce', '--message=a=b\n c', '--topic='])
})
