// Monotonic time, in milliseconds from an arbitrary origin. Every interval is measured with it: the wall clock can be set
// back or forward, and is only for what people and other machines read.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** The monotonic time of this clock. */
export const monotonicMillis = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos()) / 1e6

/** The monotonic time now. */
export const monotonic: Effect.Effect<number> = Effect.map(Effect.clock, monotonicMillis)

/** A clock that tells monotonic time as its milliseconds too. The drivers of Effect's schedules measure with those. */
export const monotonicClock = (clock: Clock.Clock): Clock.Clock => {
  const millis = () => monotonicMillis(clock)
  return {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: millis,
    currentTimeMillis: Effect.sync(millis),
    unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
    currentTimeNanos: clock.currentTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
}
