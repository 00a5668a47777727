/** A broker of a cluster that is told to stop does not leave its clients behind. */
import t from 'tap'
import { ErrorCode, errorName } from '../../src/base/error-code.ts'
import { metadata } from '../../src/protocol/apis/metadata.ts'
import { temporaryFolder } from '../broker/kit.ts'
import { RawClient } from '../broker/raw-client.ts'
import { append, batchOf } from '../broker/requests.ts'
import { Cluster } from './cluster.ts'
import { ClusterClient, sleep } from './cluster-client.ts'
import { openNetwork } from './network.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const topic = 'stop'
/** More than fit between the hand-over and an end of the connections that waits for nobody. */
const answersWanted = 10
const pauseMs = 50
/** Sooner, a second signal is taken for the first one once more. */
const signalApartMs = 600

const folder = await temporaryFolder(t)
const cluster = await Cluster.start({ network: await openNetwork('plain', 3), folder, flags: ['--threads', '2', '--log-flush', 'os'] })
t.teardown(async () => await cluster.close())
const admin = new ClusterClient({ addresses: cluster.addresses, answerMs: 10_000 })
t.teardown(async () => await admin.close())
await admin.createTopic(topic, 1, 3)

t.test('after the hand-over a broker that stops says who leads now, over the connections that it has', async t => {
  await cluster.isHealthy(topic, 60_000)
  const index = (await cluster.leaderOf(topic, 0))!
  const { address, place } = cluster.nodes[index]!
  const producer = await RawClient.connect(address)
  t.teardown(() => producer.close())
  t.equal((await append(producer, topic, 0, batchOf(['before']))).errorCode, ErrorCode.NONE)
  const stopped = cluster.stop(index)
  const answers: string[] = []
  // It goes on where it is, as a client does that has not understood yet.
  for (let refused = 0; refused < answersWanted;) {
    const { errorCode } = await append(producer, topic, 0, batchOf(['during']))
    if (errorCode !== ErrorCode.NONE) refused++
    answers.push(errorName(errorCode))
    await sleep(pauseMs)
  }
  t.same([...new Set(answers)].filter(name => name !== 'NONE'), ['NOT_LEADER_OR_FOLLOWER'], answers.join())
  const { brokers, topics } = await producer.call(metadata, 12, { topics: [{ name: topic }] })
  const leader = brokers.find(({ nodeId }) => nodeId === topics[0]!.partitions[0]!.leaderId)
  t.ok(leader !== undefined && leader.port !== place.clientPort, 'metadata names another leader')
  const elsewhere = await RawClient.connect(`${leader!.host}:${leader!.port}`)
  t.teardown(() => elsewhere.close())
  t.equal((await append(elsewhere, topic, 0, batchOf(['after']))).errorCode, ErrorCode.NONE)
  // It has gone quiet; its connection is open, and keeps nobody.
  t.equal((await stopped).exit.code, 0)
  await producer.closed
  await cluster.start(index)
})

t.test('a client that never understands is not waited for without end, nor does it keep a second signal from ending the broker', async t => {
  for (const signals of [1, 2]) {
    await cluster.isHealthy(topic, 60_000)
    const index = (await cluster.leaderOf(topic, 0))!
    const node = cluster.nodes[index]!
    const stubborn = await RawClient.connect(node.address)
    t.teardown(() => stubborn.close())
    const { exited, pid } = node.process!
    const stopped = cluster.stop(index)
    const firstMs = performance.now()
    let answers = 0
    let signalsSent = 1
    try {
      for (;;) {
        if ((await append(stubborn, topic, 0, batchOf(['x']))).errorCode !== ErrorCode.NONE) answers++
        if (signalsSent < signals && answers >= answersWanted && performance.now() - firstMs > signalApartMs) {
          signalsSent++
          process.kill(pid, 'SIGTERM')
        }
        await sleep(pauseMs / 5)
      }
    } catch { /* the connection was closed */ }
    t.ok(answers >= answersWanted)
    t.equal((await exited).code, signals === 2 ? 143 : 0)
    await stopped
    await cluster.start(index)
  }
})
