/**
 * Requests that came while it is about to be decided who leads: before the first election of a replica that is alone, and while a leader
 * hands over. Whoever were sent away then would find nobody else who leads yet.
 */
import type { PartitionRequest } from './messages.ts'

/** Of an election that goes well, many times. */
const handOverMsMax = 1000
/** Of a replica that is alone, from the first request on: its vote has to be written, and nobody else could lead. */
const firstMsMax = 10_000

export class HeldRequests {
  /** In the order in which they came; the credit of the edges bounds how many come in so short a time. */
  #requests: PartitionRequest[] = []
  /** Infinity: from the start on, and none has come yet. */
  #until: number | undefined

  /** @param holds  from the start on: nobody else can lead */
  constructor (holds: boolean) {
    if (holds) this.#until = Infinity
  }

  /** Requests are to be held. */
  get holds (): boolean { return this.#until !== undefined }

  get count (): number { return this.#requests.length }

  /** Begun again it ends when it would have. */
  begin (now: number): void {
    this.#until ??= now + handOverMsMax
  }

  /** The wait has been too long. */
  isOver (now: number): boolean {
    return this.#until !== undefined && now > this.#until
  }

  add (request: PartitionRequest, now: number): void {
    if (this.#until === Infinity) this.#until = now + firstMsMax
    // A batch is borrowed: the copy that an early one costs.
    this.#requests.push(request.kind === 'append' ? { ...request, records: new Uint8Array(request.records) } : request)
  }

  /** Ends it. Returns what is to be handled now. */
  release (): readonly PartitionRequest[] {
    this.#until = undefined
    return this.#requests.splice(0)
  }
}
