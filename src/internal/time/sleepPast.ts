// Sleeps until a moment in monotonic time, and longer each time the wake-up shows that the event loop stalled: what had
// arrived could not be read before.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { monotonic } from "./monotonic.ts"
import { sleep } from "./sleep.ts"

/** A wake-up that is `grace` milliseconds late, or more, moves the moment to `grace` after it. */
export const sleepPast = (grace: number) => {
  const sleepUntil = (at: number): Effect.Effect<void> =>
    Effect.flatMap(monotonic, (now) =>
      Effect.flatMap(
        Effect.zipRight(sleep(Duration.millis(Math.max(0, at - now))), monotonic),
        (woke) => woke - at >= grace ? sleepUntil(woke + grace) : Effect.void
      ))
  return sleepUntil
}
