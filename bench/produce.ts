/** `npm run bench -- produce`: one-record requests at 1 to 64 connections, and batches of 16 KiB and 1 MiB, beside the limit. */
import { runBeside, type Step } from './beside.ts'
import { benchOptions, values } from './harness.ts'

const options = benchOptions()
const size = (count: number): number => options.smoke ? Math.max(64, Math.round(count / 10_000)) : count
const steps: Step[] = []

for (const flush of ['os', 'always'] as const) {
  for (const [connections, inFlight, count] of values(options, [[1, 1, 60_000], [8, 1, 150_000], [64, 1, 250_000], [64, 5, 500_000]] as const)) {
    const requests = size(flush === 'os' ? count : count / 4)
    steps.push({
      name: 'one-record',
      flush,
      settings: { connections, inFlight, requests, valueBytes: 1024 },
      bytes: requests * 1200,
      load: target => ({ load: 'produce', ...target, valueBytes: 1024, connections, inFlight, warmupRequests: Math.ceil(requests / 4), requests, secondsMax: 10 })
    })
  }
  for (const partitions of values(options, [1, 8])) {
    for (const [valueBytes, recordsPerBatch, messages] of values(options, [[1024, 15, 1_000_000], [1024, 1000, 1_000_000], [100, 150, 5_000_000]] as const)) {
      const requests = Math.ceil(size(messages) / recordsPerBatch)
      steps.push({
        name: 'batches',
        flush,
        settings: { partitions, valueBytes, recordsPerBatch, requests },
        bytes: requests * recordsPerBatch * valueBytes,
        load: target => ({ load: 'produce', ...target, valueBytes, partitions, recordsPerBatch, connections: 1, inFlight: 5, warmupRequests: Math.ceil(requests / 8), requests })
      })
    }
  }
}

await runBeside('produce', options, steps)
process.exit(0)
