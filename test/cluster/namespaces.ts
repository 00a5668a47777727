/**
 * A network namespace for each broker, one for the clients (that of this process), and one between them that routes:
 *
 * ```
 *   broker 0 10.77.1.2 ── 10.77.1.1 ┐
 *   broker 1 10.77.2.2 ── 10.77.2.1 ├ router: forwards, except what a rule sends into a black hole
 *   broker 2 10.77.3.2 ── 10.77.3.1 │
 *   clients  10.77.0.2 ── 10.77.0.1 ┘
 * ```
 *
 * A rule `from A to B blackhole` drops packets in one direction and tells nobody, as a broken switch does. All of it lives in
 * namespaces of this run: {@link enterNamespaces} starts the program again inside of new ones (network, mounts, processes),
 * and when that ends the kernel takes everything down, brokers included. Nothing of the machine's own network is touched.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'
import { promisify } from 'node:util'
import { adopt } from '../../bench/process-stats.ts'
import type { Network, Party, Place } from './network.ts'

const run = promisify(execFile)
const insideVariable = 'INSIDE_TEST_NAMESPACES'
const commandMsMax = 10_000

/** Flags of unshare(1), as root and as somebody else. */
const ways: ReadonlyArray<readonly string[]> = [[], ['--user', '--map-root-user']]
const always = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']

/** Whether this process runs in namespaces of its own. */
export function isInside (): boolean {
  return process.env[insideVariable] === '1'
}

/**
 * Runs this program again in new namespaces, to its end.
 * @returns its exit code, or in words why namespaces are not to be had here
 */
export async function enterNamespaces (args: readonly string[]): Promise<number | string> {
  if (isInside()) throw new Error('already in namespaces of its own')
  const reasons: string[] = []
  for (const way of ways) {
    // What is needed later is tried now: addresses, a second namespace, a rule.
    const probe = spawnSync('unshare', [...way, ...always, 'sh', '-c', 'ip link set lo up && unshare --net true && nsenter --net=/proc/self/ns/net true && ip link add probe0 type veth peer name probe1 && ip rule add from 10.77.1.2 to 10.77.2.2 blackhole'], { encoding: 'utf8', timeout: commandMsMax })
    if (probe.status !== 0) {
      reasons.push((probe.error?.message ?? probe.stderr).trim().split('\n')[0] ?? `ended with ${probe.status}`)
      continue
    }
    const child = adopt(spawn('unshare', [...way, ...always, process.execPath, ...process.execArgv, ...args], { stdio: 'inherit', env: { ...process.env, [insideVariable]: '1' } }))
    const [code] = await once(child, 'exit') as [number | null]
    return code ?? 1
  }
  return reasons.join('; ')
}

/** A process that does nothing but hold a namespace open. */
class Holder {
  readonly #child: ChildProcess

  private constructor (child: ChildProcess) { this.#child = child }

  static async start (): Promise<Holder> {
    const holder = new Holder(adopt(spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' })))
    const own = readlinkSync('/proc/self/ns/net')
    for (let tries = 0; tries < 500; tries++) {
      if (holder.#child.exitCode !== null) break
      try {
        if (readlinkSync(`/proc/${holder.pid}/ns/net`) !== own) return holder
      } catch { /* not there yet */ }
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    throw new Error('no network namespace could be made')
  }

  get pid (): number { return this.#child.pid! }

  /** Words before a command that is to run inside. */
  get enter (): readonly string[] { return ['nsenter', `--net=/proc/${this.pid}/ns/net`] }

  async command (...words: readonly string[]): Promise<void> {
    const [program, ...rest] = [...this.enter, ...words]
    await run(program!, rest, { timeout: commandMsMax })
  }

  close (): void { this.#child.kill('SIGKILL') }
}

const clientsNet = 0
const netOf = (party: Party): number => party === 'clients' ? clientsNet : party + 1
const addressOf = (net: number): string => `10.77.${net}.2`
const routerAddressOf = (net: number): string => `10.77.${net}.1`
const clientPort = 9092
const raftPort = 9192

export class NamespaceNetwork implements Network {
  readonly kind = 'namespaces'
  readonly canBlockClients = true
  readonly places: readonly Place[]
  readonly #router: Holder
  readonly #brokers: readonly Holder[]
  #rules: string[][] = []

  private constructor (router: Holder, brokers: readonly Holder[]) {
    this.#router = router
    this.#brokers = brokers
    this.places = brokers.map((_, i) => {
      const raftAddress = `${addressOf(netOf(i))}:${raftPort}`
      return { host: addressOf(netOf(i)), clientPort, raftAddress, toldRaftAddress: raftAddress }
    })
  }

  static async open (count: number): Promise<NamespaceNetwork> {
    if (!isInside()) throw new Error('namespaces are entered first')
    const router = await Holder.start()
    await router.command('sh', '-c', 'ip link set lo up && echo 1 > /proc/sys/net/ipv4/ip_forward')
    await run('ip', ['link', 'set', 'lo', 'up'])
    // A run before this one may have left its end in our own namespace.
    await run('ip', ['link', 'delete', 'e0']).catch(() => {})
    await run('ip', ['link', 'add', 'e0', 'type', 'veth', 'peer', 'name', 'v0', 'netns', String(router.pid)])
    await connect(router, clientsNet, async (...words) => { await run(words[0]!, words.slice(1)) })
    const brokers: Holder[] = []
    for (let i = 0; i < count; i++) {
      const holder = await Holder.start()
      brokers.push(holder)
      await router.command('ip', 'link', 'add', `v${netOf(i)}`, 'type', 'veth', 'peer', 'name', 'e0', 'netns', String(holder.pid))
      await connect(router, netOf(i), async (...words) => await holder.command(...words))
    }
    return new NamespaceNetwork(router, brokers)
  }

  wrapper (broker: number): readonly string[] { return this.#brokers[broker]!.enter }

  runs (): void {}

  async block (from: Party, to: Party): Promise<void> {
    const rule = ['from', addressOf(netOf(from)), 'to', addressOf(netOf(to)), 'blackhole']
    this.#rules.push(rule)
    await this.#router.command('ip', 'rule', 'add', ...rule)
  }

  async heal (): Promise<void> {
    for (const rule of this.#rules.splice(0)) await this.#router.command('ip', 'rule', 'delete', ...rule)
  }

  async close (): Promise<void> {
    for (const holder of [...this.#brokers, this.#router]) holder.close()
  }
}

/** Gives both ends of a pair their addresses, and the far one its way to all others. */
async function connect (router: Holder, net: number, inside: (...words: readonly string[]) => Promise<void>): Promise<void> {
  await router.command('ip', 'address', 'add', `${routerAddressOf(net)}/30`, 'dev', `v${net}`)
  await router.command('ip', 'link', 'set', `v${net}`, 'up')
  await inside('ip', 'link', 'set', 'lo', 'up')
  await inside('ip', 'address', 'add', `${addressOf(net)}/30`, 'dev', 'e0')
  await inside('ip', 'link', 'set', 'e0', 'up')
  await inside('ip', 'route', 'add', 'default', 'via', routerAddressOf(net))
}
