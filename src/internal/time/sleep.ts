// Sleeps for any duration. A timer of Node lasts at most 24.8 days, and Effect's sleep never ends when asked for more.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

const longest = Duration.days(20)

export const sleep = (duration: Duration.Duration): Effect.Effect<void> =>
  Duration.greaterThan(duration, longest)
    ? Effect.zipRight(Effect.sleep(longest), Effect.suspend(() => sleep(Duration.subtract(duration, longest))))
    : Effect.sleep(duration)
