/**
 * Proves that a network can be broken, with two small programs in place of brokers: one listens where the other brokers reach it,
 * one talks to it. Run by network.test.ts with the kind of the network; prints one line for each step, or why it cannot be had.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { adopt } from '../../bench/process-stats.ts'
import { enterNamespaces, isInside } from './namespaces.ts'
import { type Network, openNetwork } from './network.ts'

const listener = 'const [host, port] = process.argv.slice(1); require("node:net").createServer(s => { s.on("error", () => {}); s.pipe(s) }).listen(Number(port), host, () => console.log("listens"))'
const talker = `const [host, port] = process.argv.slice(1)
let s
const open = () => { s = require("node:net").connect(Number(port), host); s.on("error", () => {}); s.on("data", d => console.log(String(d))) }
process.stdin.on("data", d => { for (const line of String(d).trim().split("\\n")) line === "open" ? open() : s.write(line) })
console.log("talks")`
/** No packet of a healthy network takes that long; longer than one that is dropped needs to be sent again. */
const silenceMs = 300

function start (network: Network, place: number, code: string, ...args: readonly string[]): { child: ChildProcess, said: (text: string) => Promise<void>, hasSaid: (text: string) => boolean } {
  const [command, ...words] = [...network.wrapper(place), process.execPath, '-e', code, ...args]
  const child = adopt(spawn(command!, words, { stdio: ['pipe', 'pipe', 'inherit'] }))
  network.runs(place, child.pid!)
  let all = ''
  const lines = createInterface(child.stdout!)
  lines.on('line', line => { all += `${line};` })
  const hasSaid = (text: string): boolean => all.includes(text)
  return { child, hasSaid, said: async text => { while (!hasSaid(text)) await once(lines, 'line', { signal: AbortSignal.timeout(10_000) }) } }
}

if (process.argv[2] === 'namespaces' && !isInside()) {
  const result = await enterNamespaces(process.argv.slice(1))
  if (typeof result === 'string') console.log(`refused: ${result}`)
  process.exit(typeof result === 'string' ? 0 : result)
}
const network = await openNetwork(isInside() ? 'namespaces' : 'proxy', 2)
const [here, there] = network.places as [typeof network.places[number], typeof network.places[number]]
const split = (address: string): string[] => address.split(':')
const server = start(network, 0, listener, ...split(here.raftAddress))
await server.said('listens')
const client = start(network, 1, talker, ...split(here.toldRaftAddress))
await client.said('talks')
const say = (text: string): void => { client.child.stdin!.write(`${text}\n`) }
const silent = async (text: string): Promise<void> => {
  await new Promise(resolve => setTimeout(resolve, silenceMs))
  if (client.hasSaid(text)) throw new Error(`${network.kind}: ${text} came through`)
}
console.log(`${network.kind}: ${here.toldRaftAddress}, ${there.toldRaftAddress}`)

say('open')
say('one')
await client.said('one')
await network.block(1, 0)
say('two')
await silent('two')
await network.heal()
await client.said('two')
console.log('held back on the way there')
await network.block(0, 1)
say('three')
await silent('three')
await network.heal()
await client.said('three')
console.log('held back on the way back')
await network.block(1, 0)
say('open')
say('four')
await silent('four')
await network.heal()
await client.said('four')
console.log('connected after healing')
await network.close()
process.exit(0)
