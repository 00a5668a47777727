/** How this broker appears to the active controller: that it is there, every second, and what it is like, whenever that is not known. */
import type { Answer } from './answers.ts'
import type { BrokerBeat } from './between.ts'
import type { MetadataState } from './metadata-state.ts'
import type { ControllerOptions } from './options.ts'
import { isCurrent, type RegisterBroker } from './registration.ts'

export class OwnBroker {
  readonly #options: ControllerOptions
  /** As it is committed. */
  readonly #state: MetadataState
  #registering = false
  #complaint: string | null = null
  /** It is about to stop. */
  leaving = false

  constructor (options: ControllerOptions, state: MetadataState) {
    this.#options = options
    this.#state = state
  }

  /** What the cluster knows under its number is it, and no earlier folder of it. */
  get isMember (): boolean {
    const { nodeId, member } = this.#options
    return this.#state.memberOf(nodeId) === member
  }

  /** It knows what had been committed by the time it began to listen, and what was decided about itself. */
  get isReady (): boolean {
    return this.#options.replica.established && this.isMember
  }

  get isFenced (): boolean {
    return this.#state.brokers.get(this.#options.nodeId)?.fenced !== false
  }

  beat (): BrokerBeat {
    return { kind: 'broker-beat', leaving: this.leaving, ready: this.isReady, bytes: this.#options.usedBytes() }
  }

  /** Registers, unless what is registered is true, or it is being done. */
  register (request: (registration: RegisterBroker, answer: Answer) => void): void {
    const { nodeId, member, registration, note } = this.#options
    if (this.#registering || isCurrent(this.#state.brokers.get(nodeId), member, registration)) return
    this.#registering = true
    request({ kind: 'register-broker', nodeId, member, body: registration }, reply => {
      this.#registering = false
      const complaint = 'errorMessage' in reply ? reply.errorMessage : null
      if (complaint !== null && complaint !== this.#complaint) note({ complaint }, 'this broker could not register')
      this.#complaint = complaint
    })
  }
}
