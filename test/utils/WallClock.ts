// A clock whose wall time can be set, as people, NTP and restored machines set it. Its monotonic time goes on.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

export interface WallClock {
  readonly clock: Clock.Clock
  /** Sets the wall clock forward by this many milliseconds, or back. */
  readonly move: (millis: number) => Effect.Effect<void>
}

/** A wall clock over the present clock, which may be a TestClock. */
export const make: Effect.Effect<WallClock> = Effect.map(Effect.clock, (present) => {
  let offset = 0
  const millis = () => present.unsafeCurrentTimeMillis() + offset
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: millis,
    currentTimeMillis: Effect.sync(millis),
    unsafeCurrentTimeNanos: () => present.unsafeCurrentTimeNanos(),
    currentTimeNanos: present.currentTimeNanos,
    sleep: (duration) => present.sleep(duration)
  }
  return {
    clock,
    move: (by) =>
      Effect.sync(() => {
        offset += by
      })
  }
})
