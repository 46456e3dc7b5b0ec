/**
 * Whether the peer is still there: the deadlines for a message and for a pong.
 *
 * The peer is only blamed for its own silence. If our event loop stalled, what it sent may still lie in the kernel's
 * buffer; if a slow consumer made us stop reading, its pongs are stuck behind unread data.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ConnectionTimeout } from "./ConnectionError.ts"

/**
 * A timer that fires this much too late means that our event loop stalled (or the machine slept). Whoever was waited
 * for then gets as much time again from there on, since what it sent could not be read. One second is what
 * centrifuge-js uses.
 *
 * @since 0.1.0
 * @category constants
 */
export const stallGrace: Duration.Duration = Duration.seconds(1)

/**
 * What the reader of a socket saw last. Times are in milliseconds, as `Clock` gives them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Activity {
  /** When a message was read last, or reading began. */
  lastRead: number
  /** Since when reading is held up by a consumer that has not made room, if it is. */
  suspendedAt: number | undefined
  /** When reading last went on after it had been held up. */
  resumedAt: number
}

const graceMillis = Duration.toMillis(stallGrace)

// Sleeps until the given time, and on for as long as the wake-up shows that the event loop stalled meanwhile.
const sleepUntil = (at: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.flatMap(
      Effect.zipRight(Effect.sleep(Duration.millis(Math.max(0, at - now))), Clock.currentTimeMillis),
      (woke) => woke - at >= graceMillis ? sleepUntil(woke + graceMillis) : Effect.void
    ))

/**
 * Fails with `ConnectionTimeout` (phase `message`) when nothing was read for `timeout`. Never completes otherwise. An
 * infinite `timeout` switches it off.
 *
 * While reading is held up, it logs a warning every `timeout` instead: a consumer that has stopped reading looks just
 * like a quiet market.
 *
 * @since 0.1.0
 * @category deadlines
 */
export const messageDeadline = (
  activity: Activity,
  timeout: Duration.Duration
): Effect.Effect<never, ConnectionTimeout> => {
  if (!Duration.isFinite(timeout)) return Effect.never
  const millis = Duration.toMillis(timeout)
  return Effect.gen(function*() {
    for (;;) {
      const seen = activity.lastRead
      const heldUp = activity.suspendedAt
      const now = yield* Clock.currentTimeMillis
      yield* sleepUntil(heldUp === undefined ? seen + millis : now + millis)
      if (activity.suspendedAt !== undefined) {
        if (activity.suspendedAt === heldUp) {
          yield* Effect.logWarning("The inbox is full and nobody reads it: what the peer sends is held up.")
        }
      } else if (activity.lastRead === seen) {
        return yield* new ConnectionTimeout({ phase: "message", after: timeout })
      }
    }
  })
}

/**
 * Pings every `interval`, giving each round trip to `onPong`, and fails with `ConnectionTimeout` (phase `pong`) when
 * a pong did not come within `timeout`. Infinite durations switch it off.
 *
 * @since 0.1.0
 * @category deadlines
 */
export const pings = <E>(options: {
  readonly activity: Activity
  readonly ping: Effect.Effect<void, E>
  readonly interval: Duration.Duration
  readonly timeout: Duration.Duration
  readonly onPong: (roundTrip: Duration.Duration) => Effect.Effect<void>
}): Effect.Effect<never, ConnectionTimeout | E> => {
  const { activity, interval, onPong, ping, timeout } = options
  if (!Duration.isFinite(interval) || !Duration.isFinite(timeout)) return Effect.never
  const once = Effect.gen(function*() {
    const sent = yield* Clock.currentTimeMillis
    const answered = yield* Effect.raceFirst(
      Effect.as(ping, true),
      Effect.as(sleepUntil(sent + Duration.toMillis(timeout)), false)
    )
    if (answered) {
      const now = yield* Clock.currentTimeMillis
      return yield* onPong(Duration.millis(now - sent))
    }
    // Reading was held up while the pong was due: it may be waiting behind what was not read.
    if (activity.suspendedAt !== undefined || activity.resumedAt >= sent) return
    return yield* new ConnectionTimeout({ phase: "pong", after: timeout })
  })
  return Effect.forever(Effect.zipRight(Effect.sleep(interval), once))
}
