/**
 * Clusters of real processes that are broken on purpose while clients work on them. Not part of the fast tests.
 *
 * `npm run test:cluster -- [--minutes M] [--seed S] [--cases kill-leader,pause,…] [--brokers 3] [--network auto|namespaces|proxy|plain] [--groups] [--again]`
 *
 * Without minutes each case runs once, as short as it can be: three to five minutes. docs/faults.md says more.
 */
import { fileURLToPath } from 'node:url'
import { currentCommit, median } from '../../bench/harness.ts'
import { Campaign } from './campaign.ts'
import { cases, longOnly } from './cases.ts'
import { enterNamespaces, isInside } from './namespaces.ts'
import { openNetwork, type NetworkKind } from './network.ts'
import { faultOptions } from './options.ts'

const options = faultOptions(process.argv.slice(2))
const unknown = options.cases.filter(name => !(name in cases))
if (unknown.length > 0) throw new Error(`--cases ${unknown.join()}: there are ${Object.keys(cases).join()}`)

let kind: NetworkKind = options.network === 'auto' ? 'proxy' : options.network
if (isInside()) {
  kind = 'namespaces'
} else if (options.network === 'auto' || options.network === 'namespaces') {
  const result = await enterNamespaces([fileURLToPath(import.meta.url), ...process.argv.slice(2)])
  if (typeof result === 'number') process.exit(result)
  console.log(`network namespaces are not permitted here (${result})`)
  if (options.network === 'namespaces') process.exit(1)
}

const network = await openNetwork(kind, options.brokers)
const about = { namespaces: 'a network namespace for each broker, packets are dropped', proxy: 'proxies on the loopback hold bytes back', plain: 'the loopback, unbroken' }[kind]
console.log(`seed=${options.seed} network=${kind}: ${about}`)
const campaign = new Campaign(options, currentCommit())
const chosen = Object.entries(cases).filter(([name]) => options.cases.length === 0 ? options.minutes > 0 || !longOnly.includes(name) : options.cases.includes(name))
const { passed, failed, skipped, seconds, operations, records, faults, gapsMs } = await campaign.run(chosen, network, line => console.log(line))
await network.close()
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped; ${faults} faults in ${(seconds / 60).toFixed(1)} minutes, ${operations} operations, ${records} records, silences of ${gapsMs.length === 0 ? 0 : median(gapsMs)} ms in the middle and ${Math.max(0, ...gapsMs)} ms at most`)
process.exit(failed === 0 && passed > 0 ? 0 : 1)
