/** `npm run bench -- fetch`: 1 KiB messages from the start of 1 and 8 partitions in answers of 64 KiB to 1 MiB, beside the limit. */
import { runBeside, type Step } from './beside.ts'
import { benchOptions, values } from './harness.ts'

const options = benchOptions()
const messages = options.smoke ? 300 : 1_000_000
const passes = options.smoke ? 1 : 4
const steps = values(options, [1, 8]).flatMap(partitions => values(options, [2 ** 20, 2 ** 18, 2 ** 16]).map((maxBytes): Step => ({
  name: 'fetch',
  flush: 'os',
  settings: { partitions, maxBytes, messages, passes },
  bytes: messages * 1040,
  load: target => ({ load: 'fetch', ...target, valueBytes: 1024, partitions, connections: 1, maxBytes, messages, passes })
})))

await runBeside('fetch', options, steps)
process.exit(0)
