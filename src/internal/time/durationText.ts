// Formats durations for people, in whole milliseconds: the nanoseconds that jitter leaves mean nothing to them.
import * as Duration from "effect/Duration"

export const formatDuration = (duration: Duration.Duration): string => {
  if (!Duration.isFinite(duration)) return "ever"
  const millis = Math.round(Duration.toMillis(duration))
  return millis === 0 ? "0ms" : Duration.format(Duration.millis(millis))
}
