/** describe-topic and create-topic in a cluster of which one broker is down. */
import t, { type Test } from 'tap'
import type { Message } from '../../src/base/effect.ts'
import { runProgram } from '../../src/cli/program.ts'
import { type AnyMessage, brokerImage, clusterImage, networkId, NetworkKit, partitionId, partitionImage, topic, topicId } from '../net/network-kit.ts'

t.setTimeout(60_000)

const images = [
  partitionImage({ actor: partitionId, leader: 1, term: 4, replicas: [1, 2], isr: [1], offline: [2] }),
  partitionImage({ leader: -1, term: 3, replicas: [2], isr: [2], offline: [2] }),
  partitionImage({ leader: -1, term: 0, replicas: [1], isr: [] })
]

async function open (t: Test, controller: (message: AnyMessage) => object): Promise<(...args: string[]) => Promise<{ code: number, stdout: string, stderr: string }>> {
  const kit = await NetworkKit.open(t, {
    images,
    react: (message, out) => {
      if (message.kind === 'list-offset') out.tell(message.replyTo, { kind: 'listed-offset', correlation: message.correlation, errorCode: 0, offset: message.timestamp === -1 ? 12 : 2, leaderEpoch: 4, plan: null } as Message)
    },
    controller: (message, out) => out.tell(message.replyTo, { correlation: message.correlation, ...controller(message) } as unknown as Message)
  })
  const [host, port] = kit.address.split(':') as [string, string]
  const cluster = clusterImage([brokerImage(1, { host, port: Number(port) }), brokerImage(2, { fenced: true })])
  kit.system.tell(networkId, { kind: 'metadata-changed', topics: [], deleted: [], cluster } as unknown as Message)
  return async (...args) => {
    const [out, err] = [t.capture(console, 'log'), t.capture(console, 'error')]
    const code = await runProgram([...args, '--broker', kit.address]).finally(() => { out.restore(); err.restore() })
    const text = (calls: ReadonlyArray<{ readonly args: readonly unknown[] }>): string => calls.map(({ args }) => `${args.join(' ')}\n`).join('')
    return { code, stdout: text(out()), stderr: text(err()) }
  }
}

t.test('describe-topic shows partitions that nobody leads as well', async t => {
  const run = await open(t, () => ({}))
  const { code, stdout, stderr } = await run('describe-topic', '--topic', topic)
  t.strictSame([code, stderr], [0, ''])
  t.match(stdout, new RegExp(`^topic t {2}id ${topicId.slice(0, 8)}.* {2}3 partitions\n`))
  t.match(stdout, /│ 0 +│ 1 +│ 4 +│ 1 2 \(down\) │ 1 +│ 2 +│ 12 +│ 10 +│/)
  t.match(stdout, /│ 1 +│ none +│ 3 +│ 2 \(down\) +│ 2 +│ +│ +│ +│/)
  t.match(stdout, /│ 2 +│ none +│ +│ 1 +│ +│ +│ +│ +│/)
})

t.test('create-topic asks for replicas, and says what two of them are worth', async t => {
  const asked: AnyMessage[] = []
  const run = await open(t, message => {
    asked.push(message)
    return { kind: 'topics-created', results: [{ name: 'new', id: 'a'.repeat(32), errorCode: 0, errorMessage: null, partitions: 4, replicas: 3, config: {} }] }
  })
  t.strictSame(await run('create-topic', '--topic', 'new', '--partitions', '4', '--replicas', '3'), { code: 0, stdout: 'created topic new: 4 partitions, 3 replicas\n', stderr: '' })
  t.match(asked, [{ topics: [{ name: 'new', partitions: 4, replicas: 3, assignments: null }] }])
  t.match(await run('create-topic', '--topic', 'new', '--replicas', '2'), { code: 0, stderr: /^note: of 2 replicas both must agree/ })
})
