/** The one home of wall-clock and monotonic time. Everything else is handed a Clock, so that a simulator can hand out virtual time. */
export interface Clock {
  /** Milliseconds since 1970, for timestamps that users see. May jump. */
  wallMs (): number
  /** Milliseconds since some fixed moment, with fractions, for deadlines and durations. Never goes back. */
  monotonicMs (): number
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now()
}
