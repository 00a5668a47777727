import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { AssertionError } from '../../src/base/assert.ts'
import { type AnyApi, defineApi, type RequestOf, type RequestToWrite, type ResponseOf } from '../../src/protocol/api.ts'
import { advertise, apiOf, apis } from '../../src/protocol/apis.ts'
import { Reader } from '../../src/protocol/reader.ts'
import { array, int16, int32, string, struct, zeroUuid } from '../../src/protocol/schema.ts'
import { Writer } from '../../src/protocol/writer.ts'
import { everyMessage, versionsOf } from './values.ts'

const list = Object.values<AnyApi>(apis)

t.test('the list', t => {
  t.equal(new Set(list.map(api => api.key)).size, list.length, 'keys are unique')
  t.strictSame(list.map(api => api.key), list.map(api => api.key).toSorted((a, b) => a - b), 'in order')
  t.strictSame(Object.keys(apis), list.map(api => api.name), 'listed under their names')
  for (const api of list) t.equal(apiOf(api.key), api)
  t.equal(apiOf(9999), undefined)
  t.equal(apiOf(-1), undefined)
  const folder = join(import.meta.dirname, '../../src/protocol/apis')
  t.strictSame(readdirSync(folder).toSorted(), list.map(api => api.name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`) + '.ts').toSorted(), 'one file each')
  t.end()
})

t.test('versions', t => {
  for (const api of list) {
    const versions = versionsOf(api)
    const codecs = versions.map(version => api.codec(version))
    t.strictSame(codecs.map(codec => codec?.version), versions)
    t.ok(versions.every((version, i) => api.codec(version) === codecs[i]), `${api.name}: compiled once`)
    for (const version of [api.advertisedFrom - 1, api.versions[1] + 1, 0x7fff, -0x8000, 0.5, NaN]) t.equal(api.codec(version), undefined)
    t.ok(versions.every(version => api.codec(version)!.flexible === (version >= api.flexibleSince)))
  }
  t.notOk(apis.produce.serves(2))
  t.ok(apis.produce.serves(3))
  t.ok(apis.produce.codec(0))
  t.notOk(apis.produce.serves(14))
  t.end()
})

t.test('what is advertised', t => {
  t.strictSame(advertise(['apiVersions', 'produce', 'fetch', 'produce']), [
    { apiKey: 0, minVersion: 0, maxVersion: 13 },
    { apiKey: 1, minVersion: 4, maxVersion: 18 },
    { apiKey: 18, minVersion: 0, maxVersion: 4 }
  ])
  t.strictSame(advertise([]), [])
  t.end()
})

t.test('a message has the same fields in all versions', t => {
  for (const { api, version, side, fields } of everyMessage()) {
    const codec = api.codec(version)!
    const writer = new Writer()
    if (side === 'request') codec.writeRequest(writer, {})
    else codec.writeResponse(writer, {})
    const message = (side === 'request' ? codec.readRequest : codec.readResponse)(new Reader(Buffer.concat(writer.finish()))) as object
    if (Object.keys(message).join() !== Object.keys(fields).join()) t.fail(`${api.name} ${version} ${side}`)
  }
  t.end()
})

t.test('every definition says what it is for', t => {
  const folder = join(import.meta.dirname, '../../src/protocol/apis')
  for (const file of readdirSync(folder)) t.match(readFileSync(join(folder, file), 'utf8'), /^\/\*\*\n? .{30,}/, file)
  t.end()
})

t.test('definitions that make no sense', t => {
  const request = {}
  const response = { errorCode: int16() }
  t.throws(() => defineApi({ key: 1, name: 'x', versions: [2, 1], flexibleSince: 0, request, response }), AssertionError)
  t.throws(() => defineApi({ key: 1, name: 'x', versions: [1, 1], advertisedFrom: 2, flexibleSince: 0, request, response }), AssertionError)
  const tagged = defineApi({ key: 1, name: 'x', versions: [0, 1], flexibleSince: 1, request: { a: int32().tagged(0) }, response })
  t.throws(() => tagged.codec(0), AssertionError, 'a tag where there are none')
  t.ok(tagged.codec(1))
  const odd = defineApi({ key: 1, name: 'x', versions: [0, 0], flexibleSince: 1, request: { 'a-b': int32() }, response })
  t.throws(() => odd.codec(0), AssertionError)
  t.end()
})

t.test('types follow from definitions', t => {
  const sample = defineApi({
    key: 1,
    name: 'sample',
    versions: [0, 1],
    flexibleSince: 1,
    request: { name: string(), note: string().nullable(), term: int32().since(1).or(-1), inner: struct({ n: int32() }), list: array({ n: int32() }) },
    response: { errorCode: int16() }
  })
  t.equal(sample.name, 'sample')
  const read: RequestOf<typeof sample> = { name: 'a', note: null, term: 1, inner: { n: 1 }, list: [] }
  const written: RequestToWrite<typeof sample> = { name: 'a', inner: { n: 1 }, list: [{ n: 1 }] }
  const answer: ResponseOf<typeof sample> = { errorCode: 0 }
  // @ts-expect-error a field without default must be given
  const incomplete: RequestToWrite<typeof sample> = { name: 'a', list: [] }
  // @ts-expect-error null is not for every field
  const nulled: ResponseOf<typeof sample> = { errorCode: null }
  // @ts-expect-error a reader gives every field
  const partial: RequestOf<typeof sample> = { name: 'a', inner: { n: 1 }, list: [] }
  t.ok([read, written, answer, incomplete, nulled, partial])
  t.equal(zeroUuid.length, 32)
  t.end()
})
