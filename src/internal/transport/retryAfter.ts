// Parses the Retry-After header (RFC 9110 §10.2.3): a number of seconds, or an HTTP date.
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

export const parse = (header: string | undefined, now: number): Option.Option<Duration.Duration> => {
  const text = header?.trim() ?? ""
  if (/^\d+$/.test(text)) return Option.some(Duration.seconds(Number(text)))
  // Date.parse alone would accept "-5", "1.5" and "a 5", and would read a date without a time zone as local.
  const date = /^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? .*\d\d:\d\d:\d\d/i.test(text)
    ? Date.parse(/ GMT$/i.test(text) ? text : `${text} GMT`)
    : Number.NaN
  return Number.isNaN(date) ? Option.none() : Option.some(Duration.millis(Math.max(0, date - now)))
}
