/**
 * Parses the messages of venues that send JSON.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { excerpt } from "../internal/json/excerpt.ts"
import { isTooDeep } from "../internal/json/nesting.ts"
import type { Message } from "../Transport.ts"

/**
 * A message that a protocol does not know, with the reason. The protocol's `parse` returns it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Invalid {
  readonly _tag: "Invalid"
  /** Why the message is invalid: a clause that follows "since". */
  readonly reason: string
  /** The beginning of the message. */
  readonly excerpt: string
}

/**
 * Makes an {@link Invalid} with the beginning of the message. `reason` is a clause that follows "since".
 *
 * @since 0.1.0
 * @category constructors
 */
export const invalid = (message: Message, reason: string): Invalid => ({
  _tag: "Invalid",
  reason,
  excerpt: typeof message === "string" ? excerpt(message) : ""
})

// Throws on bytes that are not UTF-8, instead of replacing them.
const utf8 = new TextDecoder("utf-8", { fatal: true })

const parseText = (text: string): Either.Either<unknown, Invalid> => {
  if (isTooDeep(text)) return Either.left(invalid(text, "it is nested too deeply"))
  try {
    return Either.right(JSON.parse(text))
  } catch {
    return Either.left(invalid(text, "it is not JSON"))
  }
}

const textOf = (message: Message): Either.Either<string, Invalid> => {
  if (typeof message === "string") return Either.right(message)
  try {
    return Either.right(utf8.decode(message))
  } catch {
    return Either.left(invalid(message, "it is not UTF-8"))
  }
}

/**
 * Parses a message as JSON. A message of bytes must be UTF-8. JSON that is nested too deeply to be stringified again is
 * invalid.
 *
 * @since 0.1.0
 * @category parsing
 * @example
 * ```ts
 * import * as Either from "effect/Either"
 * import { Json } from "holdfast/market"
 *
 * console.log(Either.getOrNull(Json.parse(`{"id":1}`))) // { id: 1 }
 * console.log(Json.parse(`{"id":`)) // Left: { _tag: "Invalid", reason: "it is not JSON", excerpt: `{"id":` }
 * ```
 */
export const parse = (message: Message): Either.Either<unknown, Invalid> => Either.flatMap(textOf(message), parseText)
