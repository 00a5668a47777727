import fc from 'fast-check'
import t from 'tap'
import { LineSplitter } from '../../src/cli/lines.ts'

/** The slow way: all at once. A last line without its \n is a line; nothing after the last \n is none. */
function slowLines (bytes: Buffer): string[] {
  const lines = bytes.toString('latin1').split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}

function split (chunks: readonly Buffer[]): string[] {
  const splitter = new LineSplitter(1000)
  const lines: string[] = []
  for (const chunk of chunks) for (const line of splitter.lines(chunk)) lines.push(line.toString('latin1'))
  const last = splitter.last()
  return last === undefined ? lines : [...lines, last.toString('latin1')]
}

t.test('however the bytes are cut, the lines are the same', async t => {
  const byte = fc.constantFrom(0, 10, 13, 65, 255)
  const chunks = fc.array(fc.array(byte, { maxLength: 12 }).map(bytes => Buffer.from(bytes)), { maxLength: 8 })
  t.doesNotThrow(() => fc.assert(fc.property(chunks, given => {
    const lines = split(given)
    const expected = slowLines(Buffer.concat(given))
    return lines.length === expected.length && lines.every((line, i) => line === expected[i])
  })))
})

t.test('bytes are kept', async t => {
  t.same(split([Buffer.from('a\r\n\n\xff\x00', 'latin1'), Buffer.from('b')]), ['a\r', '', '\xff\x00b'])
  t.same(split([]), [])
})

t.test('a line without an end is refused before it fills the memory', async t => {
  const splitter = new LineSplitter(10)
  t.same([...splitter.lines(Buffer.from('123456'))], [])
  t.throws(() => [...splitter.lines(Buffer.from('789012'))], /longer than 10 bytes/)
})
