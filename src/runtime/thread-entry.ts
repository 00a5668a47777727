/** The first module of a reactor thread: the compile cache first, as a thread does not inherit it, then all else. */
import { enableCompileCache } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../base/assert.ts'

assert(parentPort !== null, 'this module is a thread, not a program')
const { compileCache } = workerData as { compileCache: string | undefined }
if (compileCache !== undefined) enableCompileCache(compileCache)
const { serveThread } = await import('./thread.ts')
await serveThread(workerData, parentPort)
