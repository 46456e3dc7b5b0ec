// Answers to no request that is under way: late ones, and those that name nothing.
import type { Redactor } from "../transport/redactor.ts"
import type { Answered } from "./answers.ts"
import type { Desired } from "./desired.ts"
import type { Served } from "./served.ts"
import type { Setbacks } from "./setbacks.ts"
import type { Settings } from "./settings.ts"
import { retryOf } from "./settings.ts"
import { isDue } from "../time/monotonic.ts"
import type { Wire } from "./wire.ts"
import { revoke } from "./wire.ts"

export interface Options<A> {
  readonly desired: Desired<A>
  /** Monotonic time. */
  readonly moment: () => number
  readonly redactor: Redactor
  readonly served: Served<A>
  readonly setbacks: Setbacks<A>
  readonly settings: Pick<Settings, "acknowledgements">
  /** Tells the request under way that the peer has acknowledged these topics: a later request for them may be. */
  readonly acknowledged: (topics: ReadonlyArray<string>) => void
}

// The number of requests whose late answers are taken.
const requestsKept = 1_024

export const make = <A>({ acknowledged, desired, moment, redactor, served, setbacks, settings }: Options<A>) => {
  const { acknowledgements } = settings
  const { topics: desiredTopics } = desired

  // An answer may still come to these requests, the latest ones.
  const remember = ({ unanswered: requests }: Wire<A>, id: number, topics: ReadonlyArray<string>) => {
    requests.set(id, topics)
    for (const oldest of requests.keys()) {
      if (requests.size <= requestsKept) return
      requests.delete(oldest)
    }
  }

  const takeLate = (on: Wire<A>, id: number, answer: Answered) => {
    const asked = on.unanswered.get(id)
    if (asked === undefined) return
    const topics = asked.filter((topic) => answer.topics === undefined || answer.topics.includes(topic))
    if (answer._tag === "Refused") {
      // Where the peer acknowledges, the session asks again, and gets a new answer.
      if (acknowledgements === "none") refuseUnasked(on, topics, answer)
      return
    }
    on.unanswered.delete(id)
    acknowledged(topics)
    const isLeft = (topic: string) => desiredTopics.has(topic) && on.topics.get(topic) !== desiredTopics.get(topic)
    const left = topics.filter(isLeft)
    if (left.length > 0) served.subscribed(on, left)
  }

  // Whether an answer that names nothing belongs to a request that data has settled before. Peers answer in order.
  const isOwed = ({ owed }: Wire<A>, { id, topics }: Answered): boolean => {
    if (id !== undefined) {
      const known = owed.findIndex((request) => request.id === id)
      if (known >= 0) owed.splice(known, 1)
      return false
    }
    if (topics !== undefined) return false
    while (isDue(owed[0]?.until ?? Number.POSITIVE_INFINITY, moment())) owed.shift()
    return owed.shift() !== undefined
  }

  const refuseUnasked = (on: Wire<A>, named: ReadonlyArray<string>, answer: Extract<Answered, { readonly _tag: "Refused" }>) => {
    const topics = named.filter((topic) => on.topics.has(topic) && desiredTopics.has(topic))
    if (topics.length === 0) return
    const { reason: said, retry: given } = answer
    const reason = redactor.text(said)
    const retry = retryOf(given)
    if (retry === undefined) {
      setbacks.refused(on, new Set(), topics, reason)
      return
    }
    revoke(on, new Set(), topics)
    setbacks.postponed(on, topics, retry, reason)
  }

  return { isOwed, refuseUnasked, remember, takeLate }
}
