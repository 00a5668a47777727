/** What an actor system can be told, and what it tells of itself. */
import type { ThreadIndex } from '../base/ids.ts'
import type { Codecs } from './codec.ts'
import type { LinkEnds } from './link.ts'
import type { Placement } from './placement.ts'
import type { OnRuntimeEvent } from './runtime-event.ts'
import type { Scheduler } from './scheduler.ts'

export const systemLimits = {
  /** Requests and plain tells that may wait in one mailbox; further ones are refused. */
  mailboxRequestsMax: 8192,
  /** Everything in one mailbox. The difference is for replies, results and timers, which were admitted with what caused them. */
  mailboxMax: 65_536,
  timersMax: 131_072,
  asksMax: 65_536,
  /** Receives of one turn: more means that actors send each other messages without end. */
  receivesPerTurnMax: 1_000_000,
  /** Rounds of turn ends in one turn: those who ask while others are told are told in the same turn, up to here. */
  turnEndRoundsMax: 4,
  /** Answers that came too late and are still to be dropped when they come. */
  lateRepliesMax: 4096,
  heldBytesMax: 4 << 20,
  heldMs: 5000,
  /** Longest sleep of a thread with rings; a doorbell ends it sooner. */
  sleepMs: 1000,
  messageBytesMax: 128 << 20,
  waitingBytesMax: 24 << 20,
  restartFirstMs: 20,
  restartMsMax: 5000,
  /** An actor that ran this long has recovered: its next crash counts as the first. */
  restartStableMs: 60_000,
  /** At 5 s each this is days: a full disk may take that long to get room again. */
  restartAttemptsMax: 100_000,
  /** A thread whose turns follow each other within so much has a lot to do … */
  restMs: 0.1,
  /** … and lets a sleeping peer wait for so many of them before it wakes it. */
  ringDelayTurnsMax: 3,
  /** How long an actor that moves may take to answer what it took. */
  settleMs: 1000,
  closeMs: 10_000
}
export type SystemLimits = typeof systemLimits

export interface ActorSystemOptions {
  readonly thread?: ThreadIndex
  readonly placement?: Placement
  readonly codecs?: Codecs
  readonly scheduler?: Scheduler
  /** This thread's shared words. Only needed where other threads ring or watch. */
  readonly words?: SharedArrayBuffer
  readonly links?: readonly LinkEnds[]
  readonly limits?: Partial<SystemLimits>
  readonly onEvent?: OnRuntimeEvent
  /** Called last in each turn, when everything is in order for the next: it may throw. */
  readonly onTurnEnd?: (now: number) => void
}

/** Counted from the start of the system. */
export interface SystemStats {
  readonly actors: number
  readonly turns: number
  readonly receives: number
  readonly framesReceived: number
  readonly framesSent: number
  /** Frames that had to wait for room in a ring. */
  readonly framesWaited: number
  /** Times another thread was asleep and had to be woken. */
  readonly doorbellRings: number
  /** Requests answered with Undeliverable because they could not be delivered. */
  readonly refused: number
  /** Messages that nobody waits for and that could not be delivered. */
  readonly dropped: number
  readonly crashes: number
  readonly openAsks: number
  readonly timers: number
  readonly waitingBytes: number
  readonly heldBytes: number
}
