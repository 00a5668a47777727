/** All planted bugs. */
import { acknowledgeBeforeSync } from './acknowledge-before-sync.ts'
import { answerDuplicateEarly } from './answer-duplicate-early.ts'
import { changeTwice } from './change-twice.ts'
import { commitOlderTerm } from './commit-older-term.ts'
import { commitUnverified } from './commit-unverified.ts'
import { countNewMajorityOnly } from './count-new-majority-only.ts'
import { forgetTruncatedProducers, forgetTruncatedTerms } from './forget-truncation.ts'
import { ignoreLease } from './ignore-lease.ts'
import type { Mutation } from './mutation.ts'
import { resumeTerm } from './resume-term.ts'
import { voteWithoutPersisting } from './vote-without-persisting.ts'

export const mutations: readonly Mutation[] = [
  commitOlderTerm,
  voteWithoutPersisting,
  forgetTruncatedTerms,
  forgetTruncatedProducers,
  acknowledgeBeforeSync,
  resumeTerm,
  answerDuplicateEarly,
  commitUnverified,
  ignoreLease,
  changeTwice,
  countNewMajorityOnly
]

/** @throws Error  there is none of that name */
export function mutationOf (name: string): Mutation {
  const found = mutations.find(mutation => mutation.name === name)
  if (found === undefined) throw new Error(`there is no planted bug ${name}; there are ${mutations.map(({ name }) => name).join(', ')}`)
  return found
}
