#!/usr/bin/env node
/** The program's first file. Both acts below must come before any other module or file is touched, so all else is imported late. */
import module from 'node:module'
import { availableParallelism } from 'node:os'

module.enableCompileCache()

// libuv reads this when its pool is first used. The pool serves the files of all threads: its default of 4 is too few for group commits of many logs.
process.env.UV_THREADPOOL_SIZE ??= String(Math.min(Math.max(16, 4 * availableParallelism()), 64))

const { runProgram } = await import('./program.ts')
process.exitCode = await runProgram(process.argv.slice(2))
