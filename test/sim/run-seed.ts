/** Runs one seed, and nothing else meanwhile: what is thrown in some promise that nobody looks after belongs to it too. */
import { fromLoop } from './microtasks.ts'
import { Simulation, type Outcome, type SimulationOptions } from './simulation.ts'
import type { Shape } from './swarm.ts'

export interface SeedResult {
  readonly seed: number
  readonly shape: Shape
  readonly tookMs: number
  readonly outcome: Outcome | undefined
  /** Undefined: it went well. */
  readonly error: unknown
}

export async function runSeed (seed: number, options: SimulationOptions = {}): Promise<SeedResult> {
  const started = performance.now()
  const simulation = new Simulation(seed, options)
  let outcome: Outcome | undefined
  let error: unknown
  const onRejection = (reason: unknown): void => { error ??= reason }
  process.on('unhandledRejection', onRejection)
  try {
    outcome = await fromLoop(() => simulation.run())
  } catch (thrown) {
    error ??= thrown
  }
  // Rejections that nobody has taken by now are told in between.
  await new Promise(resolve => setImmediate(resolve))
  process.off('unhandledRejection', onRejection)
  return { seed, shape: simulation.shape, tookMs: performance.now() - started, outcome: error === undefined ? outcome : undefined, error }
}
