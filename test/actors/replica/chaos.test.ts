/**
 * A group whose brokers die, lose power, are cut off, have disks that fail or fill up, give up old batches and change who they are, all
 * by chance. Nothing that was committed is ever lost or another; when it is over, all hold the same. CHAOS_SEEDS=7,8 runs these,
 * CHAOS_RUNS=500 so many, CHAOS_DEEDS=100 makes each longer.
 */
import t from 'tap'
import type { MemberId, Offset } from '../../../src/base/ids.ts'
import { type Chance, seededChance } from '../../../src/base/prng.ts'
import type { Node } from './kit.ts'
import { type Values, ValuesCluster } from './values.ts'

const everybody = [1, 2, 3, 4, 5]

class Chaos {
  readonly cluster: ValuesCluster
  readonly chance: Chance
  /** What the group was told last to become. */
  target = [1, 2, 3]
  generation = 0
  readonly deeds: string[] = []

  constructor (seed: number) {
    this.chance = seededChance(seed)
    this.cluster = new ValuesCluster({
      seed,
      poolBytes: 32 << 10,
      config: { segmentBytesMax: 3000, indexIntervalBytes: 500, flush: this.#picks(['always', 'always', 'interval']) as 'always' | 'interval', flushIntervalMs: 200 }
    })
    for (const member of everybody.slice(3)) this.cluster.add(member).start()
  }

  #picks<T> (list: readonly T[]): T { return list[Math.floor(this.chance.next() * list.length)]! }

  get #isWeak (): boolean { return this.cluster.options.config!.flush !== 'always' }

  #below (end: number): number { return Math.floor(this.chance.next() * end) }

  #weather (): void {
    const { links } = this.cluster
    const [lose, double, slow] = [this.#picks([0, 0, 0.02, 0.2]), this.#picks([0, 0.1]), this.#picks([0, 0, 5, 60])]
    links.lose = () => this.chance.next() < lose
    links.double = () => this.chance.next() < double
    links.delayMs = () => 0.5 + this.chance.next() * slow
  }

  #node (): Node<Values> | undefined {
    const { live } = this.cluster
    return live.length === 0 ? undefined : this.#picks(live)
  }

  async run (deeds: number): Promise<void> {
    const { cluster } = this
    for (let i = 0; i < deeds; i++) {
      this.#deed()
      cluster.propose(this.#below(6), this.#picks([20, 200, 1500, 9000]))
      await cluster.run(this.#picks([1, 5, 30, 200, 1200]))
    }
  }

  #deed (): void {
    const { cluster } = this
    const dead = [...cluster.nodes.values()].filter(({ running }) => !running)
    const node = this.#node()
    switch (this.#below(14)) {
      case 0: this.#weather(); break
      case 1: case 2:
        if (node === undefined || dead.length > 1) break
        this.deeds.push(`crash ${node.member}`)
        node.crash(!this.#isWeak && this.chance.next() < 0.5)
        if (this.chance.next() < 0.5) cluster.tellPeers(node.member, false)
        break
      case 3: case 4: case 5:
        if (dead.length === 0) break
        this.deeds.push(`start ${dead[0]!.member}`)
        dead[0]!.start()
        cluster.tellPeers(dead[0]!.member, true)
        break
      case 6:
        if (cluster.links.apart.size > 0) cluster.links.apart.clear()
        else if (node !== undefined) cluster.links.apart.add(node.member)
        this.deeds.push(`apart ${[...cluster.links.apart].join()}`)
        break
      case 7: case 8: {
        if (node === undefined) break
        this.deeds.push(`fault ${node.member}`)
        // Without a sync for each write, one that fails takes back what was acknowledged: nothing to count on.
        const kind = this.#picks([this.#isWeak ? 'write' : 'sync', 'write', 'read', 'rename', 'sync-folder'])
        let left = 1 + this.#below(2)
        node.disk.fault = operation => operation === kind && left-- > 0 ? 'EIO' : undefined
        break
      }
      case 9:
        if (node === undefined) break
        this.deeds.push(`full ${node.member}`)
        node.disk.capacity = node.disk.capacity === Infinity ? node.disk.usedBytes + this.#below(10_000) : Infinity
        break
      case 10: case 11:
        if (node === undefined) break
        this.deeds.push(`retention ${node.member}`)
        cluster.act(node, ({ log, state }, out) => {
          // The values are in the batches: those may go that a snapshot holds.
          const limit = Math.min(log.highWatermark, log.snapshotOffset, state.neededFrom(log.snapshotOffset))
          if (limit > log.logStartOffset) log.deleteBefore(Math.max(log.logStartOffset, limit - this.#below(30)) as Offset, out)
        })
        break
      case 12:
        this.generation++
        this.target = this.#shuffled().slice(0, this.#picks([1, 3, 5]))
        this.deeds.push(`target ${this.target.join()}`)
        this.#aim()
        break
      case 13: {
        const to = this.#picks(everybody) as MemberId
        if (cluster.leader !== undefined) cluster.act(cluster.leader, (replica, out) => { replica.transfer(to, out) })
      }
    }
  }

  #shuffled (): number[] {
    return everybody.map(member => ({ member, at: this.chance.next() })).sort((a, b) => a.at - b.at).map(({ member }) => member)
  }

  #aim (): void {
    for (const node of this.cluster.live) this.cluster.act(node, (replica, out) => replica.setTarget({ voters: this.target as MemberId[], learners: [], generation: this.generation }, out))
  }

  /** All faults end. Who is to be in the group comes to hold the same. */
  async heal (): Promise<void> {
    const { cluster } = this
    cluster.links.apart.clear()
    cluster.links.lose = cluster.links.double = () => false
    cluster.links.delayMs = () => 0.5
    for (const node of cluster.nodes.values()) {
      node.disk.fault = undefined
      node.disk.capacity = Infinity
      if (!node.running) node.start()
    }
    await cluster.run(6000)
    this.#aim()
    const isThere = (): boolean => {
      const { leader } = cluster
      if (leader === undefined || !leader.replica.settled || !leader.replica.canAppend) return false
      const members = this.target.map(member => cluster.at(member))
      return members.every(({ log, replica }) => log.logEndOffset === leader.log.logEndOffset && replica.highWatermark === log.logEndOffset && log.durableEndOffset === log.logEndOffset)
    }
    await cluster.until(isThere, `${this.target.join()} hold the same`, 60_000)
    cluster.propose(3)
    await cluster.until(isThere, 'it goes on', 60_000)
    // Who is in no group any more keeps what it has: it is stopped, and its files removed, by others.
    for (const node of cluster.live) if (!this.target.includes(node.member)) node.crash(false)
  }
}

/** A sync that failed may make the actor start anew; nothing else does. */
const expected = /EIO|ENOSPC|the log is broken/

const runs = Number(process.env.CHAOS_RUNS ?? 3)
t.setTimeout(20_000 + runs * 10_000)
const seeds = process.env.CHAOS_SEEDS?.split(',').map(Number) ?? Array.from({ length: runs }, (_, i) => 1 + i)
for (const seed of seeds) {
  t.test(`seed ${seed}`, async t => {
    const chaos = new Chaos(seed)
    const { cluster } = chaos
    try {
      await chaos.run(Number(process.env.CHAOS_DEEDS ?? 35))
      await chaos.heal()
      t.same(cluster.check(), [])
    } catch (error) {
      t.fail(`${String(error)}\n${cluster.toString()}`)
    }
    if (process.env.CHAOS_NOTES !== undefined) t.comment(JSON.stringify(Object.fromEntries(cluster.links.sent)), cluster.committed.size, cluster.crashes.length, cluster.options.config!.flush)
    t.same(cluster.crashes.filter(crash => !expected.test(crash)), [], chaos.deeds.slice(-20).join('; '))
  })
}
