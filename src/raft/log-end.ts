/** How far logs go, as elections compare them: a later term counts more than any length (Raft paper, 5.4.1). */
import type { Offset, Term } from '../base/ids.ts'

export interface LogEnd {
  /** Of the last entry; 0: there is none. */
  readonly lastTerm: Term
  /** Exclusive. */
  readonly endOffset: Offset
}

export function isLonger (a: LogEnd, b: LogEnd): boolean {
  return a.lastTerm > b.lastTerm || (a.lastTerm === b.lastTerm && a.endOffset > b.endOffset)
}
