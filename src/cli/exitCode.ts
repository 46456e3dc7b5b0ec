// The exit codes of the program.
import type { Teardown } from "@effect/platform/Runtime"
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"

/** It did what it was asked to. */
export const done = 0
/** It failed, or what it checked is not well. */
export const failed = 1
/** The command line or a setting is wrong. */
export const misused = 2

// Errors that end the program before it has begun anything.
const misuses: ReadonlySet<unknown> = new Set(["WrongCommandLine", "WrongVenue", "StreamRefused"])

/** The code of an exit. `interrupted` is the code of a program that a signal has ended. */
export const of = (exit: Exit.Exit<unknown, unknown>, interrupted: number): number => {
  if (Exit.isSuccess(exit)) return done
  if (Cause.isInterruptedOnly(exit.cause)) return interrupted
  const failure = Option.getOrUndefined(Cause.failureOption(exit.cause))
  return ConfigError.isConfigError(failure) || (Predicate.hasProperty(failure, "_tag") && misuses.has(failure._tag)) ? misused : failed
}

let afterInterrupt = done

/** Says that a signal would end the program without success, or with it. */
export const onInterrupt = (code: typeof done | typeof failed): void => {
  afterInterrupt = code
}

/** Ends the process with the code of the program's exit. */
export const teardown: Teardown = <E, A>(exit: Exit.Exit<E, A>, onExit: (code: number) => void) => {
  onExit(of(exit, afterInterrupt))
}
