// Checks the arguments of `send`: programs without types may pass anything.
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

/** The failure of a send whose message is neither text nor bytes, or whose deadline is no duration. */
export const problemOf = (message: unknown, deadline?: Duration.DurationInput): SendFailed | undefined => {
  if (typeof message !== "string" && !isBytes(message)) {
    return new SendFailed({ reason: `a message is a string or a Uint8Array, but this is ${kindOf(message)}` })
  }
  return deadline === undefined || Either.isRight(asDuration("deadline", deadline))
    ? undefined
    : new SendFailed({ reason: `a deadline is a duration of zero or longer, such as "20 seconds", but this is "${String(deadline)}"` })
}
