import t from 'tap'
import { Joiner } from '../../src/net/joiner.ts'

t.test('parts become one piece', async t => {
  const joiner = new Joiner(16)
  t.same(joiner.join([Buffer.from('abc'), Buffer.from('d'), Buffer.from('efgh')]).toString(), 'abcdefgh')
  t.same(joiner.join([Buffer.alloc(16, 'x')]).toString(), 'x'.repeat(16), 'up to its size')
})

t.test('memory is used again, but not what was kept', async t => {
  const joiner = new Joiner(16)
  const first = joiner.join([Buffer.from('one')])
  const second = joiner.join([Buffer.from('two')])
  t.equal(second.buffer, first.buffer)
  joiner.keep()
  const third = joiner.join([Buffer.from('3')])
  t.not(third.buffer, second.buffer)
  t.equal(second.toString(), 'two')
})
