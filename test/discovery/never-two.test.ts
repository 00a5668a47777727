/**
 * Brokers with one list, started in any order, killed, erased and started again, on a network that loses and delays: there are never
 * two clusters, and no member's number is ever used by two data folders. `DISCOVERY_SEED=N` runs one seed, `DISCOVERY_SEEDS=N` so
 * many fresh ones.
 */
import t from 'tap'
import { decode } from '../../src/base/msgpack.ts'
import { seededChance } from '../../src/base/prng.ts'
import type { DirectoryIdentity } from '../../src/log/data-directory.ts'
import type { FaultyDisk } from '../../src/log/faulty-disk.ts'
import { listedMachines, type Machine, World } from './world.ts'

// A busy machine is no failure.
t.setTimeout(120_000)

const faultsMs = 60_000
const healMs = 180_000

const seen = new WeakMap<object, { readonly renames: number, readonly place: DirectoryIdentity | undefined }>()

/** What lies on a machine's disk; undefined: no place in a cluster. */
function placeOf ({ disk }: Machine): DirectoryIdentity | undefined {
  const renames = disk.counts.get('rename') ?? 0
  const before = seen.get(disk)
  // The count goes up before the file is there, and what is there then is looked at until another one is on its way.
  if (before !== undefined && before.renames === renames && before.place !== undefined) return before.place
  const place = readPlace(disk)
  seen.set(disk, { renames, place })
  return place
}

function readPlace (disk: FaultyDisk): DirectoryIdentity | undefined {
  let bytes
  try {
    bytes = disk.peek('/data/meta/identity')
  } catch {
    return undefined
  }
  const identity = decode<DirectoryIdentity>(bytes.subarray(16))
  return identity.clusterId === undefined ? undefined : identity
}

class Storm {
  readonly world: World
  readonly listed: readonly Machine[]
  readonly #chance
  /** What every folder has ever been, by cluster and member. */
  readonly #claims = new Map<string, string>()
  readonly #nodes = new Map<string, string>()
  readonly #places = new Map<Machine, string>()
  /** The cluster whose voters have had it on a majority of their disks: from then on it may hold data. */
  established: string | undefined
  readonly founded = new Set<string>()
  #cut: readonly [string, string] | undefined
  /** Where words take longest to leave. */
  #slowest: string | undefined
  #calm = false

  constructor (seed: number) {
    this.#chance = seededChance(seed ^ 0x5eed)
    this.world = new World(seed)
    const count = this.#below(4) + 2
    const lossy = this.#below(2) * 0.1
    const slow = this.#below(3) * 0.1
    this.listed = listedMachines(this.world, count, { discoveryTimeoutMs: 5000 })
    for (let index = this.#below(3); index > 0; index--) {
      this.world.machine({ address: `10.0.1.${index}:7001`, config: { nodeId: `outside-${index}`, discoveryEndpoints: this.listed.map(({ address }) => address) } })
    }
    this.world.network = {
      delayMs: from => this.#chance.next() < (from === this.#slowest ? 0.7 : slow) && !this.#calm ? this.#below(3000) : 1 + this.#below(10),
      loses: (from, to) => !this.#calm && (this.#chance.next() < lossy || (this.#cut !== undefined && this.#cut.includes(from.address) && this.#cut.includes(to)))
    }
    this.world.check = () => this.#check()
  }

  async run (): Promise<void> {
    this.#plan()
    await this.world.run(faultsMs)
    this.#calm = true
    const { machines } = this.world
    for (const machine of machines) if (machine.process === undefined) machine.start()
    await this.world.run(healMs, () => machines.every(({ process }) => process?.membership !== undefined))
    const stopped = machines.find(({ process }) => process === undefined)
    if (stopped !== undefined) throw new Error(`a broker gave up: ${stopped.lastError?.message}`)
    if (this.#canWork() && !machines.every(({ process }) => process!.membership !== undefined)) throw new Error(`not all have joined:\n${this.world.lines.slice(-5).join('\n')}`)
  }

  /** Whether anybody may still be taken in: the cluster's voters are there, and those that do not know yet that they are will learn it. */
  #canWork (): boolean {
    const place = this.world.machines.map(placeOf).find(place => place !== undefined)
    if (place === undefined) return true
    const voters = this.#votersOf(place)
    const folders = new Set(this.world.machines.map(machine => placeOf(machine)?.directoryId ?? machine.process?.directoryId))
    return [...voters].filter(folder => folders.has(folder)).length > voters.size >> 1
  }

  #votersOf ({ clusterId, founders }: DirectoryIdentity): ReadonlySet<string> {
    return this.world.tables.get(clusterId!)?.voters ?? new Set(founders.map(({ directoryId }) => directoryId))
  }

  #check (): void {
    const clusters = new Set<string>()
    for (const machine of this.world.machines) {
      const place = placeOf(machine)
      if (place === undefined) continue
      clusters.add(place.clusterId!)
      this.founded.add(place.clusterId!)
      const key = `${place.clusterId} ${place.member}`
      if ((this.#claims.get(key) ?? place.directoryId) !== place.directoryId) throw new Error(`member ${place.member} is used by two folders`)
      this.#claims.set(key, place.directoryId)
      const node = `${place.clusterId} ${place.nodeNumber}`
      if ((this.#nodes.get(node) ?? machine.config.nodeId) !== machine.config.nodeId) throw new Error(`node ${place.nodeNumber} has two names`)
      this.#nodes.set(node, machine.config.nodeId)
      if (this.#places.get(machine) !== key) {
        this.#places.set(machine, key)
        this.#onPlace(machine)
      }
      if (this.established === undefined && this.#holders(place) > this.#votersOf(place).size >> 1) this.established = place.clusterId
    }
    if (clusters.size > 1) throw new Error(`two clusters: ${[...clusters].join(', ')}`)
    if (this.established !== undefined && clusters.size > 0 && !clusters.has(this.established)) throw new Error('another cluster in place of one that held data')
  }

  #holders (place: DirectoryIdentity, without?: Machine): number {
    const voters = this.#votersOf(place)
    return this.world.machines.filter(machine => machine !== without && voters.has(placeOf(machine)?.directoryId ?? '')).length
  }

  /** The moments after somebody got its place are those in which others are on their way: trouble comes there more often. */
  #onPlace (machine: Machine): void {
    if (this.#calm) return
    // The one that knows most is lost while its word is on its way to others, and comes back knowing nothing.
    if (this.#chance.next() < 0.5) {
      this.#slowest = machine.address
      this.world.later(this.#below(1500), () => {
        this.#slowest = undefined
        if (!this.#calm && machine.process !== undefined) this.#erase(machine, true)
      })
    }
    for (let count = this.#below(4); count > 0; count--) this.world.later(this.#below(1500), () => this.#trouble())
  }

  #plan (): void {
    this.world.later(this.#below(2000), () => {
      if (this.#calm) return
      this.#trouble()
      this.#plan()
    })
  }

  #trouble (): void {
    if (this.#calm) return
    const { machines } = this.world
    const machine = machines[this.#below(machines.length)]!
    const dice = this.#chance.next()
    if (machine.process === undefined) machine.start()
    else if (dice < 0.2) machine.kill(this.#chance.next() < 0.5)
    else if (dice < 0.45) this.#erase(machine)
    else if (dice < 0.55) this.#cut = [machines[this.#below(machines.length)]!.address, machine.address]
    else if (dice < 0.65) this.#cut = undefined
    else machines.find(({ process }) => process === undefined)?.start()
  }

  /** Once there may be data, no more disks are lost than a cluster survives. */
  #erase (machine: Machine, isBack = this.#chance.next() < 0.7): void {
    const place = this.established === undefined ? undefined : this.world.machines.map(placeOf).find(place => place?.clusterId === this.established)
    if (place !== undefined && this.#holders(place, machine) <= this.#votersOf(place).size >> 1) return
    machine.erase()
    this.#places.delete(machine)
    if (isBack) machine.start()
  }

  #below (count: number): number {
    return Math.floor(this.#chance.next() * count)
  }
}

/** These show what goes wrong when the word of those who are gone counts. */
const telling = [2810346448, 2419489605]
const { DISCOVERY_SEED: only, DISCOVERY_SEEDS: fresh = '8' } = process.env
const seeds = only === undefined ? [...telling, ...Array.from({ length: 20 }, (_, index) => index + 1)] : [Number(only)]
if (only === undefined) for (let count = Number(fresh); count > 0; count--) seeds.push(crypto.getRandomValues(new Uint32Array(1))[0]!)

t.test('never two clusters, never a member twice', { timeout: 60_000 + 1000 * seeds.length }, async t => {
  let refounded = 0
  let established = 0
  for (const seed of seeds) {
    const storm = new Storm(seed)
    try {
      await storm.run()
    } catch (error) {
      t.fail(`DISCOVERY_SEED=${seed}: ${(error as Error).message}`)
      return
    }
    if (storm.founded.size > 1) refounded++
    if (storm.established !== undefined) established++
  }
  t.pass(`${seeds.length} seeds`)
  t.comment(`${established} with a majority, ${refounded} in which a first cluster was lost to erased disks before it had one`)
  if (only === undefined) t.ok(established > seeds.length / 2, 'most come to a cluster')
})
