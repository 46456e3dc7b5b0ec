// Names the user's function that threw.
import * as Effect from "effect/Effect"
import { SessionDefect } from "../../SessionError.ts"

/** Calls a user's function. What it throws becomes a `SessionDefect` with its name. */
export const naming = <A>(name: string, call: () => A): A => {
  try {
    return call()
  } catch (cause) {
    throw cause instanceof SessionDefect ? cause : new SessionDefect({ function: name, cause })
  }
}

/** Runs a user's function that gives an effect. What it throws, and how its effect dies, becomes a `SessionDefect`. */
export const namingEffect = <A>(name: string, call: () => Effect.Effect<A>): Effect.Effect<A> =>
  Effect.catchAllDefect(
    Effect.suspend(call),
    (cause) => Effect.die(cause instanceof SessionDefect ? cause : new SessionDefect({ function: name, cause }))
  )
