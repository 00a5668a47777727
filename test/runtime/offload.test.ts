import t from 'tap'
import { Offload } from '../../src/runtime/offload.ts'

const jobs = new URL('offload-jobs.ts', import.meta.url)

t.test('runs an export of a module elsewhere, and refuses more than its queue holds', async t => {
  const offload = new Offload({ threadsMax: 1, queueMax: 2 })
  t.teardown(async () => await offload.close())
  const sum = offload.run<number>(jobs, 'sum', [1, 2, 3])
  const thread = offload.run<number>(jobs, 'threadOf', undefined)
  t.equal(await sum, 6)
  t.ok(await thread > 0, 'not on this thread')
  await t.rejects(offload.run(jobs, 'fails', 'x'), { message: 'cannot x' })
  await t.rejects(offload.run(jobs, 'nothing', 0), { message: /no export nothing/ })
  const many = await Promise.allSettled(Array.from({ length: 6 }, async () => await offload.run(jobs, 'sum', [1])))
  const refused = many.filter(result => result.status === 'rejected')
  t.ok(refused.length >= 3 && refused.length < 6, 'the queue is bounded')
  t.equal(offload.waiting, 0)
})
