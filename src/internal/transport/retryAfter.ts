// Parses the Retry-After header (RFC 9110 §10.2.3): a number of seconds, or an HTTP date.
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

// Date.parse alone would accept "-5", "1.5" and "a 5", and would read a date without a time zone as local.
const parseDate = (text: string): Option.Option<number> => {
  if (!/^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? .*\d\d:\d\d:\d\d/i.test(text)) return Option.none()
  const date = Date.parse(/ GMT$/i.test(text) ? text : `${text} GMT`)
  return Number.isNaN(date) ? Option.none() : Option.some(date)
}

/**
 * The time that the server asks to wait. The `date` of its answer (RFC 9110 §6.6.1) is its present time: the clocks of two
 * machines differ. `now` is our wall clock, for an answer without a date.
 */
export const parse = (
  header: string | undefined,
  date: string | undefined,
  now: number
): Option.Option<Duration.Duration> => {
  const text = header?.trim() ?? ""
  if (/^\d+$/.test(text)) return Option.some(Duration.seconds(Number(text)))
  const sent = Option.getOrElse(parseDate(date?.trim() ?? ""), () => now)
  return Option.map(parseDate(text), (until) => Duration.millis(Math.max(0, until - sent)))
}
