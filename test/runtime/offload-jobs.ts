/** Jobs for the offload test. */
import { threadId } from 'node:worker_threads'

export const sum = (numbers: number[]): number => numbers.reduce((total, number) => total + number, 0)
export const threadOf = (): number => threadId
export const fails = (what: string): never => { throw new Error(`cannot ${what}`) }
