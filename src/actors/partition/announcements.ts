/** What a leader tells the controller: that it leads, and how its group is; once in each term, and whenever that has changed. */
import type { Message } from '../../base/effect.ts'
import type { ActorId, MemberId, PartitionIndex, TopicId } from '../../base/ids.ts'
import type { Outbox } from '../../runtime/actor.ts'
import type { Replica } from '../replica.ts'

export interface AnnouncementsOptions {
  readonly replica: Replica
  readonly controller: ActorId
  readonly topicId: TopicId
  readonly partition: PartitionIndex
}

export class Announcements {
  readonly #options: AnnouncementsOptions
  /** What was told last. */
  #told = ''
  #version = -1
  /** The newest term that was told; 0: none. */
  term = 0
  /** Of the newest assignment; -1: none came yet. */
  generation = -1

  constructor (options: AnnouncementsOptions) {
    this.#options = options
  }

  /** Term or group are others than when it was told last. */
  get isDue (): boolean {
    const { replica } = this.#options
    return replica.term !== this.term || replica.state.configurations.version !== this.#version
  }

  /** Leader only. @param again  also if it is what was told last */
  tell (again: boolean, out: Outbox): void {
    const { replica, controller, topicId, partition } = this.#options
    const { generation } = this
    const { term } = replica
    this.term = term
    this.#version = replica.state.configurations.version
    const inSync: readonly MemberId[] = replica.inSync()
    const { voters } = replica.committedConfiguration
    const joint = !replica.settled
    const news = `${term} ${inSync.join()} ${voters.join()} ${joint} ${generation}`
    if (!again && news === this.#told) return
    this.#told = news
    out.tell(controller, { kind: 'leader-elected', topicId, partition, term, leader: replica.self, inSync, voters, joint, generation } as Message)
  }
}
