// Names the user's function that threw.
import { SessionDefect } from "../../SessionError.ts"

/** Calls a user's function. What it throws becomes a `SessionDefect` with its name. */
export const naming = <A>(name: string, call: () => A): A => {
  try {
    return call()
  } catch (cause) {
    throw cause instanceof SessionDefect ? cause : new SessionDefect({ function: name, cause })
  }
}
