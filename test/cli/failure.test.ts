import t from 'tap'
import { ConfigError } from '../../src/base/config.ts'
import { CliError, describeFailure, exitCode } from '../../src/cli/failure.ts'
import { BrokerError } from '../../src/client/broker-error.ts'

const place = { brokers: ['a:1', 'b:2'], topic: 'demo', timeoutMs: 5000 }

t.test('each failure is one line with what, where and what to try', async t => {
  const refused = new AggregateError([new Error('outer', { cause: Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }) })])
  const cases: ReadonlyArray<[error: unknown, text: RegExp, code: number]> = [
    [refused, /^cannot reach a:1 or b:2 \(ECONNREFUSED\): .*ringmq broker/, 1],
    [Object.assign(new Error('late'), { code: 'PLT_KFK_TIMEOUT' }), /^no answer from a:1 or b:2 within 5000 ms; .*--timeout/, 1],
    [new BrokerError(3), /^there is no topic demo; .*create-topic --topic demo/, 1],
    [new BrokerError(36), /^topic demo exists already/, 1],
    [new BrokerError(1), /--offset earliest/, 1],
    [new BrokerError(-1, 'odd'), /^the broker refused: odd \(UNKNOWN_SERVER_ERROR\)/, 1],
    [new BrokerError(4711), /4711/, 1],
    [new CliError('as it is', exitCode.usage), /^as it is$/, 2],
    [new ConfigError(['one']), /^one$/, 2],
    ['text', /^text$/, 1]
  ]
  for (const [error, text, code] of cases) {
    const found = describeFailure(error, place)
    t.match(found.text, text)
    t.equal(found.code, code)
    t.notMatch(found.text, /\n/)
  }
})

t.test('errors that point in a circle end', async t => {
  const error = new Error('round')
  error.cause = error
  t.equal(describeFailure(error, place).text, 'round')
})
