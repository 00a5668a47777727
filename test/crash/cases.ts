/** The crash tests by name. */
import { breakParts } from './broken-parts.ts'
import { beHostile } from './hostile-clients.ts'
import { killAgainAndAgain } from './kills.ts'
import type { CrashOptions } from './options.ts'
import { fillDisk, startTwice, stopTwice, stopUnderLoad } from './stops.ts'

type Say = (line: string) => void

export const cases: Readonly<Record<string, (options: CrashOptions, say: Say) => Promise<void>>> = {
  twice: async (_options, say) => await startTwice(say),
  stop: async (_options, say) => {
    await stopUnderLoad(say)
    await stopTwice(say)
  },
  full: async (_options, say) => await fillDisk(say),
  parts: async (_options, say) => await breakParts(['throw', 'hang', 'heap'], say),
  kills: async (options, say) => await killAgainAndAgain({ ...options, say }),
  hostile: async (options, say) => await beHostile({ ...options, say })
}
