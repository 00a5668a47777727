/** What a network actor asks other actors: their requests, before it adds whom to answer. */
import type { ControllerRequest } from '../actors/controller/messages.ts'
import type { GroupRequest } from '../actors/group/messages.ts'
import type { PartitionRequest } from '../actors/partition/messages.ts'
import type { Request } from '../runtime/actor.ts'

type Unaddressed<R> = R extends Request ? Omit<R, 'replyTo' | 'correlation'> : never

export type Question = Unaddressed<PartitionRequest | ControllerRequest | GroupRequest>
