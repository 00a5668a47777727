/** The cluster commands before a broker whose controller is played by the test. Only a few run as processes of their own: the others take less time here. */
import t, { type Test } from 'tap'
import type { Message } from '../../src/base/effect.ts'
import { ErrorCode } from '../../src/base/error-code.ts'
import { runProgram } from '../../src/cli/program.ts'
import { type AnyMessage, brokerImage, clusterImage, NetworkKit, partitionImage, topic } from '../net/network-kit.ts'
import { ringmq } from './kit.ts'

t.setTimeout(120_000)

const fine = { errorCode: ErrorCode.NONE, errorMessage: null }
const brokers = [
  brokerImage(1, { rack: 'a' }), brokerImage(2, { rack: 'b' }), brokerImage(3), brokerImage(4), brokerImage(5, { fenced: true })
]
const replicas = [[1, 2], [2, 3], [3, 1], [1, 2], [2, 3], [3, 1]]
const images = replicas.map((replicas, i) => partitionImage({ leader: replicas[0]!, replicas, isr: i === 4 ? [2] : replicas }))
const status = {
  kind: 'quorum-described',
  ...fine,
  leader: 2,
  term: 7,
  highWatermark: 120,
  voters: [1, 2, 3].map(nodeId => ({ member: nodeId + 100, nodeId, directoryId: 'd', endOffset: nodeId === 3 ? 100 : 120, silentMs: nodeId === 2 ? -1 : 30 })),
  observers: [{ member: 104, nodeId: 4, directoryId: 'd', endOffset: -1, silentMs: 5000 }],
  brokers: brokers.map(broker => ({ ...broker, draining: broker.nodeId === 4, leaving: false, replicas: 4, leaders: 2, behind: broker.nodeId === 3 ? 1 : 0, silentMs: broker.fenced ? 400_000 : 20 })),
  featureLevel: 1,
  partitions: 6,
  leaderless: 0,
  underReplicated: 1,
  reassigning: 0
}

interface Played {
  readonly run: (...args: string[]) => Promise<{ readonly code: number | null, readonly stdout: string, readonly stderr: string }>
  /** What the controller was asked to change. */
  readonly asked: AnyMessage[]
  readonly address: string
}

/** @param polls  how often a move is seen on its way */
async function play (t: Test, { polls = 0, elections = fine, left = [0] }: { polls?: number, elections?: { errorCode: number, errorMessage: string | null }, left?: number[] } = {}): Promise<Played> {
  const asked: AnyMessage[] = []
  let moving: AnyMessage['partitions'] = []
  const kit = await NetworkKit.open(t, {
    images,
    cluster: clusterImage(brokers),
    controller: (message, out) => {
      const answer = (fields: object): void => out.tell(message.replyTo, { correlation: message.correlation, ...fields } as unknown as Message)
      const { replyTo, correlation, ...request } = message
      if (!['describe-quorum', 'list-reassignments'].includes(message.kind)) asked.push(request)
      switch (message.kind) {
        case 'describe-quorum': answer(status); break
        case 'list-reassignments':
          answer({ kind: 'reassignments-listed', ...fine, partitions: moving })
          if (moving.length > 0 && --polls <= 0) moving = []
          break
        case 'alter-reassignments':
          answer({ kind: 'reassignments-altered', ...fine, results: message.partitions.map(({ topic, partition }: AnyMessage) => ({ topic, partition, ...fine })) })
          if (polls > 0) moving = message.partitions.map(({ topic, partition, replicas }: AnyMessage) => ({ topic, partition, replicas, adding: replicas, removing: [] }))
          break
        case 'elect-leaders': answer({ kind: 'elections-held', ...fine, results: message.partitions.map(({ topic, partition }: AnyMessage) => ({ topic, partition, ...elections })) }); break
        case 'drain-broker': answer({ kind: 'broker-drained', ...fine, partitionsLeft: left.length > 1 ? left.shift() : left[0] }); break
        case 'remove-broker': answer({ kind: 'broker-removed', errorCode: ErrorCode.INVALID_REQUEST, errorMessage: 'broker 3 holds 4 replicas: drain it first' }); break
      }
    }
  })
  return {
    run: async (...args) => {
      const [out, err] = [t.capture(console, 'log'), t.capture(console, 'error')]
      const code = await runProgram(['cluster', ...args, '--broker', kit.address]).finally(() => { out.restore(); err.restore() })
      return { code, stdout: textOf(out()), stderr: textOf(err()) }
    },
    asked,
    address: kit.address
  }
}

const textOf = (calls: ReadonlyArray<{ readonly args: readonly unknown[] }>): string => calls.map(({ args }) => `${args.join(' ')}\n`).join('')

t.test('status: brokers, the controller\'s group, and what is missing', async t => {
  const { run } = await play(t)
  const shown = await run('status')
  t.match(shown, { code: 0, stderr: '' })
  const text = shown.stdout
  t.match(text, /^cluster c {2}5 brokers {2}feature level 1\ncontroller 2 \(broker-2\) {2}term 7 {2}high watermark 120\n6 partitions: 0 without a leader, 1 under-replicated, 0 moving\n/)
  t.match(text, /│ 1 +│ broker-1 │ host-1:9001 │ raft-1:8001 │ a +│ up +│ 4 +│ 2 +│ 0 +│ now +│/)
  t.match(text, /│ 4 +│ broker-4 .*│ draining +│/)
  t.match(text, /│ 5 +│ broker-5 .*│ down +│.*│ 7 min ago +│/)
  t.match(text, /│ 2 \(broker-2\) │ 102 +│ leader +│ 120 +│ 0 +│/)
  t.match(text, /│ 3 \(broker-3\) │ 103 +│ voter +│ 100 +│ 20 +│ now +│/)
  t.match(text, /│ 4 \(broker-4\) │ 104 +│ learner +│ +│ +│ 5 s ago +│/)
  t.match(text, /under-replicated partitions\n[\s\S]*│ t +│ 4 +│ 2 +│ 2 3 +│ 2 +│ 3 +│/)
  const json = JSON.parse((await run('status', '--json')).stdout)
  t.match(json, { clusterId: 'c', controller: 2, term: 7, quorum: { voters: [{ lag: 0 }, {}, { nodeId: 3, lag: 20 }], observers: [{ lag: null }] }, moving: [] })
  t.strictSame(json.underReplicatedPartitions, [{ topic, partition: 4, replicas: [2, 3], leader: 2, inSync: [2] }])
  t.strictSame(json.brokers.map(({ state }: { state: string }) => state), ['up', 'up', 'up', 'draining', 'down'])
})

t.test('add: a broker gets its share, in as few moves as that takes', async t => {
  const { run, asked } = await play(t, { polls: 3 })
  const planned = await run('add', 'broker-4', '--dry-run')
  t.match(planned.stdout, /^broker 4 \(broker-4\) gets a replica of 3 partitions\n[\s\S]*│ t +│ \d +│/)
  t.strictSame(asked, [])
  const added = await run('add', '4', '--wait')
  t.match(added, { code: 0, stdout: /moved 3 partitions\n$/ })
  t.strictSame(asked[0], { kind: 'drain-broker', nodeId: 4, drain: false }, 'it was draining')
  const moves = asked[1]!.partitions as Array<{ topic: string, partition: number, replicas: number[] }>
  t.equal(moves.length, 3)
  for (const { partition, replicas: to } of moves) t.equal(to.filter(id => replicas[partition]!.includes(id)).length, 1, 'one of two stays')
  t.equal(asked[1]!.allowReplicationFactorChange, false, 'a drain that began to move one a moment ago is not taken for its replicas')
  t.match(await run('add', '5'), { code: 1, stderr: /^ringmq: broker 5 \(broker-5\) is down; start it first\n$/ })
  t.match(await run('add', 'broker-9'), { code: 1, stderr: /^ringmq: there is no broker broker-9 in the cluster, only 1 \(broker-1\), .*; did you mean broker-\d\?; a broker joins when it starts .*\n$/ })
})

t.test('drain: the controller empties a broker; the plan shows where things could go', async t => {
  const { run, asked } = await play(t, { left: [4, 4, 2, 0] })
  const planned = await run('drain', '3', '--dry-run', '--json')
  const { moves } = JSON.parse(planned.stdout)
  t.equal(moves.length, 4)
  for (const { from, to } of moves) t.ok(from.includes(3) && !to.includes(3) && !to.includes(4) && !to.includes(5) && new Set(to).size === 2)
  t.strictSame(asked, [])
  t.match((await run('drain', 'broker-3')).stdout, /^broker 3 \(broker-3\) gives up its replicas of 4 partitions[\s\S]*the controller moves them/)
  t.match((await run('drain', '3', '--wait')).stdout, /broker 3 \(broker-3\) is empty: it can be stopped, and taken off with: ringmq cluster remove 3\n$/)
  t.strictSame(new Set(asked.map(message => JSON.stringify(message))), new Set([JSON.stringify({ kind: 'drain-broker', nodeId: 3, drain: true })]))
  t.match(await run('drain', '3', '--undo'), { code: 0, stdout: 'broker 3 (broker-3) takes partitions again\n' })
  t.strictSame(asked.at(-1), { kind: 'drain-broker', nodeId: 3, drain: false })
  t.match(await run('remove', '3'), { code: 1, stderr: /^ringmq: the broker refused: broker 3 holds 4 replicas: drain it first \(INVALID_REQUEST\)\n$/ })
})

t.test('a wait ends, the move does not', async t => {
  const { run } = await play(t, { left: [4] })
  t.match(await run('drain', '3', '--wait', '--wait-timeout', '1s'), { code: 1, stderr: /^ringmq: 4 of 4 are still on their way after 1s, and go on; see ringmq cluster status\n$/ })
  t.match(await run('drain', '3', '--wait', '--wait-timeout', 'soon'), { code: 2, stderr: /^ringmq: --wait-timeout: "soon" is not allowed/ })
})

t.test('move', async t => {
  const { run, asked } = await play(t, { polls: 2 })
  t.match(await run('move', topic, '0', '--to', 'broker-4,2', '--wait'), { code: 0, stdout: /^t\/0 moves\n[\s\S]*│ t +│ 0 +│ 1 2 +│ 4 2 │[\s\S]*moved 1 partition\n$/ })
  t.strictSame(asked, [{ kind: 'alter-reassignments', partitions: [{ topic, partition: 0, replicas: [4, 2] }], allowReplicationFactorChange: true }])
  t.match(await run('move', topic, '0', '--to', '1,2'), { code: 0, stdout: 't/0 is on 1 2 already\n' })
  t.equal(asked.length, 1)
  t.match(await run('move', topic, '0', '--cancel'), { code: 0 })
  t.match(asked[1], { partitions: [{ topic, partition: 0, replicas: null }] })
  for (const [args, code, stderr] of [
    [['0', '--to', '1,1'], 2, /different brokers/],
    [['0', '--to', '1,9'], 1, /no broker 9/],
    [['6', '--to', '1'], 1, /has partitions 0 to 5, not 6/],
    [['x', '--to', '1'], 2, /partition: "x" is not allowed/],
    [['0'], 2, /either --to BROKER,… or --cancel/],
    [['0', '--to', '1', '--cancel'], 2, /either --to/]
  ] as const) t.match(await run('move', topic, ...args), { code, stderr }, args.join(' '))
  t.match(await run('move', 'nowhere', '0', '--to', '1'), { code: 1, stderr: /^ringmq: there is no topic nowhere/ })
})

t.test('transfer-leader: the new leader becomes the preferred one, so that it stays', async t => {
  const { run, asked } = await play(t)
  t.match(await run('transfer-leader', topic, '0', '--to', '2'), { code: 0, stdout: 'broker 2 (broker-2) leads t/0\n' })
  t.match(asked, [
    { kind: 'alter-reassignments', partitions: [{ topic, partition: 0, replicas: [2, 1] }], allowReplicationFactorChange: false },
    { kind: 'elect-leaders', preferred: true, partitions: [{ topic, partition: 0 }] }
  ])
  t.match(await run('transfer-leader', topic, '0', '--to', '3'), { code: 1, stderr: /^ringmq: broker 3 \(broker-3\) has no replica of t\/0, which is on 1 2; give it one first/ })
  t.match(await run('transfer-leader', topic, '0'), { code: 2, stderr: /--to BROKER/ })
  const content = await play(t, { elections: { errorCode: ErrorCode.ELECTION_NOT_NEEDED, errorMessage: 'it leads' } })
  t.match(await content.run('transfer-leader', topic, '0', '--to', '1'), { code: 0, stdout: 'broker 1 (broker-1) leads t/0 already\n' })
  t.equal(content.asked.length, 1, 'the order is as it should be')
  const behind = await play(t, { elections: { errorCode: ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, errorMessage: 'no' } })
  t.match(await behind.run('transfer-leader', topic, '4', '--to', '3'), { code: 1, stderr: /^ringmq: broker 3 \(broker-3\) cannot lead t\/4 now: it is down, or not in sync; it will lead when it is\n$/ })
})

t.test('as a program of its own; help and mistakes', async t => {
  const { address } = await play(t)
  t.match((await ringmq(['cluster', 'status', '-broker', address])).stdout.toString(), /^cluster c {2}5 brokers/)
  t.match((await ringmq(['cluster', '--help'])).stdout.toString(), /transfer-leader/)
  t.match(await ringmq(['cluster', 'stats']), { code: 2, stderr: /unknown command 'stats'/ })
  t.match(await ringmq(['cluster', 'status', '--broker', '127.0.0.1:1']), { code: 1, stderr: /^ringmq: cannot reach 127\.0\.0\.1:1 / })
})
