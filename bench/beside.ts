/** A load on the broker and, in the same run, on the limit: what most benches of this folder do. */
import { type BenchOptions, printResults, type Result, Results, settleDisk, type Settings, summary, wants, warmMemory } from './harness.ts'
import { type LoadOptions, runLoad } from './raw-loader.ts'
import { dataFolder, type Flush, startLimit, startRingmq, type Subject } from './subjects.ts'

/** What a load needs to know of its server. */
export type Target = Pick<LoadOptions, 'port' | 'serverPid' | 'topic'>

export interface Step {
  readonly name: string
  readonly flush: Flush
  readonly settings: Settings
  /** Bytes that it writes: as much memory is warmed before. */
  readonly bytes: number
  load (target: Target): LoadOptions
}

const starters: Record<string, (flush: Flush) => Promise<Subject>> = {
  limit: async flush => await startLimit({ flush }),
  ringmq: async flush => await startRingmq({ flush, dataDir: dataFolder(`ringmq-${flush}`) })
}

/** Runs all steps, both servers in turn within each round, prints the medians and returns all results. */
export async function runBeside (name: string, options: BenchOptions, steps: readonly Step[]): Promise<readonly Result[]> {
  const results = new Results(name, options)
  const medians: Result[] = []
  for (const flush of ['os', 'always'] as const) {
    const running = new Map<string, Subject>()
    try {
      for (const [index, step] of steps.entries()) {
        if (step.flush !== flush || !wants(options.rows, step.name)) continue
        const lines = new Map<string, Result[]>()
        for (let round = 0; round < options.rounds; round++) {
          for (const server of Object.keys(starters)) {
            if (!wants(options.servers, server)) continue
            const line = await results.measure(step.name, { server, flush, ...step.settings }, async () => {
              const subject = running.get(server) ?? await starters[server]!(flush)
              running.set(server, subject)
              if (!options.smoke) {
                settleDisk()
                warmMemory(step.bytes * 1.3)
              }
              return await runLoad(step.load({ port: subject.port, serverPid: subject.server.pid, topic: `${name}-${index}-${round}` }))
            }, round)
            lines.set(server, [...lines.get(server) ?? [], line])
          }
        }
        for (const rounds of lines.values()) medians.push(summary(rounds))
      }
    } finally {
      for (const subject of running.values()) await subject.stop()
    }
  }
  printResults(medians)
  return results.lines
}
