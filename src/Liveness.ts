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
import { sleep } from "./internal/time/sleep.ts"

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
      Effect.zipRight(sleep(Duration.millis(Math.max(0, at - now))), Clock.currentTimeMillis),
      (woke) => woke - at >= graceMillis ? sleepUntil(woke + graceMillis) : Effect.void
    ))

/**
 * What is watched, and how closely. An infinite duration switches off what it is for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<E> {
  readonly activity: Activity
  /** Of silence, at most. */
  readonly messageTimeout: Duration.Duration
  /** Sends a ping, and completes when its pong came. */
  readonly ping: Effect.Effect<void, E>
  /** From one ping's answer to the next ping. */
  readonly pingInterval: Duration.Duration
  /** For a pong, at most. */
  readonly pongTimeout: Duration.Duration
  readonly onPong: (roundTrip: Duration.Duration) => void
}

/**
 * Watches a connection until its peer misses a deadline; never completes otherwise.
 *
 * It fails with `ConnectionTimeout` of phase `message` when nothing was read for `messageTimeout`, and of phase `pong` when
 * a ping was not answered within `pongTimeout`. While reading is held up, it logs a warning every `messageTimeout` instead:
 * a consumer that has stopped reading looks just like a quiet peer.
 *
 * @since 0.1.0
 * @category deadlines
 */
export const watch = <E>(options: Options<E>): Effect.Effect<never, ConnectionTimeout | E> =>
  Effect.flatMap(Clock.currentTimeMillis, (began) => watchFrom(options, began))

// One fibre for all deadlines: there may be thousands of connections, and each fibre weighs as much as a socket.
const watchFrom = <E>(options: Options<E>, began: number): Effect.Effect<never, ConnectionTimeout | E> => {
  const { activity, messageTimeout, onPong, ping, pingInterval, pongTimeout } = options
  const millis = Duration.toMillis(messageTimeout)
  const round = (now: number) => {
    const { lastRead: seen, suspendedAt: heldUp } = activity
    return { seen, heldUp, due: (heldUp === undefined ? seen : now) + millis }
  }
  let idle = round(began)

  const judgeIdle = Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<void, ConnectionTimeout> => {
    const { heldUp, seen } = idle
    idle = round(now)
    if (activity.suspendedAt === undefined) {
      return activity.lastRead === seen ? new ConnectionTimeout({ phase: "message", after: messageTimeout }) : Effect.void
    }
    return activity.suspendedAt === heldUp
      ? Effect.logWarning("The inbox is full and nobody reads it: what the peer sends is held up.")
      : Effect.void
  })

  // Judges, on the way there, what comes due.
  const until = (at: number): Effect.Effect<void, ConnectionTimeout> =>
    Effect.suspend(() =>
      idle.due <= at
        ? Effect.zipRight(Effect.zipRight(sleepUntil(idle.due), judgeIdle), until(at))
        : sleepUntil(at)
    )
  if (!Duration.isFinite(pingInterval) || !Duration.isFinite(pongTimeout)) {
    return Duration.isFinite(messageTimeout) ? Effect.zipRight(until(Number.POSITIVE_INFINITY), Effect.never) : Effect.never
  }

  const pingOnce = Effect.flatMap(Clock.currentTimeMillis, (sent) =>
    Effect.raceFirst(
      // Even one that does not give way must not hold up the deadlines.
      Effect.as(Effect.disconnect(ping), true),
      Effect.as(until(sent + Duration.toMillis(pongTimeout)), false)
    ).pipe(
      Effect.zip(Clock.currentTimeMillis),
      Effect.flatMap(([answered, now]): Effect.Effect<void, ConnectionTimeout> => {
        if (answered) onPong(Duration.millis(now - sent))
        // Reading was held up while the pong was due: it may be waiting behind what was not read.
        else if (activity.suspendedAt === undefined && activity.resumedAt < sent) {
          return new ConnectionTimeout({ phase: "pong", after: pongTimeout })
        }
        return Effect.void
      })
    ))
  const rounds: Effect.Effect<never, ConnectionTimeout | E> = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    until(now + Duration.toMillis(pingInterval)).pipe(Effect.zipRight(pingOnce), Effect.zipRight(rounds)))
  return rounds
}
