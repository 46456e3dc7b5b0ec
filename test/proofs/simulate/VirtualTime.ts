/**
 * A clock and a scheduler that advance only on command. A run is one synchronous computation, so the same plan gives the
 * same run to the last step.
 *
 * `TestClock` does not serve: it waits for real timers at every step, which costs milliseconds each, and it cannot stall,
 * because every sleep ends exactly on time.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scheduler from "effect/Scheduler"

export interface VirtualTime {
  readonly clock: Clock.Clock
  readonly scheduler: Scheduler.Scheduler
  /** The time of the world. The clock of the process shows it until it is set, or until the machine sleeps. */
  readonly now: () => number
  /** The monotonic time of the process: that of the world, without the time in which the machine slept. */
  readonly monotonic: () => number
  /** Runs a task after this time. Returns a function that cancels it. */
  readonly after: (millis: number, task: () => void) => () => void
  /** Runs all tasks that are due now. */
  readonly flush: () => void
  /** Lets time pass, and runs each task when it is due. */
  readonly advance: (millis: number) => void
  /** Lets time pass without running a task. Tasks that become due meanwhile run late. */
  readonly stall: (millis: number) => void
  /** Sets the wall clock of the process forward by this much, or back. Its monotonic time goes on as before. */
  readonly setWall: (millis: number) => void
  /**
   * The machine sleeps, as Linux does: its monotonic time stands still, and no task runs. Then its wall clock is right again. The
   * tasks that became due meanwhile run late.
   */
  readonly sleepMachine: (millis: number) => void
  /** The number of fibres that sleep. */
  readonly sleeping: () => number
}

interface Timer {
  readonly at: number
  readonly order: number
  task: (() => void) | undefined
}

/** Thrown when fibres go on running tasks and never wait for time to pass. */
export class Livelock extends Error {}

const turnsAtMost = 2_000_000
const opsBeforeYield = 2_048

const isBefore = (a: Timer, b: Timer) => a.at < b.at || (a.at === b.at && a.order < b.order)

const makeHeap = () => {
  const items: Array<Timer> = []
  const swap = (i: number, j: number) => {
    const a = items[i]
    const b = items[j]
    if (a !== undefined && b !== undefined) {
      items[i] = b
      items[j] = a
    }
  }
  const less = (i: number, j: number) => {
    const a = items[i]
    const b = items[j]
    return a !== undefined && b !== undefined && isBefore(a, b)
  }
  return {
    first: () => items[0],
    push: (timer: Timer) => {
      items.push(timer)
      for (let i = items.length - 1; i > 0 && less(i, (i - 1) >> 1); i = (i - 1) >> 1) swap(i, (i - 1) >> 1)
    },
    pop: () => {
      const first = items[0]
      swap(0, items.length - 1)
      items.pop()
      for (let i = 0;;) {
        const [left, right] = [2 * i + 1, 2 * i + 2]
        let least = i
        if (less(left, least)) least = left
        if (less(right, least)) least = right
        if (least === i) return first
        swap(i, least)
        i = least
      }
    }
  }
}

export const make = (start: number): VirtualTime => {
  const timers = makeHeap()
  let now = start
  let order = 0
  let sleeping = 0
  let tasks: Array<() => void> = []

  const flush = () => {
    for (let turns = 0; tasks.length > 0;) {
      const due = tasks
      tasks = []
      for (const task of due) task()
      turns += due.length
      if (turns > turnsAtMost) throw new Livelock(`more than ${turnsAtMost} tasks ran at ${now - start} ms`)
    }
  }

  const after = (millis: number, task: () => void) => {
    // A timer never fires early, and the clock shows whole milliseconds.
    const timer: Timer = { at: Math.ceil(now + millis), order: order++, task }
    if (Number.isFinite(timer.at)) timers.push(timer)
    return () => {
      timer.task = undefined
    }
  }

  const runUntil = (end: number) => {
    flush()
    for (let first = timers.first(); first !== undefined && first.at <= end; first = timers.first()) {
      timers.pop()
      if (first.task === undefined) continue
      now = Math.max(now, first.at)
      first.task()
      flush()
    }
    now = Math.max(now, end)
  }

  let wallOffset = 0
  // How long the machine has slept so far.
  let slept = 0
  const wall = () => now + wallOffset
  const monotonic = () => now - slept
  const nanos = () => BigInt(Math.round(monotonic())) * 1_000_000n
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: wall,
    unsafeCurrentTimeNanos: nanos,
    currentTimeMillis: Effect.sync(wall),
    currentTimeNanos: Effect.sync(nanos),
    sleep: (duration) =>
      Effect.async<void>((resume) => {
        sleeping++
        let over = false
        const stop = () => {
          if (over) return
          over = true
          sleeping--
        }
        const due = monotonic() + Duration.toMillis(duration)
        let cancel: () => void
        const wait = () => {
          cancel = after(due - monotonic(), () => {
            // The machine may have slept.
            if (monotonic() < due) {
              wait()
              return
            }
            stop()
            resume(Effect.void)
          })
        }
        wait()
        return Effect.sync(() => {
          stop()
          cancel()
        })
      })
  }

  return {
    clock,
    scheduler: {
      shouldYield: (fiber) => fiber.currentOpCount > opsBeforeYield ? 0 : false,
      scheduleTask: (task) => {
        tasks.push(task)
      }
    },
    now: () => now,
    monotonic,
    after,
    flush,
    advance: (length) => {
      runUntil(now + length)
    },
    stall: (length) => {
      flush()
      now += length
      runUntil(now)
    },
    setWall: (by) => {
      wallOffset += by
    },
    sleepMachine: (length) => {
      flush()
      now += length
      slept += length
      runUntil(now)
    },
    sleeping: () => sleeping
  }
}
