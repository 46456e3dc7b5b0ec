// Tells when the wall clock moves against monotonic time: somebody set it, or the machine slept. Linux stops monotonic time
// while a machine sleeps, so no deadline sees that, and the peers have gone meanwhile.
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Predicate from "effect/Predicate"
import { monotonicMillis } from "./monotonic.ts"

// The time between two comparisons. One timer a second for a whole process costs nothing that could be measured.
const interval = Duration.seconds(1)
// NTP corrects less than 128 ms by slewing, and steps more (ntpd(8)); a step below a second says nothing of sleep.
const least = 1_000

interface Watcher {
  readonly listeners: Set<Effect.Effect<void>>
  readonly fiber: Fiber.RuntimeFiber<never>
}

const watchers = new WeakMap<Clock.Clock, Watcher>()

// The two times of a TestClock are one.
const canJump = (clock: Clock.Clock) => !Predicate.hasProperty(clock, "adjust")

const offsetOf = (clock: Clock.Clock) => clock.unsafeCurrentTimeMillis() - monotonicMillis(clock)

const compare = (clock: Clock.Clock, listeners: Watcher["listeners"], offset: number): Effect.Effect<never> =>
  Effect.flatMap(Effect.sleep(interval), () => {
    const now = offsetOf(clock)
    if (Math.abs(now - offset) < least) return compare(clock, listeners, offset)
    return Effect.zipRight(
      Effect.forEach([...listeners], (listener) => Effect.forkDaemon(listener), { discard: true }),
      compare(clock, listeners, now)
    )
  })

const watch = (clock: Clock.Clock): Watcher => {
  const listeners = new Set<Effect.Effect<void>>()
  const watcher = { listeners, fiber: Effect.runFork(Effect.withClock(compare(clock, listeners, offsetOf(clock)), clock)) }
  watchers.set(clock, watcher)
  return watcher
}

/**
 * Runs an effect, in a fibre of its own, whenever the wall clock has jumped by a second or more. It is noticed within a second.
 * Returns a function that stops that. All listeners of a clock share one timer. A jump slower than that is not noticed.
 */
export const onJump = (clock: Clock.Clock, listener: Effect.Effect<void>): () => void => {
  if (!canJump(clock)) return () => undefined
  const { fiber, listeners } = watchers.get(clock) ?? watch(clock)
  listeners.add(listener)
  return () => {
    // The timer would keep the process alive.
    if (!listeners.delete(listener) || listeners.size > 0) return
    watchers.delete(clock)
    fiber.unsafeInterruptAsFork(FiberId.none)
  }
}
