// Finds out whether an idle topic is stale, and what to do about it. One sweep serves all topics of a session.
//
// To be idle proves nothing: peers speak when there is something to say. Where the activity of topics can be asked for, activity
// without data proves that a topic is stale: the session subscribes again, then moves the topic to another connection. Where it
// cannot, the session only subscribes again, ever more rarely. A topic fails only when the peer does not know it.
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Session from "../../Session.ts"
import { SubscriptionStale } from "../../SessionError.ts"
import * as SessionEvent from "../../SessionEvent.ts"
import { sleep } from "../time/sleep.ts"
import { within } from "../time/timeout.ts"
import { naming, namingEffect } from "./defect.ts"
import type { Desired, TopicEntry } from "./desired.ts"

/** The activity of topics, and the monotonic time from which on later activity is later than this. */
export interface Activity {
  readonly at: number
  readonly counts: ReadonlyMap<string, number>
}

/** Asks for the activity of topics. Undefined: it cannot be told now. */
export type Ask = (topics: ReadonlyArray<string>) => Effect.Effect<Activity | undefined>

export interface Options<A> extends Pick<Session.Options<A>, "isKnown" | "hasDataElsewhere" | "relocate"> {
  readonly activity: Ask | undefined
  readonly desired: Desired<A>
  readonly now: () => number
  /** Monotonic time. */
  readonly moment: () => number
  readonly record: (event: SessionEvent.SessionEvent) => void
  /** Whether the topic was requested on the open connection and is not to be requested again. */
  readonly isRequested: (topic: string) => boolean
  readonly requestAgain: (topic: string) => void
  readonly onChange: () => void
  /** Whether all that the peer has sent since then has been read. While a slow reader suspends reading, data waits unread. */
  readonly hasReadSince: (at: number) => boolean
  readonly scope: Scope.Scope
}

// A topic has data if its latest data is at most this old, in milliseconds.
const recent = 5_000
// The time between two questions about the activity of topics, in milliseconds.
const betweenQuestions = 10_000
// Data that was on its way during a question may take this long to arrive.
const arrival = Duration.seconds(3)
// An answer that takes longer is of no use.
const answerTakes = Duration.seconds(30)

/** Returns the sweep: it checks all topics once, and must run every second or so. */
export const make = <A>(options: Options<A>): Effect.Effect<void> => {
  const { desired, isRequested, moment, now, onChange, record, requestAgain, scope } = options

  let asked = Number.NEGATIVE_INFINITY
  let isAsking = false
  // Whether the latest question had no answer.
  let isUnanswered = false

  const isWaiting = (entry: TopicEntry<A>) => isRequested(entry.topic) && entry.status !== "requested"

  // -------------------------------------------------------------------------------------------------------------------
  // Remedies

  const fail = (entry: TopicEntry<A>) => {
    const idleFor = Duration.millis(entry.tracker.idleFor(moment()))
    const error = new SubscriptionStale({ topic: entry.topic, idleFor })
    record(SessionEvent.Stale({ at: now(), topic: entry.topic, idleFor, remedy: "fail" }))
    desired.finish(entry, Exit.fail(error))
    onChange()
    return Effect.logWarning(error.message)
  }

  // Data is missing: the topic had activity.
  const remedyStale = (entry: TopicEntry<A>) => {
    const idleFor = Duration.millis(entry.tracker.idleFor(moment()))
    const isFirst = entry.tracker.remedy(moment()) % 2 === 1
    const isMoved = !isFirst && naming("relocate", () => options.relocate?.(entry.topic) === true)
    const remedy = isMoved ? "relocate" : "resubscribe"
    entry.status = "stale"
    entry.since = moment()
    record(SessionEvent.Stale({ at: now(), topic: entry.topic, idleFor, remedy }))
    if (remedy === "resubscribe") requestAgain(entry.topic)
    onChange()
    return Effect.logWarning(`${entry.topic} has had activity, but no data came.`).pipe(
      Effect.annotateLogs({ idleFor: Duration.format(idleFor), remedy })
    )
  }

  // The topic may have nothing to say.
  const remedyIdle = (entry: TopicEntry<A>) => {
    const idleFor = Duration.millis(entry.tracker.idleFor(moment()))
    entry.tracker.remedy(moment())
    record(SessionEvent.Idle({ at: now(), topic: entry.topic, idleFor }))
    requestAgain(entry.topic)
    onChange()
    return Effect.logDebug(`${entry.topic} has had no data for long, so the session subscribes to it again.`).pipe(
      Effect.annotateLogs({ idleFor: Duration.format(idleFor) })
    )
  }

  // A topic that never had data may not exist. An acknowledgement does not tell.
  const failIfUnknown = (entry: TopicEntry<A>, isKnown: Effect.Effect<boolean>) =>
    Effect.flatMap(isKnown, (known) =>
      known || desired.topics.get(entry.topic) !== entry || Option.isSome(entry.tracker.last()) ? Effect.void : fail(entry))

  const checkKnown = (entry: TopicEntry<A>) => {
    const { isKnown } = options
    if (isKnown === undefined || entry.isChecked || Option.isSome(entry.tracker.last())) return Effect.void
    entry.isChecked = true
    const known = namingEffect("isKnown", () => isKnown(entry.topic)).pipe(
      Effect.catchAllDefect((defect) => Effect.as(Effect.logError("A topic counts as known.", Cause.die(defect)), true))
    )
    return Effect.asVoid(Effect.forkIn(failIfUnknown(entry, known), scope))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Activity

  const ask = (activity: Ask, topics: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const answer = yield* namingEffect("activity", () => activity(topics)).pipe(
        within(answerTakes, () => "late" as const),
        Effect.catchAllDefect((defect) => Effect.as(Effect.logError("The activity of topics counts as unknown.", Cause.die(defect)), undefined)),
        Effect.orElseSucceed(() => undefined)
      )
      isUnanswered = answer === undefined
      if (answer === undefined) return
      yield* sleep(arrival)
      if (!options.hasReadSince(answer.at - betweenQuestions)) return
      for (const topic of answer.counts.keys()) {
        const entry = desired.topics.get(topic)
        const count = answer.counts.get(topic)
        if (entry === undefined || count === undefined || !isWaiting(entry)) continue
        if (entry.tracker.proves(count, answer.at) && entry.tracker.mayRemedy(moment())) yield* remedyStale(entry)
      }
      for (const topic of topics) {
        const entry = desired.topics.get(topic)
        if (entry !== undefined && !answer.counts.has(topic)) yield* checkKnown(entry)
      }
    }).pipe(Effect.ensuring(Effect.sync(() => {
      isAsking = false
      asked = moment()
    })))

  const question = (at: number) => {
    const { activity } = options
    if (activity === undefined || isAsking || at - asked < betweenQuestions) return Effect.void
    const topics = [...desired.topics.values()].filter((entry) => isWaiting(entry) && entry.tracker.isSuspected(at))
    if (topics.length === 0) return Effect.void
    isAsking = true
    return Effect.asVoid(Effect.forkIn(ask(activity, topics.map(({ topic }) => topic)), scope))
  }

  // -------------------------------------------------------------------------------------------------------------------

  const hasDataElsewhere = (entry: TopicEntry<A>, since: number) =>
    [...desired.topics.values()].some((other) => other !== entry && other.tracker.observedSince(since))
      ? Effect.succeed(true)
      : namingEffect("hasDataElsewhere", () => options.hasDataElsewhere?.(now() - recent) ?? Effect.succeed(false))

  return Effect.gen(function*() {
    const at = moment()
    yield* question(at)
    for (const entry of [...desired.topics.values()]) {
      if (!isWaiting(entry) || !entry.tracker.isLate(at) || (entry.tracker.hasActivity() && !isUnanswered)) continue
      // When no topic has data, the connection's own deadlines decide.
      if (!(yield* hasDataElsewhere(entry, at - recent))) continue
      yield* checkKnown(entry)
      yield* remedyIdle(entry)
    }
  })
}
