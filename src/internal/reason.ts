// Says why a user's function failed. Shows messages, strings and tags only: other parts of an unknown value may be secret.
import * as Predicate from "effect/Predicate"

export const reasonOf = (error: unknown): string => {
  if (error instanceof Error && error.message !== "") return error.message
  if (typeof error === "string" && error !== "") return error
  return Predicate.hasProperty(error, "_tag") ? String(error._tag) : "no reason was given"
}
