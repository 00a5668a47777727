/** The words that one thread shares with all others: its doorbell, and what the supervisor watches. Each on its own cache line. */

/** Rung by adding one; the value a sleeper waits on. Written by every other thread. */
export const bellWord = 0
/** 1 while the thread sleeps and must be woken. Set by its owner, cleared by whoever wakes it. */
export const sleepingWord = 32
/** Counts up while the thread's event loop turns. Written by its owner. */
export const beatWord = 64
/** The actor whose `receive` runs now or ran last, -1 for none. Written by its owner without a fence: for log lines only. */
export const currentActorWord = 65
/** Share of the last beat interval that the event loop was busy, in thousandths. Written by its owner. */
export const utilizationWord = 66

const wordCount = 96

export function createThreadWords (): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(wordCount * 4)
  new Int32Array(shared)[currentActorWord] = -1
  return shared
}
