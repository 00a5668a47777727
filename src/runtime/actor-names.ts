/** Hands out actor ids: permanent for a name, so that a restarted or moved actor keeps its address. */
import type { ActorId } from '../base/ids.ts'

export class ActorNames {
  readonly #ids = new Map<string, ActorId>()
  readonly #names = new Map<ActorId, string>()
  readonly #max: number
  /** Names whose actor was removed, longest ago first. Their ids are only given away when no fresh one is left. */
  readonly #retired = new Set<string>()
  #next: number

  /** @param first  the ids below belong to the threads' network actors */
  constructor ({ first, max }: { first: number, max: number }) {
    this.#next = first
    this.#max = max
  }

  find (name: string): ActorId | undefined {
    return this.#ids.get(name)
  }

  nameOf (id: ActorId): string | undefined {
    return this.#names.get(id)
  }

  /** @throws when all ids are in use */
  idOf (name: string): ActorId {
    const known = this.#ids.get(name)
    if (known !== undefined) {
      this.#retired.delete(name)
      return known
    }
    const id = this.#next < this.#max ? this.#next++ as ActorId : this.#takeRetired()
    this.#ids.set(name, id)
    this.#names.set(id, name)
    return id
  }

  retire (name: string): void {
    if (this.#ids.has(name)) this.#retired.add(name)
  }

  #takeRetired (): ActorId {
    const oldest = this.#retired.values().next().value
    if (oldest === undefined) throw new Error(`no actor id is left: ${this.#max} are in use`)
    const id = this.#ids.get(oldest)!
    this.#retired.delete(oldest)
    this.#ids.delete(oldest)
    return id
  }
}
