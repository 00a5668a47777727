/** As program.ts, but a thread that is replaced takes a while before it runs. */
import type { Program } from '../../src/runtime/program.ts'
import { program as base } from './program.ts'

/** Word of the board that counts the openings on the last thread. */
const opened = 60
const openMs = 600

export const program: Program = {
  ...base,
  open: async context => {
    const board = new Int32Array((context.init as { board: SharedArrayBuffer }).board)
    if (context.thread === context.threads - 1 && Atomics.add(board, opened, 1) > 0) await new Promise(resolve => setTimeout(resolve, openMs))
    return await base.open(context)
  }
}
