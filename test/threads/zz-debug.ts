import { Supervisor } from '../../src/runtime/supervisor.ts'
import { reached } from './program.ts'
const board = new SharedArrayBuffer(256)
const t0 = performance.now()
const s = await Supervisor.start({ threads: 2, program: new URL('program.ts', import.meta.url), init: { board }, ringBytes: 4096, silentMs: 2000, rssBytesMax: 1 << 20, onEvent: e => console.log(Math.round(performance.now() - t0), Math.round(process.memoryUsage.rss() / 1e6), e) })
const far = await s.place('far', { type: 'echo' }, 1 as any)
await s.place('poke', { type: 'poke', target: far, message: { kind: 'hog' } } as any, 0 as any)
const i = setInterval(() => console.log(Math.round(performance.now() - t0), Math.round(process.memoryUsage.rss() / 1e6)), 1000)
setTimeout(() => process.exit(), 15000)
