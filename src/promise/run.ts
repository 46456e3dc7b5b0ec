// Runs effects for callers outside Effect: they get promises that reject with the typed error itself.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { defaultScheduler } from "effect/Scheduler"
import { reasonOf } from "../internal/reason.ts"

/** An error as it is; anything else that was thrown, as the cause of an error. */
export const asError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error(reasonOf(thrown), { cause: thrown })

/** The error of a cause: the typed failure, else the defect. */
export const errorOf = (cause: Cause.Cause<unknown>): Error =>
  asError(Option.getOrElse(Cause.failureOption(cause), () => Cause.squash(cause)))

const valueOf = <A>(exit: Exit.Exit<A, unknown>): A => {
  if (Exit.isSuccess(exit)) return exit.value
  throw errorOf(exit.cause)
}

/** Runs an effect as a promise. */
export const toPromise = <A>(effect: Effect.Effect<A, unknown>, signal?: AbortSignal): Promise<A> =>
  Effect.runPromiseExit(effect, signal === undefined ? {} : { signal }).then(valueOf)

/** Runs an effect that waits for nothing. Throws its error. */
export const now = <A>(effect: Effect.Effect<A, unknown>): A => valueOf(Effect.runSyncExit(effect))

/**
 * Runs an effect that makes something and waits for nothing. What it forks begins later, as any fibre: under `runSync` alone it
 * would begin before this returns.
 */
export const makeNow = <A>(effect: Effect.Effect<A, unknown>): A => now(Effect.withScheduler(effect, defaultScheduler))

/** Calls a function of the caller, whose result may be a promise. What it throws is the failure. */
export const called = <A>(call: (signal: AbortSignal) => A | PromiseLike<A>): Effect.Effect<A, unknown> =>
  Effect.tryPromise({ try: async (signal) => call(signal), catch: (error) => error })
