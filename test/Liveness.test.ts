import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Liveness } from "holdfast"

// A clock of an event loop that stalls: each sleep is late by the next of these times, and runs its `then` before it
// wakes the fibre.
const stalling = (stalls: ReadonlyArray<{ readonly late: number; readonly then?: (now: number) => void }>) => {
  const left = [...stalls]
  let millis = 0
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => millis,
    currentTimeMillis: Effect.sync(() => millis),
    unsafeCurrentTimeNanos: () => BigInt(millis) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => BigInt(millis) * 1_000_000n),
    sleep: (duration) =>
      Effect.map(Effect.yieldNow(), () => {
        const stall = left.shift()
        millis += Duration.toMillis(duration) + (stall?.late ?? 0)
        stall?.then?.(millis)
      })
  }
  return { clock, now: () => millis }
}

const idle = (): Liveness.Activity => ({ lastRead: 0, suspendedAt: undefined, resumedAt: Number.NEGATIVE_INFINITY })

const never = Duration.infinity

const watch = (activity: Liveness.Activity, options: Partial<Liveness.Options<never>>) =>
  Effect.flip(Liveness.watch<never>({
    activity,
    progress: () => ({ received: 0, control: 0, sent: 0, unsent: 0 }),
    messageTimeout: never,
    ping: Effect.never,
    pingInterval: never,
    pongTimeout: never,
    onPong: () => undefined,
    ...options
  }))

describe("the message deadline", () => {
  // A check comes every 7.5 seconds. These are the stalls of the one at 30 seconds and of those after it.
  const fails = (stalls: Parameters<typeof stalling>[0], activity = idle()) => {
    const { clock, now } = stalling([{ late: 0 }, { late: 0 }, { late: 0 }, ...stalls])
    return watch(activity, { messageTimeout: Duration.seconds(30) }).pipe(Effect.map(now), Effect.withClock(clock))
  }

  it.effect("fails when it is due", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* fails([]), 30_000)
      assert.strictEqual(yield* fails([{ late: 999 }]), 30_999)
    }))

  it.effect("allows one more second after each stall of the event loop", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* fails([{ late: 5_000 }]), 36_000)
      assert.strictEqual(yield* fails([{ late: 5_000 }, { late: 2_000 }]), 39_000)
    }))

  it.effect("does not fail if a message is read after the stall", () =>
    Effect.gen(function*() {
      const activity = idle()
      const read = (now: number) => {
        activity.lastRead = now
      }
      // The stall ends at 35 seconds, a message is read at 36, and no message comes after it.
      assert.strictEqual(yield* fails([{ late: 5_000 }, { late: 0, then: read }], activity), 66_000)
    }))
})

describe("a message that arrives slowly", () => {
  // A part of 1000 bytes comes every 5 seconds, after a short message at 19 milliseconds.
  const slowly = (now: () => number) => () => ({ received: 1_000 * Math.floor(now() / 5_000), control: 0, sent: 0, unsent: 0 })

  it.effect("keeps the connection, whenever the last message came", () =>
    Effect.gen(function*() {
      const { clock, now } = stalling([{ late: 0, then: () => {
        activity.lastRead = 19
      } }])
      const activity = idle()
      let parts = 0
      const progress = () => {
        const made = slowly(now)()
        parts = made.received / 1_000
        return made
      }
      yield* Effect.raceFirst(
        watch(activity, { messageTimeout: Duration.seconds(30), progress }),
        Effect.repeat(Effect.yieldNow(), { until: () => parts > 100 })
      ).pipe(Effect.withClock(clock))
      assert.isAbove(parts, 100)
    }))

  it.effect("ends the connection when no part of it comes any more", () =>
    Effect.gen(function*() {
      const { clock, now } = stalling([])
      const progress = slowly(() => Math.min(now(), 40_000))
      const { deadline } = yield* Effect.withClock(watch(idle(), { messageTimeout: Duration.seconds(30), progress }), clock)
      assert.strictEqual(deadline, "message")
      // The parts are looked for four times in each deadline.
      assert.isAtLeast(now(), 70_000)
      assert.isAtMost(now(), 77_500)
    }))
})

describe("the pong deadline", () => {
  it.effect("allows one more second after a stall of the event loop", () =>
    Effect.gen(function*() {
      const after = (stalls: Parameters<typeof stalling>[0]) => {
        const { clock, now } = stalling(stalls)
        return watch(idle(), { pingInterval: Duration.seconds(20), pongTimeout: Duration.seconds(10) }).pipe(
          Effect.map(now),
          Effect.withClock(clock)
        )
      }
      assert.strictEqual(yield* after([]), 30_000)
      assert.strictEqual(yield* after([{ late: 0 }, { late: 5_000 }]), 36_000)
    }))
})

describe("both deadlines", () => {
  const both = {
    messageTimeout: Duration.seconds(30),
    pingInterval: Duration.seconds(20),
    pongTimeout: Duration.seconds(15)
  }

  it.effect("the message deadline applies while a pong is due", () =>
    Effect.gen(function*() {
      const { clock, now } = stalling([])
      const { deadline } = yield* Effect.withClock(watch(idle(), both), clock)
      assert.deepStrictEqual({ deadline, at: now() }, { deadline: "message", at: 30_000 })
    }))

  it.effect("the pong deadline applies while messages come", () =>
    Effect.gen(function*() {
      const activity = idle()
      const read = (now: number) => {
        activity.lastRead = now
      }
      // A message is read at 20 seconds, and no pong comes.
      const { clock, now } = stalling([{ late: 0, then: read }])
      const { deadline } = yield* Effect.withClock(watch(activity, both), clock)
      assert.deepStrictEqual({ deadline, at: now() }, { deadline: "pong", at: 35_000 })
    }))
})
