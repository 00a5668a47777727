/** The slow work of a log that is under way: at most one of each kind, started as an effect, ended by a message. */
import type { EffectSink, Message, Post } from '../base/effect.ts'
import { exclusiveJobs, type JobName, type LogJobDone } from './log-message.ts'

export type Work = () => Promise<unknown>

export class LogJobs {
  readonly #underWay = new Map<JobName, Promise<void>>()

  /** From when it is started until its message is handled. */
  has (job: JobName): boolean {
    return this.#underWay.has(job)
  }

  /** Hands the work out as an effect. `onError`: what the message carries instead of the result if it fails. */
  start (job: JobName, out: EffectSink, work: Work, onError?: unknown): void {
    this.#underWay.set(job, Promise.resolve())
    out.effect({ run: post => this.run(job, post, work, onError) })
  }

  /** Starts the work inside an effect. */
  run (job: JobName, post: Post, work: Work, onError?: unknown): void {
    const done = (error: unknown, value: unknown): void => post({ kind: 'log-job-done', job, error, value } satisfies LogJobDone as Message)
    this.#underWay.set(job, work().then(value => done(undefined, value), error => done(error, onError)))
  }

  /** Its message is being handled. */
  ended (job: JobName): void {
    this.#underWay.delete(job)
  }

  /** Resolves when all work has ended, or all but the exclusive, which asks this before it touches the files. */
  async settled (which: 'all' | 'others'): Promise<void> {
    await Promise.all([...this.#underWay].filter(([job]) => which === 'all' || !exclusiveJobs.has(job)).map(([, work]) => work))
  }
}
