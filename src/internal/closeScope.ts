// Closes a scope in a fibre of its own, and waits for it.
//
// Effect loses an interruption of the closing fibre, if it comes during a finalizer that another fibre has added with
// `Effect.addFinalizer` or `Effect.acquireRelease`: what the finalizer restores afterwards has no interruption (effect 3.22). The
// closing fibre would then go on, and whoever interrupted it would wait for ever.
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"

export const closeScope = (scope: Scope.CloseableScope, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Effect.flatMap(Effect.forkDaemon(Scope.close(scope, exit)), (fiber) => Effect.flatten(Fiber.await(fiber)))
