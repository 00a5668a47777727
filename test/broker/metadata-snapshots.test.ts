/** A cluster whose metadata log does not reach back to its beginning any more. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { metadataGroupKey } from '../../src/actors/controller/options.ts'
import { until } from '../discovery/kit.ts'
import { Brokers } from './brokers.ts'
import { openClient } from './kit.ts'
import { append, batchOf, createTopic, deleteTopic } from './requests.ts'

// A busy machine is no failure.
t.setTimeout(240_000)

const files = async (brokers: Brokers, index: number, ending: string): Promise<string[]> =>
  (await readdir(join(brokers.dataDir(index), 'topics', metadataGroupKey))).filter(name => name.endsWith(ending)).toSorted()
const folders = async (brokers: Brokers, index: number): Promise<string[]> => await readdir(join(brokers.dataDir(index), 'topics'))

t.test('who was away meanwhile begins with the leader\'s snapshot, and all start with theirs', async t => {
  const brokers = await Brokers.three(t, {
    raftControllerSnapshotFreq: 5, raftCompactionOverhead: 0, logSegmentBytes: 1024, defaultReplicationFactor: 3
  })
  const client = await openClient(t, brokers.running.get(0)!)
  const kept = await createTopic(client, 'kept', 2)
  const gone = await createTopic(client, 'gone', 2)
  await until('all hold both', async () => (await folders(brokers, 2)).filter(name => name.startsWith(kept) || name.startsWith(gone)).length === 4)
  await brokers.stop(2)
  const before = (await files(brokers, 2, '.log')).at(-1)!
  t.equal(await deleteTopic(client, 'gone'), 0)
  await until('the log has moved on', async () => {
    await createTopic(client, 'busy')
    await deleteTopic(client, 'busy')
    return (await files(brokers, 0, '.log'))[0]! > before && (await files(brokers, 1, '.log'))[0]! > before
  })
  await brokers.start(2)
  await brokers.live()
  await until('it keeps what it is to hold, and nothing else', async () => {
    const held = await folders(brokers, 2)
    return held.some(name => name.startsWith(kept)) && !held.some(name => name.startsWith(gone))
  })
  t.ok((await files(brokers, 2, '.log'))[0]! > before, 'it has begun anew')
  t.ok((await files(brokers, 2, '.snapshot')).length > 0)

  await Promise.all([0, 1, 2].map(async index => await brokers.stop(index)))
  await Promise.all([0, 1, 2].map(async index => await brokers.start(index)))
  await brokers.live()
  const clients = await Promise.all([0, 1, 2].map(async index => await openClient(t, brokers.running.get(index)!)))
  await until('one of them leads and takes writes', async () => {
    const answers = await Promise.all(clients.map(async client => await append(client, 'kept', 0, batchOf(['a']))))
    return answers.some(({ errorCode }) => errorCode === 0)
  })
  await t.rejects(createTopic(clients[2]!, 'kept'), /36/, 'it knows of it')
})
