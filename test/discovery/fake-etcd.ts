/** An etcd in a world of virtual time: it can be down, and answer nothing although it did what was asked. */
import type { EtcdPort, Lease } from '../../src/discovery/etcd-client.ts'
import type { World } from './world.ts'

export class FakeEtcd implements EtcdPort {
  readonly world: World
  readonly keys = new Map<string, { readonly value: string, readonly lease: Lease | undefined }>()
  readonly leases = new Set<Lease>()
  /** How often something was changed. */
  revision = 0
  down = false
  /** How likely it is that an answer is lost, after the work was done. */
  forgetful = 0
  #leaseNext = 1

  constructor (world: World) {
    this.world = world
  }

  async putOnce (key: string, value: string): Promise<string> {
    return await this.#call(() => {
      const there = this.keys.get(key)
      if (there === undefined) this.#put(key, value, undefined)
      return there?.value ?? value
    })
  }

  async put (key: string, value: string, lease: Lease): Promise<boolean> {
    return await this.#call(() => {
      if (!this.leases.has(lease)) return false
      this.#put(key, value, lease)
      return true
    })
  }

  async list (prefix: string): Promise<ReadonlyMap<string, string>> {
    return await this.#call(() => new Map([...this.keys].filter(([key]) => key.startsWith(prefix)).map(([key, { value }]) => [key, value])))
  }

  async grant (): Promise<Lease> {
    return await this.#call(() => {
      const lease = String(this.#leaseNext++)
      this.leases.add(lease)
      return lease
    })
  }

  async keepAlive (lease: Lease): Promise<boolean> {
    return await this.#call(() => this.leases.has(lease))
  }

  async revoke (lease: Lease): Promise<void> {
    await this.#call(() => this.expire(lease))
  }

  close (): void {}

  expire (lease: Lease): void {
    this.leases.delete(lease)
    for (const [key, { lease: of }] of [...this.keys]) if (of === lease) this.keys.delete(key)
  }

  #put (key: string, value: string, lease: Lease | undefined): void {
    this.keys.set(key, { value, lease })
    this.revision++
  }

  #call<T> (work: () => T): Promise<T> {
    const { world } = this
    return new Promise((resolve, reject) => {
      world.later(world.network.delayMs('etcd', 'broker'), () => {
        if (this.down) {
          world.later(1, () => reject(new Error('127.0.0.1:2379: connection refused')))
          return
        }
        const result = work()
        const lost = world.chance.next() < this.forgetful
        world.later(lost ? 5000 : world.network.delayMs('etcd', 'broker'), () => lost ? reject(new Error('127.0.0.1:2379: no answer within 5000 ms')) : resolve(result))
      })
    })
  }
}
