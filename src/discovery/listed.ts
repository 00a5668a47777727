/**
 * A fresh broker with a list of brokers (`discovery.type: memory`, `discovery.endpoints`): it finds the cluster that one of them
 * belongs to, or founds one together with all of them.
 *
 * ```
 *            ask all of the list ──────────────┬─ one belongs to a cluster ── founded with this very folder ── take that place
 *              ^     │                         │                      └────── else ── ask it to be registered ── new member
 *              │     └─ all fresh, and this is the first of the list ── ask all again ── all fresh still ── found the cluster
 *              └──────── wait, answer others ──┘
 * ```
 *
 * Two clusters can never come of one list:
 * - The first of the list alone founds, and only after everybody else said "fresh" twice, the second time asked after the last
 *   first answer had come. So there was a moment at which nobody of the list belonged to any cluster.
 * - Who says "fresh" forgets what it was told by answers to earlier questions (`#freshAnswers`), so nobody joins another cluster
 *   afterwards by an old word of somebody who is gone, such as the first broker before its disk was erased.
 * - Who is told of a cluster says so before anything else, in the same turn: it is never fresh and on its way into one.
 *
 * What was founded names data folders, not addresses: a broker whose disk was erased is not among the founders, whatever its
 * name, and becomes a new member. Being killed anywhere changes nothing: either the place is on disk, or all begins anew, and
 * the same folders found the same cluster.
 */
import { formatAddress, type HostPort, parseAddress } from '../base/address.ts'
import type { MemberId, NodeId } from '../base/ids.ts'
import { readDiscovered } from './answers.ts'
import { DiscoveryError, foundedBy, type FoundingBroker, type Joined, mixUp } from './membership.ts'
import { askToJoin, type Newcomer, reasonOf } from './newcomer.ts'
import type { Discovered } from './peer-calls.ts'

/** What one of the list said; a text: why nothing. */
type Heard = Discovered | string

export class ListedBrokers {
  readonly #self: Newcomer
  readonly #endpoint: string
  readonly #others: readonly string[]
  /** How often others were told that this broker is fresh. */
  #freshAnswers = 0
  /** The cluster that this broker was told of, by a member. */
  #found: Discovered | undefined
  /** Of the last round: who said what. */
  #conflict: string | undefined

  constructor (self: Newcomer) {
    this.#self = self
    this.#endpoint = formatAddress(self.address)
    this.#others = self.endpoints.filter(endpoint => endpoint !== this.#endpoint)
  }

  /** Resolves when the broker has its place; it is the caller's to note it durably. @throws DiscoveryError  the list cannot be right */
  async join (): Promise<Joined> {
    const { calls, bind } = this.#self
    // A cluster of one asks nobody, and nobody's answer would change it.
    const answering = await calls.answer(bind, () => this.#answer())
    try {
      return await this.#find()
    } finally {
      await answering.close()
    }
  }

  async #find (): Promise<Joined> {
    const { waiting } = this.#self
    for (;;) {
      const heard = await this.#askAll()
      const members = [...heard.values()].filter(isMember)
      // No question is under way here, so what an earlier round told can be dropped.
      if (members.length === 0) this.#found = undefined
      const joined = members.length > 0 ? await this.#enter(members) : await this.#foundWith(heard)
      if (typeof joined !== 'string') return joined
      await waiting.pause(joined)
    }
  }

  #answer (): Discovered {
    const { nodeName, directoryId, address, endpoints } = this.#self
    if (this.#found === undefined) this.#freshAnswers++
    return { nodeName, directoryId, ...address, endpoints, clusterId: this.#found?.clusterId, member: 0, nodeId: 0, founders: [] }
  }

  async #askAll (): Promise<Map<string, Heard>> {
    const heard = await Promise.all(this.#others.map(async endpoint => await this.#ask(endpoint)))
    return new Map(this.#others.map((endpoint, index) => [endpoint, heard[index]!]))
  }

  async #ask (endpoint: string): Promise<Heard> {
    const { calls, timeoutMs, waiting } = this.#self
    const freshBefore = this.#freshAnswers
    const address = parseAddress(endpoint)!
    let answer
    try {
      answer = await waiting.unlessStopped(calls.discover(address, timeoutMs))
    } catch (error) {
      waiting.throwIfStopped()
      return `not reachable yet (${reasonOf(error, address)})`
    }
    try {
      answer = readDiscovered(answer)
    } catch (error) {
      return `its answer is ${(error as Error).message}`
    }
    if (!isMember(answer)) return answer
    // Asked again where it was found: what it calls itself may be a name that is good only elsewhere.
    const found = { ...answer, ...address }
    // Others may have been told "fresh" since, and may rely on it: what was on its way then does not count any more.
    if (this.#freshAnswers !== freshBefore) return 'was asked anew'
    this.#found ??= found
    return found
  }

  /** Takes the place that the cluster has for this broker. @returns what it waits for */
  async #enter (members: readonly Discovered[]): Promise<Joined | string> {
    const { directoryId, nodeName } = this.#self
    const [{ clusterId, founders }] = members as [Discovered]
    const foreign = members.find(member => member.clusterId !== clusterId)
    if (foreign !== undefined) {
      const conflict = `${where(members[0]!)} belongs to ${clusterId}, ${where(foreign)} to ${foreign.clusterId}`
      // The first time one of them may have been lost since it answered. If both say so again, there was a moment with both.
      if (conflict === this.#conflict) throw new DiscoveryError(`discovery.endpoints names brokers of two clusters: ${conflict}`)
      this.#conflict = conflict
      return `one word on the cluster: ${conflict}`
    }
    this.#conflict = undefined
    const founder = founders.find(founder => founder.directoryId === directoryId)
    if (founder !== undefined) {
      if (founder.nodeName !== nodeName) throw new DiscoveryError(`cluster ${clusterId} was founded with this data_dir as node_id "${founder.nodeName}": start it with that`)
      const { nodeId, member } = founder
      return { clusterId: clusterId!, nodeId, member, founders, peers: [] }
    }
    const joined = await askToJoin(this.#self, clusterId!, members)
    return typeof joined === 'string' ? `cluster ${clusterId} to register this broker (${joined})` : joined
  }

  /** Founds the cluster, if it is this broker's part and all others are there and fresh. @returns what it waits for */
  async #foundWith (heard: ReadonlyMap<string, Heard>): Promise<Joined | string> {
    const brokers = this.#checked(heard)
    if (typeof brokers === 'string') return brokers
    const [first] = this.#self.endpoints
    if (first !== this.#endpoint) return `${first} to found the cluster: all ${brokers.length} brokers are there`
    const again = this.#checked(await this.#askAll())
    if (typeof again === 'string') return again
    if (JSON.stringify(again) !== JSON.stringify(brokers)) return 'brokers that were started anew'
    const founded = foundedBy(brokers)
    this.#self.logger.info({ cluster: founded.clusterId, brokers: this.#self.endpoints }, 'all first brokers are there: the cluster is founded')
    return { ...founded, nodeId: 1 as NodeId, member: 1 as MemberId, peers: [] }
  }

  /**
   * The brokers that are to found the cluster, all of them fresh and of one mind, in the order of the list; else what is waited for.
   *
   * @throws DiscoveryError  waiting would not help
   */
  #checked (heard: ReadonlyMap<string, Heard>): FoundingBroker[] | string {
    const { endpoints, nodeName, directoryId } = this.#self
    const brokers: FoundingBroker[] = []
    const silent = new Map<string, string[]>()
    const isListed = endpoints.includes(this.#endpoint)
    if (isListed) brokers.push({ endpoint: this.#endpoint, nodeName, directoryId })
    for (const [endpoint, one] of heard) {
      if (typeof one === 'string') {
        silent.set(one, [...silent.get(one) ?? [], endpoint])
        continue
      }
      if (one.directoryId === directoryId) {
        throw new DiscoveryError(`discovery.endpoints names this broker as ${endpoint}, but its address for others is ${this.#endpoint}: write both alike, or set advertised_raft_addr to ${endpoint}`)
      }
      if (one.nodeName === nodeName) throw new DiscoveryError(`the broker at ${endpoint} has the same node_id "${nodeName}" as this one: give each its own`)
      if (one.clusterId !== undefined) silent.set('on its way into a cluster', [...silent.get('on its way into a cluster') ?? [], endpoint])
      else if (isListed && one.endpoints.join() !== endpoints.join()) {
        throw new DiscoveryError(`the broker at ${endpoint} has another list of first brokers: discovery.endpoints is ${endpoints.join(',')} here and ${one.endpoints.join(',') || 'empty'} there`)
      } else brokers.push({ endpoint, nodeName: one.nodeName, directoryId: one.directoryId })
    }
    if (silent.size > 0) return [...silent].map(([reason, from]) => `${from.join(', ')}: ${reason}`).join('; ')
    const mixedUp = mixUp(brokers)
    if (mixedUp !== undefined) throw new DiscoveryError(mixedUp)
    if (!isListed) return `${endpoints.join(', ')} to found the cluster: this broker, ${this.#endpoint}, is none of them and joins it later`
    return brokers.sort((a, b) => a.endpoint < b.endpoint ? -1 : 1)
  }
}

const isMember = (heard: Heard): heard is Discovered => typeof heard !== 'string' && heard.clusterId !== undefined && heard.member > 0
const where = (address: HostPort): string => formatAddress(address)
