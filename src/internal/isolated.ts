// Runs an effect in a fibre of its own, and takes back nothing but its result.
//
// A scope that is closed by a long-lived fibre hands it the fibre references of whoever added the finalizers: effect
// 3.22 keeps a history of those, so a loop of scopes in one fibre grows with every turn (4 KiB and some time each).
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

export const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.forkDaemon(Effect.interruptible(effect)),
    (fiber) => Effect.flatten(Fiber.await(fiber)),
    Fiber.interrupt
  )
