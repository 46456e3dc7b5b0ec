// The topics that the peer does not serve: it refuses them, or does not answer, or the protocol cannot write the request. They are
// requested again later, together or in halves, or end.
import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { SessionError } from "../../SessionError.ts"
import { SubscriptionRefused, SubscriptionUnanswered, SubscriptionUnavailable } from "../../SessionError.ts"
import * as SessionEvent from "../../SessionEvent.ts"
import { reasonOf } from "../reason.ts"
import { formatDuration } from "../time/durationText.ts"
import { sleep } from "../time/sleep.ts"
import type { Redactor } from "../transport/redactor.ts"
import type { TopicEntry } from "./desired.ts"
import type { Options as ServedOptions, Served } from "./served.ts"
import type { Wire } from "./wire.ts"
import { revoke } from "./wire.ts"

export interface Options<A> extends Omit<ServedOptions<A>, "flush" | "moment" | "settings"> {
  readonly redactor: Redactor
  readonly answerTimeout: Duration.Duration
  /** Runs an effect in a fibre that ends with the session. */
  readonly fork: (effect: Effect.Effect<void>) => void
  readonly served: Served<A>
  /** Tells the reconciler that a request may be due. */
  readonly change: () => void
}

export interface Setbacks<A> {
  /** The peer refuses each of these topics. */
  readonly refused: (on: Wire<A>, requestedBefore: ReadonlySet<string>, topics: ReadonlyArray<string>, reason: string) => void
  /**
   * The peer refuses at least one of these topics. Those that had been live wait first, as a whole: a backend that restarts refuses
   * all of them.
   */
  readonly refusedSome: (on: Wire<A>, requestedBefore: ReadonlySet<string>, topics: ReadonlyArray<string>, reason: string) => void
  /** The peer has ended the subscription of a topic. A backend that restarts may refuse for a while what it accepted before. */
  readonly dropped: (on: Wire<A>, topic: string, reason: string) => void
  /** The peer refuses these topics for now, and says for how long. */
  readonly postponed: (on: Wire<A>, topics: ReadonlyArray<string>, retry: Duration.Duration, reason?: string) => void
  /** The peer does not answer for these topics. It serves others, so the fault may be with these: they must not make the others redial. */
  readonly unanswered: (on: Wire<A>, topics: ReadonlyArray<string>) => void
  /** Gives up the topics that were never served on this connection, if the peer serves others. Returns whether all of them were. */
  readonly isForgotten: (on: Wire<A>, topics: ReadonlyArray<string>) => boolean
  /** The protocol failed to write a request. One of its topics may be the reason. */
  readonly notWritten: (on: Wire<A>, method: "subscribe" | "unsubscribe", topics: ReadonlyArray<string>, cause: unknown) => void
}

// A topic that had been live is requested again after 1, 2, 4, 8 and 16 seconds. The next setback is final.
const setbacksAtMost = 5
const firstRetry = Duration.seconds(1)
const longestRetry = Duration.minutes(1)

// A topic ends after this many requests without an answer, if the peer serves other topics: one that had been live, and one
// that had not.
const unansweredAtMost = { lived: 6, fresh: 3 }

// After this many in a row, several topics that share a request are not told apart any more.
const unansweredInRowAtMost = 12

const withoutFullStop = (text: string) => text.replace(/\.$/, "")

const count = (topics: ReadonlyArray<string>) => topics.length === 1 ? String(topics[0]) : `${topics.length} topics`

const halvesOf = (topics: ReadonlyArray<string>) => {
  const middle = Math.ceil(topics.length / 2)
  return [topics.slice(0, middle), topics.slice(middle)].filter((half) => half.length > 0)
}

export const make = <A>(options: Options<A>): Setbacks<A> => {
  const { answerTimeout, change, desired, fork, now, record, redactor } = options
  const { entriesOf, hasData, subscribed } = options.served
  const { finish, topics: desiredTopics } = desired

  const recordRefusals = (topics: ReadonlyArray<string>, reason: string, retry: Option.Option<Duration.Duration>) => {
    const at = now()
    for (const topic of topics) record(SessionEvent.Refused({ at, error: new SubscriptionRefused({ topic, reason }), retry }))
  }

  const refused = (on: Wire<A>, requestedBefore: ReadonlySet<string>, topics: ReadonlyArray<string>, reason: string) => {
    const [without, live] = Arr.partition(topics, hasData(on))
    revoke(on, requestedBefore, without)
    if (live.length > 0) subscribed(on, live)
    for (const [retry, each] of refuseOrRetry(on, without, reason)) recordRefusals(each, reason, Option.some(retry))
  }

  const refusedSome = (on: Wire<A>, requestedBefore: ReadonlySet<string>, topics: ReadonlyArray<string>, reason: string) => {
    const [without, live] = Arr.partition(topics, hasData(on))
    revoke(on, requestedBefore, without)
    if (live.length > 0) {
      // The refusal may be of these.
      subscribed(on, live)
      if (without.length > 0) on.halves.push(without)
      return
    }
    const [fresh, lived] = Arr.partition(without, hasLived)
    const first = setbacksOf(lived)
    if (lived.length === 0) on.halves.push(...halvesOf(fresh))
    else if (fresh.length > 0) on.halves.push(fresh)
    if (lived.length === 0) return
    if (first >= setbacksAtMost) {
      on.halves.push(...halvesOf(lived))
      return
    }
    const retry = again(on, lived, first === 0 ? [] : halvesOf(lived))
    recordRefusals(lived, reason, Option.some(retry))
    refusedForNow(lived, reason, retry)
  }

  const hasLived = (topic: string) => desiredTopics.get(topic)?.hasLived === true

  const setbacksOf = (topics: ReadonlyArray<string>) => Math.max(0, ...entriesOf(topics).map(({ setbacks }) => setbacks))

  const retryAfter = (setbacks: number) => Duration.min(Duration.times(firstRetry, 2 ** setbacks), longestRetry)

  // Requests topics again after a time that grows with their setbacks, in these groups if there are any.
  const again = (on: Wire<A>, topics: ReadonlyArray<string>, groups: ReadonlyArray<ReadonlyArray<string>> = []) => {
    const retry = retryAfter(setbacksOf(topics))
    for (const entry of entriesOf(topics)) entry.setbacks++
    postpone(on, topics, retry, groups)
    return retry
  }

  const postpone = (
    on: Wire<A>,
    topics: ReadonlyArray<string>,
    retry: Duration.Duration,
    groups: ReadonlyArray<ReadonlyArray<string>> = []
  ) => {
    for (const topic of topics) on.postponed.add(topic)
    const resume = Effect.sync(() => {
      for (const topic of topics) on.postponed.delete(topic)
      on.halves.push(...groups)
      change()
    })
    fork(Effect.raceFirst(Effect.zipRight(sleep(retry), resume), Deferred.await(on.ended)))
  }

  // A backend that restarts may refuse for a while what it accepted before. Ends the other topics. Returns the topics that are
  // requested again, with the time after which they are.
  const refuseOrRetry = (on: Wire<A>, topics: ReadonlyArray<string>, reason: string) => {
    const [final, temporary] = Arr.partition(topics, (topic) => hasLived(topic) && setbacksOf([topic]) < setbacksAtMost)
    for (const topic of final) {
      const error = new SubscriptionRefused({ topic, reason })
      const entry = desiredTopics.get(topic)
      fork(Effect.logWarning(error.message))
      record(SessionEvent.Refused({ at: now(), error, retry: Option.none() }))
      if (entry !== undefined) finish(entry, Exit.fail(error))
    }
    return Object.values(Arr.groupBy(temporary, (topic) => String(setbacksOf([topic])))).map((each) => {
      const retry = again(on, each)
      refusedForNow(each, reason, retry)
      return [retry, each] as const
    })
  }

  const refusedForNow = (topics: ReadonlyArray<string>, reason: string, retry: Duration.Duration) => {
    fork(Effect.logWarning(
      `The peer refuses ${count(topics)} for now: ${withoutFullStop(reason)}. The session asks again in ${formatDuration(retry)}.`
    ))
  }

  const unanswered = (on: Wire<A>, topics: ReadonlyArray<string>) => {
    on.unansweredInRow++
    const entries = entriesOf(topics)
    for (const entry of entries) entry.unanswered++
    const isOver = ({ hasLived, unanswered: times }: TopicEntry<A>) => times >= (hasLived ? unansweredAtMost.lived : unansweredAtMost.fresh)
    if (entries.length > 1 && on.unansweredInRow < unansweredInRowAtMost) {
      on.halves.push(...halvesOf(entries.map(({ topic }) => topic)))
      return
    }
    for (const entry of entries.filter(isOver)) {
      const { topic, unanswered: requests } = entry
      on.served.delete(topic)
      end(entry, new SubscriptionUnanswered({ topic, requests, after: answerTimeout }))
    }
  }

  const end = (entry: TopicEntry<A>, error: SessionError) => {
    fork(Effect.logWarning(error.message))
    finish(entry, Exit.fail(error))
  }

  // It is not worth replacing the connection for topics that were never served.
  const isForgotten = (on: Wire<A>, topics: ReadonlyArray<string>) => {
    const never = on.served.size === 0 ? [] : topics.filter((topic) => !on.served.has(topic))
    for (const topic of never) on.topics.delete(topic)
    return never.length > 0 && never.length === topics.length
  }

  const notWritten = (on: Wire<A>, method: "subscribe" | "unsubscribe", topics: ReadonlyArray<string>, cause: unknown) => {
    const shown = redactor.error(cause)
    const reason = withoutFullStop(reasonOf(shown))
    const tell = (retry: Option.Option<Duration.Duration>) => {
      record(SessionEvent.RequestFailed({ at: now(), method, topics, reason, retry }))
      if (Option.isNone(retry)) return
      fork(Effect.logWarning(
        `The protocol could not write a request to ${method} ${count(topics)}: ${reason}. The session tries again in ${formatDuration(retry.value)}.`
      ))
    }
    if (method === "unsubscribe") {
      const retry = retryAfter(on.unwritten++)
      postpone(on, topics, retry)
      tell(Option.some(retry))
      return
    }
    const [entry, ...others] = entriesOf(topics)
    if (entry === undefined) return
    if (others.length === 0 && !entry.hasLived && entry.setbacks >= setbacksAtMost) {
      tell(Option.none())
      end(entry, new SubscriptionUnavailable({ topic: entry.topic, cause: shown }))
      return
    }
    tell(Option.some(again(on, topics, others.length === 0 ? [] : halvesOf(topics))))
  }

  return {
    refused,
    refusedSome,
    dropped: (on, topic, reason) => {
      refuseOrRetry(on, [topic], reason)
    },
    postponed: (on, topics, retry, reason) => {
      if (reason !== undefined) recordRefusals(topics, reason, Option.some(retry))
      postpone(on, topics, retry)
    },
    unanswered,
    isForgotten,
    notWritten
  }
}
