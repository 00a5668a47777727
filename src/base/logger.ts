/**
 * Structured log lines (JSON, one a line) from the main thread and every worker thread. The one home of pino.
 * Lines are written asynchronously from a bounded buffer: a stalled reader of stderr costs lines, never a stalled reactor.
 */
import { join } from 'node:path'
import { pino } from 'pino'
import type { BrokerConfig } from './config.ts'
import { type LogFileOptions, prepareLogFile, watchLogFile } from './log-file.ts'

export type LogLevel = BrokerConfig['loggingLevel']
type Fields = Readonly<Record<string, unknown>>

/** A line below the level costs one empty call; build costly fields only under {@link Logger.isLevelEnabled}. */
export interface Logger {
  trace (fields: Fields, message: string): void
  debug (fields: Fields, message: string): void
  info (fields: Fields, message: string): void
  warn (fields: Fields, message: string): void
  error (fields: Fields, message: string): void
  fatal (fields: Fields, message: string): void
  isLevelEnabled (level: LogLevel): boolean
  /** A logger that adds `fields` to each line. */
  child (fields: Fields): Logger
}

/** Plain data: the main thread hands it to each worker, which opens its own logger. */
export interface LoggerOptions {
  readonly level: LogLevel
  /** Undefined: stderr. */
  readonly file: LogFileOptions | undefined
}

export interface LogOutput {
  readonly logger: Logger
  /** Writes what is buffered, blocking. For the last words before a thread or process ends. */
  flush (): void
  close (): Promise<void>
}

const bufferedBytesMax = 2 ** 20

/** Drops every line. */
export const silentLogger: Logger = pino({ level: 'silent' })

export function loggerOptions (config: BrokerConfig): LoggerOptions {
  const path = config.loggingFile !== '' ? config.loggingFile : config.logDir !== '' ? join(config.logDir, 'ringmq.log') : undefined
  return {
    level: config.loggingLevel,
    file: path === undefined
      ? undefined
      : { path, maxBytes: config.loggingMaxBytes, maxBackups: config.loggingMaxBackups, maxAgeMs: config.loggingMaxAgeMs, compress: config.loggingCompress }
  }
}

/**
 * Opens the log of this thread.
 *
 * @param fields  added to every line, such as `{ thread: 1 }`
 * @param keeper  true in exactly one thread, usually main: it sets full files aside
 * @throws when the log file or its folder cannot be made: the user's fault
 */
export function openLog (options: LoggerOptions, fields: Fields = {}, keeper = true): LogOutput {
  const { file } = options
  if (file !== undefined) prepareLogFile(file.path)
  const destination = pino.destination({ dest: file?.path ?? 2, sync: false, append: true, maxLength: bufferedBytesMax })
  destination.on('error', () => {}) // a full disk or a closed pipe costs log lines, not the broker
  const stopWatching = file === undefined ? undefined : watchLogFile(file, keeper, () => destination.reopen())
  const logger = pino({
    level: options.level,
    base: fields,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: label => ({ level: label }) },
    serializers: { error: pino.stdSerializers.err }
  }, destination)
  const flush = (): void => {
    try {
      destination.flushSync()
    } catch {
      // Not open yet, or nobody reads any more: there is no one left to tell.
    }
  }
  return {
    logger,
    flush,
    close: async () => {
      await stopWatching?.()
      await new Promise<void>(resolve => destination.flush(() => resolve()))
      if (file === undefined) return
      await new Promise<void>(resolve => destination.once('close', resolve).end())
    }
  }
}
