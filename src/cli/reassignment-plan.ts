/**
 * Which replicas go where when a broker joins or leaves: as few moves as possible, an even load, no two replicas of a partition on
 * one broker, and on as many racks as before. Pure functions of the present assignment; the same input gives the same plan.
 */
export interface PlanBroker {
  readonly id: number
  readonly rack: string | null
}

export interface Assignment {
  readonly topic: string
  readonly partition: number
  /** The preferred leader first. */
  readonly replicas: readonly number[]
}

export interface Move extends Assignment {
  /** What `replicas` were. */
  readonly from: readonly number[]
}

/** The plan cannot be: the message says why. */
export class PlanError extends Error {
  override name = 'PlanError'
}

/**
 * Gives a broker its fair share: from those that hold most, until none holds more than one replica above it.
 *
 * @param brokers  all that may hold replicas, `added` among them
 */
export function planAdd (assignments: readonly Assignment[], brokers: readonly PlanBroker[], added: number): Move[] {
  const loads = new Loads(assignments, brokers)
  const moves: Move[] = []
  const waiting = new Set(assignments.filter(({ replicas }) => !replicas.includes(added)))
  const share = Math.floor(loads.total / brokers.length)
  while (loads.replicas(added) < share) {
    const best = bestGift(waiting, loads, added)
    if (best === undefined) break
    waiting.delete(best.assignment)
    loads.move(best.assignment.replicas, best.from, added)
    moves.push(moveOf(best.assignment, best.from, added))
  }
  return moves
}

interface Gift {
  readonly assignment: Assignment
  readonly from: number
}

/** The replica that helps most: of the broker that holds most, and one that leads while the new broker leads little. */
function bestGift (waiting: Iterable<Assignment>, loads: Loads, added: number): Gift | undefined {
  const wantsLeaders = loads.leaders(added) < loads.leaderShare
  let best: Gift | undefined
  let bestRank: readonly number[] = []
  for (const assignment of waiting) {
    for (const [place, from] of assignment.replicas.entries()) {
      if (!loads.knows(from) || loads.replicas(from) <= loads.replicas(added) + 1) continue
      const others = assignment.replicas.filter(id => id !== from)
      if (loads.conflicts(added, others) > loads.conflicts(from, others)) continue
      const rank = [loads.replicas(from), (place === 0) === wantsLeaders ? 1 : 0, place === 0 ? loads.leaders(from) : 0]
      if (best !== undefined && !isHigher(rank, bestRank)) continue
      best = { assignment, from }
      bestRank = rank
    }
  }
  return best
}

/**
 * Takes everything from a broker: each of its replicas goes to the broker that holds least and has none of the partition.
 *
 * @param brokers  all that may hold replicas, without `drained`
 * @throws PlanError  a partition has as many replicas as there would be brokers
 */
export function planDrain (assignments: readonly Assignment[], brokers: readonly PlanBroker[], drained: number): Move[] {
  const loads = new Loads(assignments, brokers)
  const places = assignments.filter(({ replicas }) => replicas.includes(drained)).map(assignment => {
    const others = assignment.replicas.filter(id => id !== drained)
    const allowed = brokers.map(({ id }) => id).filter(id => !others.includes(id))
    if (allowed.length === 0) {
      throw new PlanError(`${assignment.topic}/${assignment.partition} has replicas on brokers ${assignment.replicas.join(', ')}, and no other broker is left to take one; add one first`)
    }
    return { assignment, others, allowed, to: allowed[0]!, leads: assignment.replicas[0] === drained }
  })
  const choose = (place: typeof places[number]): number => place.allowed.reduce((best, id) => isHigher(rankOf(best, place, loads), rankOf(id, place, loads)) ? id : best)
  // Who has the least choice chooses first.
  for (const place of places.toSorted((a, b) => a.allowed.length - b.allowed.length)) {
    place.to = choose(place)
    loads.add(place.to, 1, place.leads)
  }
  // Then each chooses again, knowing of the others, as long as that makes it more even: each time the sum of the squares falls.
  for (let changed = true; changed;) {
    changed = false
    for (const place of places) {
      loads.add(place.to, -1, place.leads)
      const better = choose(place)
      if (loads.conflicts(better, place.others) < loads.conflicts(place.to, place.others) ||
        (loads.conflicts(better, place.others) === loads.conflicts(place.to, place.others) && loads.replicas(better) < loads.replicas(place.to))) {
        place.to = better
        changed = true
      }
      loads.add(place.to, 1, place.leads)
    }
  }
  return places.map(({ assignment, to }) => moveOf(assignment, drained, to))
}

/** The lower, the better a broker is to take a replica: first of all on a rack of its own. */
function rankOf (id: number, { others, leads }: { readonly others: readonly number[], readonly leads: boolean }, loads: Loads): readonly number[] {
  return [loads.conflicts(id, others), loads.replicas(id), leads ? loads.leaders(id) : 0, id]
}

function isHigher (a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((value, i) => value !== b[i])
  return at >= 0 && a[at]! > b[at]!
}

/** The new replica takes the old one's place in the order: the preferred leader stays, unless it is the one that goes. */
function moveOf ({ topic, partition, replicas }: Assignment, from: number, to: number): Move {
  return { topic, partition, from: replicas, replicas: replicas.map(id => id === from ? to : id) }
}

/** What each broker holds, while a plan is made. */
class Loads {
  /** Of all replicas on these brokers; what others hold stays there. */
  readonly total: number
  /** Partitions that each broker would be the preferred leader of. */
  readonly leaderShare: number
  readonly #replicas = new Map<number, number>()
  readonly #leaders = new Map<number, number>()
  readonly #racks: ReadonlyMap<number, string | null>

  constructor (assignments: readonly Assignment[], brokers: readonly PlanBroker[]) {
    this.#racks = new Map(brokers.map(({ id, rack }) => [id, rack]))
    for (const { replicas } of assignments) {
      for (const [place, id] of replicas.entries()) this.add(id, 1, place === 0)
    }
    this.total = brokers.reduce((sum, { id }) => sum + this.replicas(id), 0)
    this.leaderShare = Math.floor(assignments.length / brokers.length)
  }

  /** Whether it is one of the brokers that the plan is about. */
  knows (id: number): boolean { return this.#racks.has(id) }

  replicas (id: number): number { return this.#replicas.get(id) ?? 0 }

  leaders (id: number): number { return this.#leaders.get(id) ?? 0 }

  /** How many of `others` stand in the same rack. A broker that names none stands alone. */
  conflicts (id: number, others: readonly number[]): number {
    const rack = this.#racks.get(id) ?? null
    return rack === null ? 0 : others.filter(other => this.#racks.get(other) === rack).length
  }

  add (id: number, count: number, leads: boolean): void {
    this.#replicas.set(id, this.replicas(id) + count)
    if (leads) this.#leaders.set(id, this.leaders(id) + count)
  }

  move (replicas: readonly number[], from: number, to: number): void {
    const leads = replicas[0] === from
    this.add(from, -1, leads)
    this.add(to, 1, leads)
  }
}
