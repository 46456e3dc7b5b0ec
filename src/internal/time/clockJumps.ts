// Tells when the wall clock moves against monotonic time: somebody set it, or the machine slept. Linux stops monotonic time
// while a machine sleeps, so no deadline sees that, and the peers have gone meanwhile.
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as Predicate from "effect/Predicate"
import type * as Scheduler from "effect/Scheduler"
import { monotonicMillis } from "./monotonic.ts"

// The time between two comparisons. One timer a second for a whole process costs nothing that could be measured.
const interval = Duration.seconds(1)
// NTP corrects less than 128 ms by slewing, and steps more (ntpd(8)); a step below a second says nothing of sleep. Slewing
// moves the clock by at most 0.5 ms between two comparisons, so it never looks like a jump.
const least = 1_000

interface Watcher {
  readonly listeners: Set<() => void>
  readonly fiber: Fiber.RuntimeFiber<never>
}

const watchers = new WeakMap<Clock.Clock, Watcher>()

// The two times of a TestClock are one.
const canJump = (clock: Clock.Clock) => !Predicate.hasProperty(clock, "adjust")

const offsetOf = (clock: Clock.Clock) => clock.unsafeCurrentTimeMillis() - monotonicMillis(clock)

const compare = (clock: Clock.Clock, listeners: Watcher["listeners"], before: number): Effect.Effect<never> =>
  Effect.flatMap(Effect.sleep(interval), () => {
    const offset = offsetOf(clock)
    // A listener may wake something that removes the listeners after it.
    if (Math.abs(offset - before) >= least) for (const listener of listeners) listener()
    return compare(clock, listeners, offset)
  })

// Runs in a fibre of its own. The fibre of the first listener would keep its context for as long as any listens.
const watch = (clock: Clock.Clock, scheduler: Scheduler.Scheduler): Watcher => {
  const listeners: Watcher["listeners"] = new Set()
  const comparing = Effect.withClock(compare(clock, listeners, offsetOf(clock)), clock)
  const watcher = { listeners, fiber: Effect.runFork(comparing, { scheduler }) }
  watchers.set(clock, watcher)
  return watcher
}

const remove = (clock: Clock.Clock, { fiber, listeners }: Watcher, listener: () => void) => {
  if (!listeners.delete(listener) || listeners.size > 0) return
  // The timer would keep the process alive.
  watchers.delete(clock)
  fiber.unsafeInterruptAsFork(FiberId.none)
}

/**
 * Calls a listener whenever the wall clock has jumped by a second or more. It is noticed within a second. Returns a function that
 * stops the calls. All listeners of a clock share one timer.
 */
export const onJump = (listener: () => void): Effect.Effect<() => void> =>
  Effect.zipWith(Effect.clock, FiberRef.get(FiberRef.currentScheduler), (clock, scheduler) => {
    if (!canJump(clock)) return () => undefined
    const watcher = watchers.get(clock) ?? watch(clock, scheduler)
    watcher.listeners.add(listener)
    return () => {
      remove(clock, watcher, listener)
    }
  })
