/** Brokers that come back elsewhere or with a folder that was replaced. */
import t from 'tap'
import { freePort } from '../discovery/kit.ts'
import { Brokers } from './brokers.ts'

// A busy machine is no failure.
t.setTimeout(240_000)

t.test('a broker that comes back on another raft port is found, and so are all that move at once', async t => {
  const brokers = await Brokers.three(t)
  await brokers.stop(2)
  brokers.raftPorts[2] = await freePort()
  await brokers.start(2)
  await brokers.live()
  t.equal((await brokers.status(2)).controller, (await brokers.status(0)).controller)
  // Two of three: until they are found nobody can lead.
  await Promise.all([brokers.stop(0), brokers.stop(1)])
  brokers.raftPorts[0] = await freePort()
  brokers.raftPorts[1] = await freePort()
  await Promise.all([brokers.start(0), brokers.start(1)])
  await brokers.live()
  t.pass('they lead and follow')
})

t.test('a folder that was not mounted for a while takes its place again', async t => {
  const brokers = await Brokers.three(t)
  await brokers.stop(2)
  await brokers.start(2, 'not-mounted')
  await brokers.live()
  await brokers.stop(2)
  await brokers.start(2)
  await brokers.live()
  t.pass('it is no zombie')
})
