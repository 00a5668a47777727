import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { brokerConfig } from '../../src/base/config.ts'
import { sweepLogFiles, watchLogFile } from '../../src/base/log-file.ts'
import { loggerOptions, openLog, silentLogger } from '../../src/base/logger.ts'

const options = { maxBytes: 1000, maxBackups: 2, maxAgeMs: 0, compress: false }
const linesOf = (path: string): Array<Record<string, unknown>> => readFileSync(path, 'utf8').trim().split('\n').map(line => JSON.parse(line))

t.test('lines are JSON with their level, time, fields and message', async t => {
  const path = join(t.testdir(), 'logs', 'ringmq.log')
  const log = openLog({ level: 'info', file: { ...options, path } }, { thread: 2 })
  log.logger.info({ port: 9092 }, 'listening')
  log.logger.child({ partition: 'a-0' }).error({ error: new Error('boom') }, 'failed')
  log.logger.debug({}, 'not written')
  t.equal(log.logger.isLevelEnabled('debug'), false)
  await log.close()
  const [first, second, third] = linesOf(path)
  t.match(first, { level: 'info', time: /^\d{4}-.*Z$/, thread: 2, port: 9092, msg: 'listening' })
  t.match(second, { level: 'error', partition: 'a-0', error: { message: 'boom', stack: /Error: boom/ } })
  t.equal(third, undefined)
  silentLogger.error({}, 'dropped')
})

t.test('flush writes the last words at once', async t => {
  const path = join(t.testdir(), 'ringmq.log')
  const log = openLog({ level: 'info', file: { ...options, path } })
  await new Promise(resolve => setImmediate(resolve))
  log.logger.fatal({}, 'goodbye')
  log.flush()
  await log.close()
  t.match(readFileSync(path, 'utf8'), 'goodbye')
})

t.test('a log that cannot be written is an error at start', async t => {
  const dir = t.testdir({ file: '' })
  t.throws(() => openLog({ level: 'info', file: { ...options, path: join(dir, 'file', 'ringmq.log') } }), { code: /EEXIST|ENOTDIR/ })
})

t.test('where lines go', async t => {
  t.equal(loggerOptions(brokerConfig()).file, undefined)
  t.equal(loggerOptions(brokerConfig({ logDir: 'logs' })).file?.path, join('logs', 'ringmq.log'))
  t.equal(loggerOptions(brokerConfig({ logDir: 'logs', loggingFile: 'other.log' })).file?.path, 'other.log')
})

t.test('a full file is set aside, and every thread opens the new one', async t => {
  const dir = t.testdir({ 'ringmq.log': 'x'.repeat(1000) })
  const path = join(dir, 'ringmq.log')
  const reopened: string[] = []
  const both = new Promise<void>(resolve => {
    const note = (who: string) => (): void => {
      writeFileSync(path, '', { flag: 'a' })
      reopened.push(who)
      if (new Set(reopened).size === 2) resolve()
    }
    const stops = [watchLogFile({ ...options, path }, true, note('keeper')), watchLogFile({ ...options, path }, false, note('other'))]
    t.teardown(() => Promise.all(stops.map(stop => stop())))
  })
  const keepAlive = setInterval(() => {}, 1000) // the watch does not hold the process
  await both
  clearInterval(keepAlive)
  t.equal(readFileSync(path, 'utf8'), '')
  t.equal(readdirSync(dir).filter(name => /^ringmq-\d{4}-.*\.log$/.test(name)).length, 1)
})

t.test('a file that someone else renames is left for a new one', async t => {
  const dir = t.testdir()
  const path = join(dir, 'ringmq.log')
  const log = openLog({ level: 'info', file: { ...options, maxBytes: 1e6, path } })
  log.logger.info({}, 'before')
  const keepAlive = setInterval(() => {}, 1000)
  for (let i = 0; i < 100 && !(existsSync(path) && readFileSync(path, 'utf8').includes('before')); i++) await new Promise(resolve => setTimeout(resolve, 20))
  renameSync(path, path + '.1')
  for (let i = 0; i < 400 && !existsSync(path); i++) await new Promise(resolve => setTimeout(resolve, 20))
  clearInterval(keepAlive)
  log.logger.info({}, 'after')
  await log.close()
  t.match(readFileSync(path + '.1', 'utf8'), 'before')
  t.match(readFileSync(path, 'utf8'), 'after')
})

t.test('files set aside are compressed, and deleted when too many or too old', async t => {
  const dir = t.testdir()
  mkdirSync(dir, { recursive: true })
  const path = join(dir, 'ringmq.log')
  const name = (day: number): string => join(dir, `ringmq-2026-01-0${day}T00-00-00.000Z.log`)
  const hourAgo = Date.now() / 1000 - 3600
  for (const day of [1, 2, 3, 4]) {
    writeFileSync(name(day), `day ${day}\n`)
    utimesSync(name(day), hourAgo, day === 3 ? hourAgo - 86400 * 40 : hourAgo)
  }
  writeFileSync(join(dir, 'ringmq-notes.log'), 'mine')
  await sweepLogFiles({ path, maxBytes: 1, maxBackups: 3, maxAgeMs: 30 * 86_400_000, compress: true })
  t.same(readdirSync(dir).sort(), ['ringmq-2026-01-02T00-00-00.000Z.log.gz', 'ringmq-2026-01-04T00-00-00.000Z.log.gz', 'ringmq-notes.log'])
  t.equal(gunzipSync(readFileSync(name(4) + '.gz')).toString(), 'day 4\n')
})
