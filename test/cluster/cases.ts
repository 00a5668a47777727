/** The faults by name. Each is one cycle: break, let clients go on where a majority is left, mend. */
import { cp, rm } from 'node:fs/promises'
import { sleep } from './cluster-client.ts'
import type { Case, Round } from './round.ts'

/** Longer than the longest election timeout, twice that of the default 500 ms, by far. */
const longPauseMs = [2500, 5000] as const

async function killOne (round: Round, index: number, what: string): Promise<void> {
  const { cluster } = round
  round.begins(`kill -9 of ${cluster.nodes[index]!.name}, ${what}`)
  await cluster.kill(index)
  if (round.survivesOne) await round.goesOn()
  await round.pause(0, 1500)
  await round.recover()
  await round.goesOn()
}

/** A broker that leads none of the partitions that were asked for, or any other than the leader. */
async function someFollower (round: Round): Promise<number> {
  const leader = await round.someLeader()
  return round.survivesOne ? round.pick(round.others(leader)) : leader
}

async function cutOff (round: Round, index: number, how: 'both' | 'out' | 'in', what: string): Promise<void> {
  const { cluster } = round
  const name = cluster.nodes[index]!.name
  round.begins(`${how === 'both' ? 'packets of and to' : how === 'out' ? 'packets of' : 'packets to'} ${name}, ${what}, are dropped`)
  for (const other of round.others(index)) {
    if (how !== 'in') await cluster.network.block(index, other)
    if (how !== 'out') await cluster.network.block(other, index)
  }
  await round.goesOn()
  await round.pause(500, 3000)
  await cluster.network.heal()
  await round.recover()
  await round.goesOn()
}

async function eraseOne (round: Round, alsoDown: boolean): Promise<void> {
  const { cluster } = round
  const index = round.below(cluster.nodes.length)
  const other = alsoDown ? round.pick(round.others(index)) : undefined
  round.begins(`${cluster.nodes[index]!.name} loses its disk${other === undefined ? '' : ` while ${cluster.nodes[other]!.name} is down`}`)
  await cluster.kill(index)
  if (other === undefined) await round.goesOn()
  else await cluster.kill(other)
  await cluster.erase(index)
  // With the other one down there may be no majority that could take it in again: it must come up later then.
  const starting = cluster.start(index)
  starting.catch(() => {})
  await round.pause(500, 2000)
  if (other !== undefined) await cluster.start(other)
  await starting
  await round.recover()
  await round.goesOn()
}

/** Without names, a short run leaves these out. */
export const longOnly: readonly string[] = ['endure', 'mixed']

export const cases: Readonly<Record<string, Case>> = {
  'kill-leader': {
    about: 'kill -9 of a broker that leads',
    run: async round => await killOne(round, await round.someLeader(), 'a leader')
  },
  'kill-follower': {
    about: 'kill -9 of a broker that follows',
    run: async round => await killOne(round, await someFollower(round), 'a follower')
  },
  'kill-controller': {
    about: 'kill -9 of the controller',
    run: async round => await killOne(round, await round.theController(), 'the controller')
  },
  'kill-all': {
    about: 'kill -9 of every broker at once',
    run: async round => {
      round.begins('kill -9 of all')
      await Promise.all(round.cluster.nodes.map(async ({ index }) => await round.cluster.kill(index)))
      await round.pause(0, 500)
      await round.recover()
      await round.goesOn()
    }
  },
  pause: {
    about: 'SIGSTOP of a leader for longer than an election, and back',
    run: async round => {
      const index = await round.someLeader()
      round.begins(`SIGSTOP of ${round.cluster.nodes[index]!.name}, a leader`)
      const ended = performance.now() + round.between(...longPauseMs)
      round.cluster.pause(index)
      if (round.survivesOne) await round.goesOn()
      await sleep(Math.max(0, ended - performance.now()))
      round.cluster.resume(index)
      await round.recover()
      await round.goesOn()
    }
  },
  'partition-one': {
    about: 'one broker cannot reach the others',
    needs: 'broken network',
    run: async round => await cutOff(round, round.below(round.cluster.nodes.length), 'both', 'any broker')
  },
  'partition-leader': {
    about: 'a leader cannot reach the others; clients reach it',
    needs: 'broken network',
    run: async round => await cutOff(round, await round.someLeader(), 'both', 'a leader')
  },
  'one-way': {
    about: 'packets of, or to, one broker are dropped, not the other way',
    needs: 'broken network',
    run: async round => await cutOff(round, await round.someLeader(), round.pick(['out', 'in'] as const), 'a leader')
  },
  'full-disk': {
    about: 'the disk of one broker is full, then has room again',
    needs: 'small disk',
    run: async round => {
      const index = await round.someLeader()
      const disk = round.smallDisks[index]!
      if (typeof disk === 'string') throw new Error(disk)
      round.begins(`the disk of ${round.cluster.nodes[index]!.name}, a leader, is full`)
      disk.fill()
      if (round.survivesOne) await round.goesOn()
      await round.pause(1000, 3000)
      await round.cluster.eventually('the broker says that its disk is full', 20_000, async () => round.cluster.nodes[index]!.process!.errors.includes('ENOSPC'))
      disk.empty()
      await round.recover()
      await round.goesOn()
    }
  },
  'slow-disk': {
    about: 'each write and sync of a leader, or of it and another one, takes much longer',
    flush: 'always',
    run: async round => {
      const { nodes } = round.cluster
      const index = await round.someLeader()
      // A leader's own slow disk hides behind two fast followers; with two slow ones every answer waits.
      const slow = round.survivesOne && round.below(2) === 0 ? [index, round.pick(round.others(index))] : [index]
      const delayMs = round.pick([100, 300, 1000])
      round.begins(`writes and syncs of ${slow.map(index => nodes[index]!.name).join(' and ')}, the first a leader, take ${delayMs} ms more`)
      for (const index of slow) round.slowDisks[index]!.slow(delayMs)
      await round.pause(2000, 4000)
      await round.goesOn()
      for (const index of slow) round.slowDisks[index]!.heal()
      await round.recover()
      await round.goesOn()
    }
  },
  'slow-election': {
    about: 'a leader stands still while votes on the disks of the two others take longer than an election timeout',
    needs: 'three brokers',
    flush: 'always',
    run: async round => {
      const { cluster, slowDisks } = round
      const index = await round.someLeader()
      const delayMs = round.pick([300, 1000])
      round.begins(`SIGSTOP of ${cluster.nodes[index]!.name}, a leader, while writes and syncs of the others take ${delayMs} ms more`)
      for (const other of round.others(index)) slowDisks[other]!.slow(delayMs)
      await round.pause(500, 1000)
      cluster.pause(index)
      await round.goesOn()
      cluster.resume(index)
      for (const other of round.others(index)) slowDisks[other]!.heal()
      await round.recover()
      await round.goesOn()
    }
  },
  'erased-disk': {
    about: 'a broker comes back with an empty disk and is rebuilt from the others',
    needs: 'three brokers',
    run: async round => await eraseOne(round, false)
  },
  'erased-and-down': {
    about: 'the same while another one is down',
    needs: 'three brokers',
    run: async round => await eraseOne(round, true)
  },
  rolling: {
    about: 'every broker in turn is stopped by SIGTERM and started again',
    libraries: true,
    run: async round => {
      const { cluster, load } = round
      for (const { index, name } of cluster.nodes) {
        const before = load.userErrors
        round.begins(`SIGTERM of ${name}`)
        const { exit, tookMs } = await cluster.stop(index)
        if (exit.code !== 0) throw new Error(`${name} ended with ${exit.code ?? exit.signal} after SIGTERM`)
        if (round.survivesOne) await round.goesOn()
        await round.recover()
        await round.goesOn()
        round.options.say(`${name} ended in ${Math.round(tookMs)} ms; errors that users saw: ${before === load.userErrors ? 'no new ones' : load.userErrors}`)
      }
    }
  },
  'rolled-back': {
    about: 'every disk goes back to an earlier state: the checker must find it, or it finds nothing',
    mustFail: true,
    run: async round => {
      const { cluster } = round
      const everyone = async (work: (index: number) => Promise<unknown>): Promise<void> => { await Promise.all(cluster.nodes.map(async ({ index }) => await work(index))) }
      const copyOf = (index: number): string => `${cluster.nodes[index]!.dataDir}-copy`
      round.begins('all disks go back')
      await everyone(async index => await cluster.stop(index))
      await everyone(async index => await cp(cluster.nodes[index]!.dataDir, copyOf(index), { recursive: true, filter: path => !path.endsWith('.sock') }))
      await round.recover()
      await round.goesOn(20)
      await everyone(async index => await cluster.kill(index))
      await everyone(async index => {
        await cluster.erase(index)
        await rm(cluster.nodes[index]!.dataDir, { recursive: true })
        await cp(copyOf(index), cluster.nodes[index]!.dataDir, { recursive: true })
      })
      await round.recover()
      await round.pause(1000, 2000)
    }
  },
  endure: {
    about: 'faults that no process dies of, for nearly half an hour in a long run: what memory becomes of that',
    faultsMs: 1_700_000,
    run: async round => {
      const names = ['pause', 'partition-one', 'partition-leader', 'one-way', 'slow-disk', 'slow-election'].filter(name => isPossible(cases[name]!, round))
      await cases[round.pick(names)]!.run(round)
      await round.pause(1000, 5000)
    }
  },
  mixed: {
    about: 'any of the others, one after the other',
    faultsMs: 120_000,
    run: async round => {
      const names = Object.keys(cases).filter(name => name !== 'mixed' && name !== 'endure' && isPossible(cases[name]!, round))
      await cases[round.pick(names)]!.run(round)
    }
  }
}

function isPossible ({ needs, mustFail }: Case, round: Round): boolean {
  if (mustFail === true) return false
  switch (needs) {
    case undefined: return true
    case 'small disk': return false
    case 'broken network': return round.survivesOne && round.cluster.network.kind !== 'plain'
    case 'three brokers': return round.survivesOne
  }
}
