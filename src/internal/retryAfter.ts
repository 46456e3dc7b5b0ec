// The Retry-After header (RFC 9110 §10.2.3): a number of seconds, or an HTTP date.
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

export const parse = (header: string | undefined, now: number): Option.Option<Duration.Duration> => {
  const text = header?.trim() ?? ""
  if (/^\d+$/.test(text)) return Option.some(Duration.seconds(Number(text)))
  // A date names its month: without a letter, Date.parse would read "-5" or "1.5" as one.
  const date = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? Option.none() : Option.some(Duration.millis(Math.max(0, date - now)))
}
