// Asks the peer at once when something outside says that it may have gone: the wall clock jumped, so the machine may have
// slept, or the network changed. No deadline sees either.
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import type { Network } from "../../Transport.ts"
import { onJump } from "../time/clockJumps.ts"

/** Runs the check after each such sign, until the scope closes. That also interrupts a check that goes on. */
export const onSuspicion = Effect.fnUntraced(function*(check: Effect.Effect<void>, scope: Scope.Scope, network: Network | undefined) {
  const runFork = Runtime.runFork(yield* Effect.runtime())
  let run: Fiber.RuntimeFiber<void> | undefined
  const suspect = () => {
    // A check that goes on finds out by itself.
    if (run === undefined || run.unsafePoll() !== null) run = runFork(check)
  }
  const stopClock = yield* onJump(suspect)
  const stopNetwork = network?.onChange(suspect)
  yield* Scope.addFinalizer(scope, Effect.sync(() => {
    stopClock()
    stopNetwork?.()
    run?.unsafeInterruptAsFork(FiberId.none)
  }))
})
