/** A broker that comes back gets what it lacks at a bounded pace; those that are there do not wait for that. */
import t from 'tap'
import { ValuesCluster } from './values.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const small = { config: { segmentBytesMax: 4000, indexIntervalBytes: 500 }, poolBytes: 16 << 10 }

t.test('who was away for long gets so many bytes a second from the files, while the others go on', async t => {
  const cluster = new ValuesCluster({ ...small, throttle: 10_000 })
  await cluster.append(2)
  const behind = cluster.at(3)
  behind.crash(false)
  for (let i = 0; i < 12; i++) await cluster.append(20, 500)
  await cluster.run(3000)
  behind.start()
  await cluster.until(() => behind.isUp && behind.log.logEndOffset > 2, 'it gets something')
  const from = behind.log.bytes
  const { leader } = cluster
  const live = cluster.followers.find(node => node !== behind)!
  for (let second = 1; second <= 5; second++) {
    for (let i = 0; i < 10; i++) {
      cluster.propose(1)
      await cluster.run(100)
      t.same([leader!.replica.highWatermark, live.log.durableEndOffset], [leader!.log.logEndOffset, leader!.log.logEndOffset], 'it is on both disks')
    }
    // What was under way before, and a message of 4 KiB.
    t.ok(behind.log.bytes - from <= second * 10_000 + 6_000, `${behind.log.bytes - from} bytes after ${second} s`)
  }
  t.ok(behind.log.bytes - from >= 40_000, `${behind.log.bytes - from} bytes after five seconds`)
  await cluster.even()
  t.same([cluster.leader, cluster.check(), cluster.crashes], [leader, [], []])
  await cluster.append(2)
  await cluster.close()
})

t.test('who is in sync is not slowed, though what it lacks comes from the files', async t => {
  const cluster = new ValuesCluster({ ...small, throttle: 1000 })
  await cluster.append(2)
  await cluster.run(500)
  const behind = cluster.followers[0]!
  cluster.links.apart.add(behind.member)
  for (let i = 0; i < 6; i++) {
    cluster.propose(20, 500)
    await cluster.run(50)
  }
  cluster.links.apart.clear()
  await cluster.until(() => cluster.isEven, 'it has everything', 1500)
  t.ok(cluster.leader!.loads > 0, 'from the files')
  t.same([cluster.check(), cluster.crashes], [[], []])
  await cluster.close()
})
