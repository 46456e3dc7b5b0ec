// Finds topics whose data is late while others have data, and tries one remedy after the other: subscribe again, move to
// another connection, fail.
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Session from "../../Session.ts"
import { SubscriptionStale } from "../../SessionError.ts"
import * as SessionEvent from "../../SessionEvent.ts"
import type { Cadence } from "../../SessionProtocol.ts"
import { naming, namingEffect } from "./defect.ts"
import type { Desired, TopicEntry } from "./desired.ts"

export interface Options<A> extends Pick<Session.Options<A>, "isKnown" | "hasDataElsewhere" | "relocate"> {
  readonly cadence: (topic: string) => Cadence
  readonly desired: Desired<A>
  readonly now: () => number
  /** Monotonic time. */
  readonly moment: () => number
  readonly record: (event: SessionEvent.SessionEvent) => void
  /** Whether the topic was requested on the open connection and is not to be requested again. */
  readonly isRequested: (topic: string) => boolean
  readonly requestAgain: (topic: string) => void
  readonly onChange: () => void
  readonly scope: Scope.Scope
}

const remedies = { 1: "resubscribe", 2: "relocate" } as const

// A topic has data if its latest data is at most this old, in milliseconds.
const recent = 5_000

/** Checks all topics once. */
export const check = <A>(options: Options<A>): Effect.Effect<void> => {
  const { cadence, desired, isRequested, moment, now, onChange, record, requestAgain, scope } = options

  const treat = (entry: TopicEntry<A>, idleFor: Duration.Duration, remedy: "resubscribe" | "relocate" | "fail") => {
    entry.status = "stale"
    entry.since = moment()
    record(SessionEvent.Stale({ at: now(), topic: entry.topic, idleFor, remedy }))
    if (remedy === "fail") desired.finish(entry, Exit.fail(new SubscriptionStale({ topic: entry.topic, idleFor })))
    else if (remedy === "resubscribe") requestAgain(entry.topic)
    onChange()
    return Effect.logWarning(`${entry.topic} has no data, while others have data.`).pipe(
      Effect.annotateLogs({ idleFor: Duration.format(idleFor), remedy })
    )
  }

  // A topic that never had data may not exist, or may be quiet. An acknowledgement does not tell which.
  const failUnlessKnown = (entry: TopicEntry<A>, idleFor: Duration.Duration, isKnown: Effect.Effect<boolean>) =>
    Effect.flatMap(isKnown, (known) =>
      known || desired.topics.get(entry.topic) !== entry || Option.isSome(entry.tracker.last())
        ? Effect.void
        : treat(entry, idleFor, "fail"))

  const hasDataElsewhere = (entry: TopicEntry<A>, since: number) =>
    [...desired.topics.values()].some((other) => other !== entry && other.tracker.observedSince(since))
      ? Effect.succeed(true)
      : namingEffect("hasDataElsewhere", () => options.hasDataElsewhere?.(now() - recent) ?? Effect.succeed(false))

  return Effect.gen(function*() {
    const at = moment()
    for (const entry of [...desired.topics.values()]) {
      if (!isRequested(entry.topic) || entry.status === "requested" || !entry.tracker.isStale(at)) continue
      // When no topic has data, the connection's own deadlines decide.
      if (!(yield* hasDataElsewhere(entry, at - recent))) continue
      const idleFor = Duration.millis(entry.tracker.idleFor(at))
      const neverHadData = Option.isNone(entry.tracker.last())
      const { isKnown } = options
      if (neverHadData && isKnown !== undefined) {
        const asked = namingEffect("isKnown", () => isKnown(entry.topic)).pipe(
          // A topic goes through the other remedies, whatever is known of it.
          Effect.catchAllDefect((defect) => Effect.as(Effect.logError("A topic counts as known.", Cause.die(defect)), true))
        )
        yield* Effect.forkIn(failUnlessKnown(entry, idleFor, asked), scope)
      }
      let step = entry.tracker.restart(at)
      if (step === 2 && !naming("relocate", () => options.relocate?.(entry.topic) === true)) step = 3
      if (step === 1 || step === 2) yield* treat(entry, idleFor, remedies[step])
      else if (neverHadData && cadence(entry.topic) === "adaptive") entry.tracker.excuse()
      else yield* treat(entry, idleFor, "fail")
    }
  })
}
