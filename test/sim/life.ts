/** One run of a broker's process, from its start to its end by whatever. */

/** Turns that one event may lead to; more means that they lead to each other without end. */
const turnsMax = 10_000

export class Life {
  /** Number of the broker, from 1 on. */
  readonly broker: number
  /** Counts the runs of the broker, from 1 on. */
  readonly number: number
  /** False: nothing happens to it any more. */
  alive = true
  /** Nothing happens to it before it goes on. */
  paused = false
  /** Callbacks for the end of this turn of its event loop. */
  #turns: Array<() => void> = []

  constructor (broker: number, number: number) {
    this.broker = broker
    this.number = number
  }

  afterTurn (callback: () => void): void {
    this.#turns.push(callback)
  }

  get hasTurns (): boolean {
    return this.#turns.length > 0
  }

  /** Ends the present turn, and those that it leads to. `settle` is called after each. */
  endTurns (settle: () => void): void {
    for (let left = turnsMax; this.#turns.length > 0; left--) {
      if (left === 0) throw new Error('turns of the event loop lead to each other without end')
      const turns = this.#turns
      this.#turns = []
      for (let i = 0; i < turns.length && this.alive; i++) turns[i]!()
      settle()
    }
  }
}
