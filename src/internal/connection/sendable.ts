// Checks the arguments of `send`: programs without types may pass anything.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Duration from "effect/Duration"
import { SendFailed } from "../../ConnectionError.ts"
import { asDuration } from "./reconnectSettings.ts"

// Of another realm too, such as a sandbox of tests.
const isBytes = (value: unknown) => value instanceof Uint8Array || Object.prototype.toString.call(value) === "[object Uint8Array]"

const kinds: ReadonlyMap<string, string> = new Map([
  ["[object ArrayBuffer]", "an ArrayBuffer: wrap it in a Uint8Array"],
  ["[object SharedArrayBuffer]", "a SharedArrayBuffer: wrap it in a Uint8Array"],
  ["[object Blob]", "a Blob: read its bytes first"],
  ["[object Array]", "an array: encode it first, for example with JSON.stringify"],
  ["[object Object]", "an object: encode it first, for example with JSON.stringify"],
  ["[object Null]", "null"],
  ["[object Undefined]", "undefined"],
  ["[object Function]", "a function"]
])

// The value itself may be secret.
const kindOf = (value: unknown): string => {
  const kind = Object.prototype.toString.call(value)
  if (ArrayBuffer.isView(value)) return `a ${kind.slice(8, -1)}: make a Uint8Array of its buffer`
  return kinds.get(kind) ?? (typeof value === "object" ? "an object" : `a ${typeof value}`)
}

/** Fails if the message is neither text nor bytes. */
export const checkMessage = (message: unknown): Effect.Effect<void, SendFailed> =>
  typeof message === "string" || isBytes(message)
    ? Effect.void
    : new SendFailed({ reason: `a message is a string or a Uint8Array, but this is ${kindOf(message)}` })

/** Fails if the message is neither text nor bytes, or the deadline is no duration. */
export const check = (message: unknown, deadline: Duration.DurationInput | undefined): Effect.Effect<void, SendFailed> =>
  deadline === undefined || Either.isRight(asDuration("deadline", deadline))
    ? checkMessage(message)
    : new SendFailed({ reason: `its deadline must be a duration of zero or longer, such as "20 seconds", but is ${String(deadline)}` })
