/**
 * Work outside an actor (disk, CPU, another process). An actor hands it out inside `receive`;
 * the actor system runs it after `receive` has returned, and its result comes back as a message.
 */
export interface Message {
  readonly kind: string
}

/** Puts a message into the mailbox of the actor that handed the effect out; one of an earlier incarnation is dropped. Callable at any time. */
export type Post = (message: Message) => void

export interface Effect {
  /** Starts the work. It may finish at once (call `post` before it returns) or later. Never throws: failures are posted. */
  run (post: Post): void
}

export interface EffectSink {
  effect (effect: Effect): void
}
