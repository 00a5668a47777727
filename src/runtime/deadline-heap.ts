/**
 * Slots ordered by deadline: a binary heap that knows where each slot stands, so taking one out from the middle leaves
 * no garbage behind. Timers and open requests both live in one.
 */
export class DeadlineHeap {
  #deadlines = new Float64Array(64)
  /** Slot at each place of the heap; place 0 is due first. */
  #heap = new Int32Array(64)
  /** Place of each slot in the heap, -1 when it is not in it. */
  #places = new Int32Array(64).fill(-1)
  #count = 0

  get count (): number {
    return this.#count
  }

  /** Earliest deadline, or Infinity when empty. */
  get next (): number {
    return this.#count === 0 ? Infinity : this.#deadlines[this.#heap[0]!]!
  }

  /** Slot with the earliest deadline. Only while `count` is above 0. */
  get first (): number {
    return this.#heap[0]!
  }

  has (slot: number): boolean {
    return slot < this.#places.length && this.#places[slot]! >= 0
  }

  /** Adds a slot that is not in the heap. */
  add (slot: number, deadline: number): void {
    if (slot >= this.#places.length) this.#grow(slot)
    this.#deadlines[slot] = deadline
    this.#siftUp(slot, this.#count++)
  }

  /** Takes a slot out that is in the heap. */
  remove (slot: number): void {
    const place = this.#places[slot]!
    this.#places[slot] = -1
    const moved = this.#heap[--this.#count]!
    if (moved === slot) return
    if (place > 0 && this.#deadlines[moved]! < this.#deadlines[this.#heap[(place - 1) >> 1]!]!) this.#siftUp(moved, place)
    else this.#siftDown(moved, place)
  }

  #siftUp (slot: number, from: number): void {
    const deadline = this.#deadlines[slot]!
    let place = from
    while (place > 0) {
      const parentPlace = (place - 1) >> 1
      const parent = this.#heap[parentPlace]!
      if (this.#deadlines[parent]! <= deadline) break
      this.#put(parent, place)
      place = parentPlace
    }
    this.#put(slot, place)
  }

  #siftDown (slot: number, from: number): void {
    const deadline = this.#deadlines[slot]!
    let place = from
    for (;;) {
      let childPlace = place * 2 + 1
      if (childPlace >= this.#count) break
      let child = this.#heap[childPlace]!
      if (childPlace + 1 < this.#count && this.#deadlines[this.#heap[childPlace + 1]!]! < this.#deadlines[child]!) {
        child = this.#heap[++childPlace]!
      }
      if (this.#deadlines[child]! >= deadline) break
      this.#put(child, place)
      place = childPlace
    }
    this.#put(slot, place)
  }

  #put (slot: number, place: number): void {
    this.#heap[place] = slot
    this.#places[slot] = place
  }

  #grow (slot: number): void {
    const length = 1 << (32 - Math.clz32(slot))
    const deadlines = new Float64Array(length)
    deadlines.set(this.#deadlines)
    const heap = new Int32Array(length)
    heap.set(this.#heap)
    const places = new Int32Array(length).fill(-1)
    places.set(this.#places)
    this.#deadlines = deadlines
    this.#heap = heap
    this.#places = places
  }
}
