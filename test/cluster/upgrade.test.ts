/** Brokers of two versions side by side, each a process: a cluster that works all the time is upgraded, broker by broker, and never goes back. */
import t from 'tap'
import { errorName } from '../../src/base/error-code.ts'
import { featureRange, protocolRange } from '../../src/base/versions.ts'
import { featureName } from '../../src/net/requests/features.ts'
import { apiVersions } from '../../src/protocol/apis/api-versions.ts'
import { electLeaders } from '../../src/protocol/apis/elect-leaders.ts'
import { updateFeatures } from '../../src/protocol/apis/update-features.ts'
import { temporaryFolder } from '../broker/kit.ts'
import { RawClient } from '../broker/raw-client.ts'
import { Cluster } from './cluster.ts'
import { ClusterClient } from './cluster-client.ts'
import { Load } from './load.ts'
import { openNetwork } from './network.ts'

// A busy machine is no failure.
t.setTimeout(240_000)

const topic = 'upgrade'
const partitions = 3
const goesOnMsMax = 30_000
const healthyMsMax = 60_000
const nextVersion = new URL('next-version.ts', import.meta.url).href
const [oldProtocol, nextProtocol] = [protocolRange.max, protocolRange.max + 1]
const [oldLevel, nextLevel] = [featureRange.max, featureRange.max + 1]

/** Brokers, by index, whose next process is of the next version. */
const isNext = new Set<number>()
/** Brokers of both versions that were the controller while the other version was there. */
const mixedControllers = new Set<string>()

const folder = await temporaryFolder(t)
const cluster = await Cluster.start({
  network: await openNetwork('plain', 3),
  folder,
  flags: ['--threads', '1', '--log-flush', 'os', '--logging-level', 'debug'],
  each: broker => isNext.has(broker) ? { env: { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import ${nextVersion}` } } : {}
})
t.teardown(async () => await cluster.close())
const client = new ClusterClient({ addresses: cluster.addresses, answerMs: 10_000 })
t.teardown(async () => await client.close())
const load = new Load({ addresses: cluster.addresses, topic, partitions, seed: 1, libraries: false, groups: false, followerReads: false, giveUpMs: 30_000 })
t.teardown(async () => await load.close())

/** What becomes of the wish to raise the level of the cluster, as whoever is asked says. */
async function raise (level: number): Promise<string> {
  return await client.ask(updateFeatures, 1, { features: [{ name: featureName, maxVersionLevel: level }] }, ({ errorCode, errorMessage }) =>
    errorName(errorCode) === 'NOT_CONTROLLER' ? undefined : `${errorName(errorCode)} ${errorMessage ?? ''}`)
}

/** The finalized level, as each running broker tells its clients. */
async function levels (): Promise<Array<number | undefined>> {
  return await Promise.all(cluster.running.map(async ({ address }) => {
    const asker = await RawClient.connect(address)
    const { finalizedFeatures } = await asker.call(apiVersions, 3, { clientSoftwareName: 'raw', clientSoftwareVersion: '1' })
    asker.close()
    return finalizedFeatures.find(({ name }) => name === featureName)?.maxVersionLevel
  }))
}

/** The versions in which a broker speaks to each of the others, by its log: the newest connection counts. */
function spoken (index: number): number[] {
  const newest = new Map<string, number>()
  for (const line of cluster.nodes[index]!.process!.errors.split('\n')) {
    if (!line.includes('link to a peer is open') || !line.endsWith('}')) continue
    const { member, purpose, version } = JSON.parse(line) as { member: number, purpose: string, version: number }
    newest.set(`${member} ${purpose}`, version)
  }
  return [...newest.values()].sort((a, b) => a - b)
}

/** Every partition is led by its preferred leader: those are spread over all brokers. @returns the leaders, by partition */
async function spreadLeaders (): Promise<number[]> {
  await client.ask(electLeaders, 2, { topics: null, timeoutMs: 5000 }, ({ errorCode }) => errorCode === 0 ? true : undefined)
  const leaders: number[] = []
  await cluster.eventually('each broker leads a partition', healthyMsMax, async () => {
    leaders.length = 0
    for (let partition = 0; partition < partitions; partition++) leaders.push(await cluster.leaderOf(topic, partition) ?? -1)
    return new Set(leaders).size === partitions && !leaders.includes(-1)
  })
  return leaders
}

async function noteController (): Promise<void> {
  await cluster.eventually('there is a controller', healthyMsMax, async () => {
    const controller = await cluster.controller()
    if (controller !== undefined) mixedControllers.add(isNext.has(controller) ? 'next' : 'old')
    return controller !== undefined
  })
}

async function isWell (): Promise<void> {
  await cluster.isWhole()
  await cluster.isHealthy(topic, healthyMsMax)
  await load.goesOn(5, goesOnMsMax)
}

t.test('old brokers alone', async t => {
  await client.createTopic(topic, partitions, 3, { 'min.insync.replicas': '2' })
  await cluster.isHealthy(topic, healthyMsMax)
  await load.start()
  await load.goesOn(5, goesOnMsMax)
  t.same(await levels(), [oldLevel, oldLevel, oldLevel])
  t.match(await raise(nextLevel), new RegExp(`^FEATURE_UPDATE_FAILED broker broker-[123] works up to level ${oldLevel}`))
})

/** The controller last, so that it works with a broker that is newer than itself; then another one is, which works with older ones. */
const order: number[] = []

t.test('one after the other is replaced; until the last one is, two versions work together', async t => {
  const controller = await cluster.controller()
  order.push(...cluster.nodes.map(({ index }) => index).sort((a, b) => Number(a === controller) - Number(b === controller)))
  for (const [done, index] of order.entries()) {
    const node = cluster.nodes[index]!
    const { exit } = await cluster.stop(index)
    t.equal(exit.code, 0, `${node.name} stops in order`)
    if (done > 0) await noteController()
    await load.goesOn(3, goesOnMsMax)
    if (done === 2) {
      t.same(await levels(), [oldLevel, oldLevel], 'that the last old one is down changes nothing')
      t.match(await raise(nextLevel), `FEATURE_UPDATE_FAILED broker ${node.name} works up to level ${oldLevel}`)
    }
    isNext.add(index)
    await cluster.start(index)
    await isWell()
    if (done === 2) break

    const old = order.slice(done + 1)
    await noteController()
    t.same(await levels(), [oldLevel, oldLevel, oldLevel])
    t.match(await raise(nextLevel), new RegExp(`^FEATURE_UPDATE_FAILED broker (${old.map(i => cluster.nodes[i]!.name).join('|')}) works up to level ${oldLevel}`))
    t.same(spoken(index).filter(version => version === oldProtocol).length, old.length * 2, 'to an older one it speaks as that one does')
    for (const i of old) t.same(new Set(spoken(i)), new Set([oldProtocol]))
    await client.createTopic(`${topic}-${done}`, partitions, 3)
    await cluster.isHealthy(`${topic}-${done}`, healthyMsMax)
    t.same((await spreadLeaders()).toSorted(), [0, 1, 2], 'partitions are led by brokers of both versions')
    await load.goesOn(5, goesOnMsMax)
    // Nobody is asked: an old one is gone without a word, and the rest elects.
    await cluster.kill(old[0]!)
    await load.goesOn(3, goesOnMsMax)
    await cluster.start(old[0]!)
    await isWell()
  }
  t.same([...mixedControllers].sort(), ['next', 'old'])
})

t.test('the last one brings the next level, for good', async t => {
  await cluster.eventually('all brokers say that the level is final', healthyMsMax, async () => (await levels()).every(level => level === nextLevel))
  t.match(await raise(nextLevel), /^NONE/)
  t.match(await raise(oldLevel), /^INVALID_UPDATE_VERSION .* never lowered/)
  t.match(await raise(nextLevel + 1), /^FEATURE_UPDATE_FAILED/)
  for (const { index } of cluster.nodes) t.same(spoken(index), [nextProtocol, nextProtocol, nextProtocol, nextProtocol], 'all speak the next version with each other')
})

t.test('an old broker does not come back, and the others go on', async t => {
  const index = order[0]!
  const node = cluster.nodes[index]!
  await cluster.stop(index)
  isNext.delete(index)
  await t.rejects(cluster.start(index),
    new RegExp(`cannot start: broker ${node.name} works at feature levels ${featureRange.min} to ${oldLevel}; the cluster is at ${nextLevel}, for good: start a program of a newer version on this data_dir`))
  const { exited } = node.process!
  await cluster.kill(index)
  t.equal((await exited).code, 1)
  await load.goesOn(5, goesOnMsMax)
  isNext.add(index)
  await cluster.start(index)
  await isWell()
})

t.test('nothing that was acknowledged is lost', async t => {
  const report = await load.finish()
  t.ok(report.anomalies.isEmpty, String(report.anomalies))
  t.ok(report.acknowledged > 100, `${report.acknowledged} records`)
  for (const { index } of cluster.nodes) t.equal((await cluster.stop(index)).exit.code, 0)
})
