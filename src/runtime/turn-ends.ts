/** Who asked for the end of this turn. The thread's network actor is told last, so that it writes what the others answer at their turn's end. */
import type { ThreadIndex } from '../base/ids.ts'
import type { Cell } from './cell.ts'

export class TurnEnds {
  readonly #edge: number
  #asked: Cell[] = []
  #spare: Cell[] = []
  #edgeAsked: Cell | undefined

  /** The thread's network actor has the thread's index as its id. */
  constructor (thread: ThreadIndex) {
    this.#edge = thread
  }

  get isEmpty (): boolean {
    return this.#asked.length === 0 && this.#edgeAsked === undefined
  }

  /** Asking twice before being told is the same as asking once. */
  ask (cell: Cell): void {
    if (cell.turnEndAsked) return
    cell.turnEndAsked = true
    if (cell.self as number === this.#edge) this.#edgeAsked = cell
    else this.#asked.push(cell)
  }

  /** Tells everybody but the network actor; who asks meanwhile is told in the next round. Returns false when there is nobody. */
  tellRound (tell: (cell: Cell) => void): boolean {
    const asked = this.#asked
    if (asked.length === 0) return false
    this.#asked = this.#spare
    for (let i = 0; i < asked.length; i++) this.#tell(asked[i]!, tell)
    asked.length = 0
    this.#spare = asked
    return true
  }

  tellEdge (tell: (cell: Cell) => void): void {
    const edge = this.#edgeAsked
    this.#edgeAsked = undefined
    if (edge !== undefined) this.#tell(edge, tell)
  }

  #tell (cell: Cell, tell: (cell: Cell) => void): void {
    cell.turnEndAsked = false
    tell(cell)
  }
}
