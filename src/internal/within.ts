// A deadline. `Effect.timeoutFail` will not do: when it runs in one branch of a concurrent `Effect.all` and another
// branch fails, effect 3.22 does not end it before its own time is up.
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

export const within = <E2>(duration: Duration.Duration, onTimeout: () => E2) =>
<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2, R> =>
  Effect.raceFirst(effect, Effect.interruptible(Effect.zipRight(Effect.sleep(duration), Effect.failSync(onTimeout))))
