/** The first module of a reactor thread. It has the compile cache from its environment. */
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../base/assert.ts'
import { serveThread } from './thread.ts'

assert(parentPort !== null, 'this module is a thread, not a program')
await serveThread(workerData, parentPort)
