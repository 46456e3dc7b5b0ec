// Fails an effect that takes too long. It replaces `Effect.timeoutFail`: in effect 3.22, when that runs in one branch of a
// concurrent `Effect.all` and another branch fails, it ends only at its own timeout. It also replaces `Effect.raceFirst`,
// which would wait for the interruption of the timer.
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"

export const within = <E2>(duration: Duration.Duration, onTimeout: () => E2) =>
<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2, R> =>
  Effect.raceWith(effect, Effect.interruptible(Effect.sleep(duration)), {
    onSelfDone: (exit, timer) => Effect.zipRight(Fiber.interruptAsFork(timer, FiberId.none), exit),
    onOtherDone: (_, late) => Effect.zipRight(Fiber.interrupt(late), Effect.failSync(onTimeout))
  })
