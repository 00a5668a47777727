#!/usr/bin/env -S node --v8-pool-size=1
/** The program's first file. What it does must come before any other module or file is touched, so all else is imported late. */
import module from 'node:module'
import { availableParallelism } from 'node:os'

const [major, minor] = process.versions.node.split('.').map(Number) as [number, number]
if (major < 24 || (major === 24 && minor < 6)) {
  console.error(`ringmq: needs Node 24.6 or newer, this is ${process.version}`)
  process.exit(1)
}

module.enableCompileCache()

// libuv reads this when its pool is first used. The pool serves the files of all threads: its default of 4 is too few for group commits of many logs.
process.env.UV_THREADPOOL_SIZE ??= String(Math.min(Math.max(16, 4 * availableParallelism()), 64))

const { runProgram } = await import('./program.ts')
process.exitCode = await runProgram(process.argv.slice(2))
