// Where a stream begins: with what comes, or in the past.
import type * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import type { From } from "../../market/MarketFeed.ts"
import { invalid, shown } from "../connection/reconnectSettings.ts"

export type Beginning =
  /** With the first event that arrives. */
  | { readonly _tag: "Live" }
  /** After the event at this position, which the reader already has. */
  | { readonly _tag: "After"; readonly position: number }
  /** With the first event at or after this moment, in the venue's unit. */
  | { readonly _tag: "Since"; readonly at: number }
  /** With so many events before the first that arrives. */
  | { readonly _tag: "Last"; readonly count: number }

const live: Beginning = { _tag: "Live" }

const whole = (key: string, least: number, value: number): Either.Either<number, ConfigError.ConfigError> =>
  Number.isSafeInteger(value) && value >= least
    ? Either.right(value)
    : Either.left(invalid([key], shown(value), `a whole number from ${least}`))

/** Checks where a request begins. */
export const resolve = ({ after, last, since }: From): Either.Either<Beginning, ConfigError.ConfigError> => {
  if (after !== undefined) return Either.map(whole("after", 0, after), (position): Beginning => ({ _tag: "After", position }))
  if (since !== undefined) return Either.map(whole("since", 0, since), (at): Beginning => ({ _tag: "Since", at }))
  if (last !== undefined) return Either.map(whole("last", 1, last), (count): Beginning => ({ _tag: "Last", count }))
  return Either.right(live)
}
