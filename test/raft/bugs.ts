/** Bugs that are planted to see that the checks find them: each is a small change of the machine's text, and where to look for it. */
import type { Budget } from './model.ts'
import type { Change } from './variants.ts'

export interface Bug {
  readonly changes: readonly Change[]
  /** Of scenarios.ts. */
  readonly scenario: string
  /** Less than the scenario allows is enough. */
  readonly budget?: Budget
  /** A part of what the model says then. */
  readonly found: RegExp
  /** It breaks no promise, but something never comes to rest. */
  readonly stuck?: true
}

const change = (file: string, find: string, replace: string): readonly Change[] => [{ file, find, replace }]

export const bugs: Readonly<Record<string, Bug>> = {
  'an older term is committed by counting': {
    changes: change('quorum.ts', 'if (end <= termStart && !single) return current', ''),
    scenario: 'figure 8',
    budget: { campaign: 1 },
    found: /electability/
  },
  'the exception for a single voter holds for all': {
    changes: change('quorum.ts', 'const single = voters.length === 1 && !isJoint(configuration)', 'const single = true'),
    scenario: 'figure 8',
    budget: { campaign: 1 },
    found: /electability/
  },
  'the leader counts what its own disk does not have': {
    changes: change('leader.ts', 'member === this.#raft.self ? this.#raft.log.durableEnd', 'member === this.#raft.self ? this.#raft.log.endOffset'),
    scenario: 'two writers',
    found: /durability/
  },
  'a follower acknowledges before its disk has it': {
    changes: [
      ...change('follower.ts', 'const endOffset = Math.min(this.#verified, log.durableEnd) as Offset\n    this.#acknowledged', 'const endOffset = this.#verified\n    this.#acknowledged'),
      ...change('follower.ts', 'const pending = log.durableEnd < this.#verified', 'const pending = false')
    ],
    scenario: 'two writers',
    budget: { propose: 1, crash: 1 },
    found: /durability/
  },
  'a vote leaves before it is durable': {
    changes: change('hard-state.ts', 'if (!this.#unsaved) return this.#port.send(message)', 'return this.#port.send(message)'),
    scenario: 'two candidates',
    budget: { crash: 1 },
    found: /two leaders in one term|a term has one leader/
  },
  'two votes in one term': {
    changes: change('raft.ts', 'const free = this.vote === message.from || (this.vote === nobody && this.leader === nobody)', 'const free = true'),
    scenario: 'two candidates',
    budget: {},
    found: /two leaders in one term|a term has one leader/
  },
  'votes of an older term count': {
    changes: change('raft.ts', 'if (message.term < this.term) return this.#refuseOldTerm(message)', 'if (message.term < this.term && message.kind !== \'voted\') return this.#refuseOldTerm(message)'),
    scenario: 'a late vote',
    budget: {},
    found: /two leaders in one term|a term has one leader/
  },
  'whoever asks is voted for, whatever its log': {
    changes: change('raft.ts', 'return !isLonger(this.log, message)', 'return true'),
    scenario: 'elections after a commit',
    budget: { campaign: 1 },
    found: /leader completeness/
  },
  'only the length of logs is compared': {
    changes: change('raft.ts', 'return !isLonger(this.log, message)', 'return message.endOffset >= this.log.endOffset'),
    scenario: 'a long old log',
    budget: { campaign: 1 },
    found: /leader completeness|state-machine safety|what is committed is never cut/
  },
  'what an earlier leader\'s word made of the log counts in the next term': {
    changes: change('raft.ts', 'if (term > this.term) this.#follower.begin()', ''),
    scenario: 'two candidates and a lost entry',
    budget: { propose: 1 },
    found: /electability|durability/
  },
  'a follower believes its leader\'s high watermark about what it has not compared': {
    changes: change('follower.ts', 'Math.min(this.#committed, this.#verified, this.#raft.log.durableEnd)', 'Math.min(this.#committed, this.#raft.log.durableEnd)'),
    scenario: 'a divergent follower',
    found: /state-machine safety/
  },
  'an append is not compared with what stands before it': {
    changes: change('follower.ts', 'return log.termAt(offset - 1 as Offset) === previousTerm', 'return true'),
    scenario: 'a divergent follower',
    found: /log matching|safety|electability/
  },
  'what stands in the way of an append is kept': {
    changes: change('follower.ts', 'if (log.termAt(from) !== term) return from', 'if (log.termAt(from) !== term) return none'),
    scenario: 'a divergent follower',
    found: /AssertionError|log matching|safety|electability/
  },
  'a leader goes on in its term after its log was cut': {
    changes: change('raft.ts', 'if (this.#leading !== undefined) this.#leading.stepAside()\n    else if', 'if (this.role !== \'leader\') if'),
    scenario: 'failing disks',
    found: /log matching|safety|electability|durability/
  },
  'a candidate stays one after its log was cut': {
    changes: change('raft.ts', 'else if (this.role !== \'follower\') this.becomeFollower(this.term, nobody)', ''),
    scenario: 'a candidate with a failing disk',
    budget: { campaign: 1, diskFailure: 1 },
    found: /leader completeness/
  },
  'a lost acknowledgement is not asked for again': {
    changes: change('leader.ts', 'progress.match === progress.matchBefore && progress.match < message.sentEnd', 'false'),
    scenario: 'three writers',
    found: /something is not committed|does not/,
    stuck: true
  },
  'a restarted member with an empty log is not seen to be complete': {
    changes: change('follower.ts', 'const verified = Math.max(this.#verified, log.startOffset) as Offset', 'const verified = this.#verified'),
    scenario: 'elections by two',
    budget: { campaign: 1, crash: 1 },
    found: /does not sleep/,
    stuck: true
  },
  'a leader that sleeps does not answer who woke': {
    changes: change('raft.ts', 'if (this.#leading?.progress.has(message.from) === true) this.wake()', ''),
    scenario: 'sleep',
    found: /does not follow|nobody leads|does not sleep/,
    stuck: true
  },
  'the outgoing voters are not asked what is committed': {
    changes: change('quorum.ts', 'if (isJoint(configuration)) end = Math.min(end, quorumEnd(outgoing.map(durableEnd))) as Offset', ''),
    scenario: 'joint consensus',
    found: /electability/
  },
  'the outgoing voters are not asked who leads': {
    changes: change('configuration.ts', ' && (!isJoint(configuration) || majority(configuration.outgoing, agrees))', ''),
    scenario: 'two candidates in joint consensus',
    found: /two leaders in one term|a term has one leader/
  },
  'voters change without joint consensus': {
    changes: change('membership.ts', 'outgoing: voters, learners: target', 'outgoing: [], learners: target'),
    scenario: 'joint consensus',
    found: /electability/
  },
  'joint consensus is left before it is committed': {
    changes: change('membership.ts', '!configurations.isCommitted(raft.highWatermark) || ', ''),
    scenario: 'joint consensus',
    found: /electability/
  },
  'a voter that has forgotten votes all the same': {
    changes: [
      ...change('raft.ts', 'message.term > this.term && this.#mayVoteFor(message) && ', 'message.term > this.term && '),
      ...change('raft.ts', 'free && this.#mayVoteFor(message) && ', 'free && '),
      ...change('raft.ts', 'const vote = message.kind === \'vote\' && this.#mayVoteFor(message) && ', 'const vote = message.kind === \'vote\' && ')
    ],
    scenario: 'a voter that has forgotten',
    found: /leader completeness/
  },
  'a voter that has forgotten believes a mark that its leader has not established': {
    changes: change('follower.ts', 'if (log.termAt(mark - 1 as Offset) !== term) return', ''),
    scenario: 'a voter that has forgotten',
    found: /electability/
  },
  'who is removed by what is not committed does not stand for election': {
    changes: change('raft.ts', 'this.configurations.entries.some(({ configuration }) => isVoter(configuration, this.self))', 'isVoter(this.configurations.current, this.self)'),
    scenario: 'a voter becomes a learner',
    found: /nobody leads/,
    stuck: true
  },
  'who does not know on its disk that it is a member becomes a voter': {
    changes: change('membership.ts', 'match > this.#raft.configurations.offset', 'match >= 0'),
    scenario: 'a second voter',
    found: /nobody leads/,
    stuck: true
  },
  'who is removed by what is not committed does not vote': {
    changes: change('raft.ts', 'this.configurations.entries.some(({ configuration }) => membersOf(configuration).includes(this.self))', 'membersOf(this.configurations.current).includes(this.self)'),
    scenario: 'a removed voter and a newer term',
    found: /nobody leads|crashed/,
    stuck: true
  }
}

/** Changes that break no invariant: some transcript must show them. */
export const visibleChanges: Readonly<Record<string, { readonly changes: readonly Change[], readonly transcript: string }>> = {
  'a lease is not kept': { changes: change('raft.ts', 'return this.timing.checkQuorum && ', 'return false && '), transcript: 'lease' },
  'nobody asks before an election': { changes: change('raft.ts', 'this.isOnlyVoter ? \'candidate\' : \'pre-candidate\'', '\'candidate\''), transcript: 'pre-vote' },
  'a leader does not care whether it is heard': { changes: change('leader.ts', ' && checkQuorum && !this.#checkQuorum()', ' && !checkQuorum && !this.#checkQuorum()'), transcript: 'check-quorum' },
  'a window has no end': { changes: change('inflights.ts', 'return this.#count === this.#countMax || this.#bytes >= this.#bytesMax', 'return this.#count === messagesMax'), transcript: 'replicate-pause' },
  'batches are taken while leadership is handed over': { changes: change('raft.ts', 'this.#leading.transferee === nobody && this.log.writable', 'this.log.writable'), transcript: 'transfer' },
  'leadership is handed over to who lacks something': { changes: change('leader.ts', 'if (match === this.#raft.log.endOffset) this.#sendTimeoutNow(member)', 'if (match >= 0) this.#sendTimeoutNow(member)'), transcript: 'transfer' },
  'a read is not confirmed by others': { changes: change('leader.ts', 'member === self || this.#progress.get(member)!.readRound >= round', 'member === self || round > 0'), transcript: 'read-index' },
  'a read before the leader has committed': { changes: change('leader.ts', 'if (!this.established) return undefined', ''), transcript: 'read-index' },
  'a leader change in an empty log': { changes: change('leader.ts', 'if (this.termStart > 0 && !this.#raft.isOnlyVoter)', 'if (!this.#raft.isOnlyVoter)'), transcript: 'campaign' },
  'a leader change by a single voter': { changes: change('leader.ts', 'if (this.termStart > 0 && !this.#raft.isOnlyVoter)', 'if (this.termStart > 0)'), transcript: 'single-voter' },
  'a heartbeat tells all that is committed': { changes: change('leader.ts', 'highWatermark: Math.min(highWatermark, match) as Offset', 'highWatermark'), transcript: 'lagging-commit' },
  'hints are not used': { changes: change('leader.ts', 'Math.min(common, offset - 1)', 'offset - 1'), transcript: 'divergence-hints' },
  'a learner does not vote': { changes: change('raft.ts', 'const granted = free && ', 'const granted = free && isVoter(this.configurations.current, this.self) && '), transcript: 'campaign-learner-must-vote' },
  'who may not lead says nothing': { changes: change('raft.ts', 'else this.#callOut()', 'else this.#elapsed = 0'), transcript: 'sleep-and-wake' },
  'a leader that asks for votes is still believed in': { changes: change('raft.ts', 'if (message.from === this.leader) {', 'if (message.from === this.self) {'), transcript: 'sleep-and-wake' },
  'who is no voter any more leads on': { changes: change('membership.ts', 'if (!isJoint(present) && !present.voters.includes(self)) return this.#leader.stepAside()', ''), transcript: 'leader-removed' },
  'voters join without having learned': { changes: change('membership.ts', '|| !this.#isReady(present, next)', ''), transcript: 'joint-two-voters' },
  'a log that needs nothing begins anew': { changes: change('follower.ts', 'if (offset <= log.startOffset || this.#fits(offset, previousTerm)) {', 'if (offset < 0) {'), transcript: 'reset-found-needless' },
  'the links are not believed': { changes: change('raft.ts', 'else if (!up && member === this.leader) {', 'else if (up && member === this.leader) {'), transcript: 'forget-leader' }
}
