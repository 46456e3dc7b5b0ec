// A sleep of any length. A timer of Node's holds 24.8 days at most, and Effect sets none for longer: who was asked for a
// month's patience would never wake.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

const longest = Duration.days(20)

export const sleep = (duration: Duration.Duration): Effect.Effect<void> =>
  Duration.greaterThan(duration, longest)
    ? Effect.zipRight(Effect.sleep(longest), Effect.suspend(() => sleep(Duration.subtract(duration, longest))))
    : Effect.sleep(duration)
