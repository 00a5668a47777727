/** What is to happen, by virtual time: a binary heap. Events of one moment happen in the order in which they were planned. */
import type { Life } from './life.ts'

/** One thing to happen. It may be called off. */
export class Planned {
  /** In microseconds. */
  readonly at: number
  readonly order: number
  /** What sort of event it is, for the trace and its digest. */
  readonly name: string
  /** The run of a broker that it happens to: it does not if that run is over, and waits while the run is paused. Undefined: to clients, the network, or the world. */
  readonly life: Life | undefined
  /** Undefined: called off. */
  work: (() => void) | undefined

  constructor (at: number, order: number, name: string, life: Life | undefined, work: () => void) {
    this.at = at
    this.order = order
    this.name = name
    this.life = life
    this.work = work
  }
}

export class EventQueue {
  readonly #heap: Planned[] = []

  get count (): number {
    return this.#heap.length
  }

  /** When the next one is due, or Infinity. */
  get next (): number {
    return this.#heap.length === 0 ? Infinity : this.#heap[0]!.at
  }

  push (event: Planned): void {
    const heap = this.#heap
    let place = heap.length
    heap.push(event)
    while (place > 0) {
      const parent = (place - 1) >> 1
      const other = heap[parent]!
      if (other.at < event.at || (other.at === event.at && other.order < event.order)) break
      heap[place] = other
      place = parent
    }
    heap[place] = event
  }

  /** Takes the next one out, called off or not. */
  pop (): Planned | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let place = 0
    for (let child = 1; child < heap.length; child = place * 2 + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (isBefore(last, heap[child]!)) break
      heap[place] = heap[child]!
      place = child
    }
    heap[place] = last
    return first
  }
}

function isBefore (a: Planned, b: Planned): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
