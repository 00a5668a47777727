/** What is written comes back, for every message in every version, whatever its values. */
import fc from 'fast-check'
import t from 'tap'
import { Reader } from '../../src/protocol/reader.ts'
import { Writer } from '../../src/protocol/writer.ts'
import { anyMessage, everyMessage, type Message, plain, readBack } from './values.ts'

const runs = 12

for (const { api, version, side, fields } of everyMessage()) {
  t.test(`${api.name} ${version} ${side}`, t => {
    const codec = api.codec(version)!
    const write = side === 'request' ? codec.writeRequest : codec.writeResponse
    const read = side === 'request' ? codec.readRequest : codec.readResponse
    const writer = new Writer(256)
    fc.assert(fc.property(anyMessage(fields, version), message => {
      write(writer, message)
      const { bytes } = writer
      const joined = Buffer.concat(writer.finish())
      const reader = new Reader(joined)
      const back = read(reader) as Message
      reader.expectEnd()
      return bytes === joined.length &&
        Object.keys(back).join() === Object.keys(fields).join() &&
        JSON.stringify(plain(back)) === JSON.stringify(plain(readBack(fields, version, message)))
    }), { numRuns: runs })
    t.pass(`${runs} messages`)
    t.end()
  })
}

t.test('fields with a default may be left out, and null becomes empty where a version cannot say it', t => {
  for (const { api, version, side, fields } of everyMessage()) {
    const codec = api.codec(version)!
    const write = side === 'request' ? codec.writeRequest : codec.writeResponse
    const read = side === 'request' ? codec.readRequest : codec.readResponse
    const nulls = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.nullableFirst <= field.nullableLast ? null : field.fallback]))
    for (const message of [{}, nulls]) {
      const writer = new Writer()
      write(writer, message)
      const back = read(new Reader(Buffer.concat(writer.finish()))) as Message
      const bad = Object.entries(fields).filter(([name, field]) => {
        const expected = field.has(version) && field.fallback === null && !field.isNullable(version)
          ? field.type.kind === 'array' ? [] : ''
          : field.fallback
        return JSON.stringify(plain(back[name])) !== JSON.stringify(plain(expected))
      })
      if (bad.length > 0) t.fail(`${api.name} ${version} ${side}: ${bad.map(([name]) => name).join()}`)
    }
  }
  t.end()
})
