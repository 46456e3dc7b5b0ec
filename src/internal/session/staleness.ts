// What is done about topics that have fallen silent while others speak.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Session from "../../Session.ts"
import { SubscriptionStale } from "../../SessionError.ts"
import * as SessionEvent from "../../SessionEvent.ts"
import type { Cadence } from "../../SessionProtocol.ts"
import type { Desired, TopicEntry } from "./desired.ts"

export interface Options<A> extends Pick<Session.Options<A>, "isKnown" | "hasDataElsewhere" | "relocate"> {
  readonly cadence: (topic: string) => Cadence
  readonly desired: Desired<A>
  readonly now: () => number
  readonly record: (event: SessionEvent.SessionEvent) => void
  /** Whether it was asked for on the connection that is open now. */
  readonly isAsked: (topic: string) => boolean
  /** Subscribing to what may be subscribed loses nothing; unsubscribing first could. */
  readonly askAgain: (topic: string) => void
  readonly onChange: () => void
  readonly scope: Scope.Scope
}

const remedies = { 1: "resubscribe", 2: "relocate" } as const

// How recent the data of others must be for a silent topic to be an exception.
const flowing = 5_000

/** Looks once, and does what is to be done. */
export const check = <A>(options: Options<A>): Effect.Effect<void> => {
  const { askAgain, cadence, desired, isAsked, now, onChange, record, scope } = options

  const complain = (entry: TopicEntry<A>, idleFor: Duration.Duration, remedy: "resubscribe" | "relocate" | "fail") => {
    const at = now()
    entry.status = "stale"
    entry.since = at
    record(SessionEvent.Stale({ at, topic: entry.topic, idleFor, remedy }))
    if (remedy === "fail") desired.finish(entry, Exit.fail(new SubscriptionStale({ topic: entry.topic, idleFor })))
    else if (remedy === "resubscribe") askAgain(entry.topic)
    onChange()
    return Effect.logWarning(`${entry.topic} is silent while others have data.`).pipe(
      Effect.annotateLogs({ idleFor: Duration.format(idleFor), remedy })
    )
  }

  // A topic that never spoke may not exist: an acknowledgement proves nothing. Or its market is a quiet one.
  const failUnlessKnown = (entry: TopicEntry<A>, idleFor: Duration.Duration, isKnown: Effect.Effect<boolean>) =>
    Effect.flatMap(isKnown, (known) =>
      known || desired.topics.get(entry.topic) !== entry || Option.isSome(entry.tracker.last())
        ? Effect.void
        : complain(entry, idleFor, "fail"))

  const hasDataElsewhere = (entry: TopicEntry<A>, since: number) =>
    [...desired.topics.values()].some((other) => other !== entry && other.tracker.observedSince(since))
      ? Effect.succeed(true)
      : options.hasDataElsewhere?.(since) ?? Effect.succeed(false)

  return Effect.gen(function*() {
    const at = now()
    for (const entry of [...desired.topics.values()]) {
      if (!isAsked(entry.topic) || entry.status === "requested" || !entry.tracker.isStale(at)) continue
      // When all are silent, it is the connection's own deadlines that judge it.
      if (!(yield* hasDataElsewhere(entry, at - flowing))) continue
      const idleFor = Duration.millis(entry.tracker.idleFor(at))
      const neverSpoke = Option.isNone(entry.tracker.last())
      const isKnown = neverSpoke ? options.isKnown?.(entry.topic) : undefined
      if (isKnown !== undefined) yield* Effect.forkIn(failUnlessKnown(entry, idleFor, isKnown), scope)
      let step = entry.tracker.complain(at)
      if (step === 2 && options.relocate?.(entry.topic) !== true) step = 3
      if (step === 1 || step === 2) yield* complain(entry, idleFor, remedies[step])
      else if (neverSpoke && cadence(entry.topic) === "adaptive") entry.tracker.excuse()
      else yield* complain(entry, idleFor, "fail")
    }
  })
}
