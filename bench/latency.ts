/** `npm run bench -- latency`: from produce to a long-polling consumer at 1,000 messages of 1 KiB a second, beside the limit. */
import { runBeside } from './beside.ts'
import { benchOptions } from './harness.ts'

const options = benchOptions()
const messages = options.smoke ? 50 : 30_000

await runBeside('latency', options, [{
  name: 'latency',
  flush: 'os',
  settings: { perSecond: 1000, valueBytes: 1024, messages },
  bytes: messages * 1100,
  load: target => ({ load: 'latency', ...target, valueBytes: 1024, perSecond: 1000, warmupMessages: options.smoke ? 10 : 3000, messages })
}])
process.exit(0)
