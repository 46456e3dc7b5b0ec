// Durations as people read them: nobody needs the nanoseconds that jitter leaves behind.
import * as Duration from "effect/Duration"

export const inWords = (duration: Duration.Duration): string =>
  Duration.isFinite(duration) ? Duration.format(Duration.millis(Math.round(Duration.toMillis(duration)))) : "ever"
