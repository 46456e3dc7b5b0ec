// Durations as people read them: nobody needs the nanoseconds that jitter leaves behind.
import * as Duration from "effect/Duration"

export const formatDuration = (duration: Duration.Duration): string => {
  if (!Duration.isFinite(duration)) return "ever"
  const millis = Math.round(Duration.toMillis(duration))
  return millis === 0 ? "0ms" : Duration.format(Duration.millis(millis))
}
