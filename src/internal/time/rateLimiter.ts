// Lets nothing through before a moment that may move while others wait, and then what a rolling window has room for.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { RollingWindow } from "./rollingWindow.ts"
import { sleep } from "./sleep.ts"

export interface RateLimiter<Reason> {
  /** Lets nothing through before this moment, unless a later one is set already. */
  readonly holdUntil: (moment: number, reason: Reason) => void
  /** Waits until the moment has passed. `onHold` may fail instead of waiting. */
  readonly awaitHold: <E = never>(onHold?: OnHold<Reason, E>) => Effect.Effect<void, E>
  /** Waits until the moment has passed and the cost fits into the window. */
  readonly acquire: <E = never>(cost: number, onHold?: OnHold<Reason, E>) => Effect.Effect<void, E>
}

/** Runs before a wait, with how long it will be and why. */
export type OnHold<Reason, E> = (left: Duration.Duration, reason: Reason) => Effect.Effect<void, E>

interface Hold<Reason> {
  readonly until: number
  readonly reason: Reason
}

export const make = <Reason = void>(window: RollingWindow): RateLimiter<Reason> => {
  let hold: Hold<Reason> | undefined
  const heldAt = (now: number) => hold !== undefined && now < hold.until ? hold : undefined

  const awaitHold: RateLimiter<Reason>["awaitHold"] = (onHold = () => Effect.void) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const held = heldAt(now)
      if (held === undefined) return Effect.void
      const left = Duration.millis(held.until - now)
      return onHold(left, held.reason).pipe(Effect.zipRight(sleep(left)), Effect.zipRight(awaitHold(onHold)))
    })

  // The moment may have moved while this one waited for the window: it takes another turn then.
  const acquire: RateLimiter<Reason>["acquire"] = (cost, onHold) =>
    awaitHold(onHold).pipe(
      Effect.zipRight(window.take(cost)),
      Effect.zipRight(Clock.currentTimeMillis),
      Effect.flatMap((now) => heldAt(now) === undefined ? Effect.void : acquire(cost, onHold))
    )

  return {
    holdUntil: (until, reason) => {
      if (hold === undefined || hold.until < until) hold = { until, reason }
    },
    awaitHold,
    acquire
  }
}
