/**
 * Detects a dead peer: a deadline for the next message and one for each pong.
 *
 * Deadlines do not count time in which this process could not read. After its event loop stalled, received data may still
 * be in the kernel's buffer. While a slow reader suspends reading, pongs are stuck behind unread data.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ConnectionTimeout } from "./ConnectionError.ts"
import { sleep } from "./internal/time/sleep.ts"

/**
 * One second. A timer that fires this late or later shows that the event loop stalled or the machine slept. The deadline
 * then moves to one second after the wake-up, because data that had arrived could not be read before. centrifuge-js uses
 * the same value.
 *
 * @since 0.1.0
 * @category constants
 */
export const stallGrace: Duration.Duration = Duration.seconds(1)

/**
 * The latest activity on a socket. Times are Unix times in milliseconds, as `Clock` gives them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Activity {
  /** The time of the last message. Before the first one, the time at which reading began. */
  lastRead: number
  /** The time since which a full inbox suspends reading; `undefined` while reading goes on. */
  suspendedAt: number | undefined
  /** The time at which suspended reading last resumed. */
  resumedAt: number
}

const graceMillis = Duration.toMillis(stallGrace)

// Sleeps until the given time, and longer each time the wake-up shows that the event loop stalled.
const sleepUntil = (at: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.flatMap(
      Effect.zipRight(sleep(Duration.millis(Math.max(0, at - now))), Clock.currentTimeMillis),
      (woke) => woke - at >= graceMillis ? sleepUntil(woke + graceMillis) : Effect.void
    ))

/**
 * The activity to watch, and the deadlines. An infinite `messageTimeout` turns that deadline off; an infinite
 * `pingInterval` or `pongTimeout` turns pings off.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<E> {
  readonly activity: Activity
  /** The longest time without a message. */
  readonly messageTimeout: Duration.Duration
  /** Sends a ping and completes when its pong arrives. */
  readonly ping: Effect.Effect<void, E>
  /** The time from the end of one ping to the next. */
  readonly pingInterval: Duration.Duration
  /** The longest time from a ping to its pong. */
  readonly pongTimeout: Duration.Duration
  /** Called for each pong that came in time. */
  readonly onPong: (roundTrip: Duration.Duration) => void
}

/**
 * Watches a socket. It fails when the peer misses a deadline or when `ping` fails, and never completes otherwise.
 *
 * It fails with `ConnectionTimeout`: with the deadline `message` when no message arrived for `messageTimeout`, and with
 * `pong` when no pong arrived within `pongTimeout`. While a full inbox suspends reading, neither deadline applies; instead
 * it logs a warning every `messageTimeout`.
 *
 * @since 0.1.0
 * @category deadlines
 */
export const watch = <E>(options: Options<E>): Effect.Effect<never, ConnectionTimeout | E> =>
  Effect.flatMap(Clock.currentTimeMillis, (began) => watchFrom(options, began))

// One fibre for all deadlines: there may be thousands of connections, and a fibre takes as much memory as a socket.
const watchFrom = <E>(options: Options<E>, began: number): Effect.Effect<never, ConnectionTimeout | E> => {
  const { activity, messageTimeout, onPong, ping, pingInterval, pongTimeout } = options
  const millis = Duration.toMillis(messageTimeout)
  // The activity at the last check, and the time of the next check.
  const observe = (now: number) => {
    const { lastRead, suspendedAt } = activity
    return { lastRead, suspendedAt, nextCheckAt: (suspendedAt === undefined ? lastRead : now) + millis }
  }
  let observed = observe(began)

  const checkMessages = Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<void, ConnectionTimeout> => {
    const { lastRead, suspendedAt } = observed
    observed = observe(now)
    if (activity.suspendedAt === undefined) {
      return activity.lastRead === lastRead ? new ConnectionTimeout({ deadline: "message", after: messageTimeout }) : Effect.void
    }
    return activity.suspendedAt === suspendedAt
      ? Effect.logWarning("The inbox is full and no reader empties it. Reading from the socket is suspended.")
      : Effect.void
  })

  // Sleeps until the given time. Runs the checks of the message deadline that come due before it.
  const until = (at: number): Effect.Effect<void, ConnectionTimeout> =>
    Effect.suspend(() =>
      observed.nextCheckAt <= at
        ? Effect.zipRight(Effect.zipRight(sleepUntil(observed.nextCheckAt), checkMessages), until(at))
        : sleepUntil(at)
    )
  if (!Duration.isFinite(pingInterval) || !Duration.isFinite(pongTimeout)) {
    return Duration.isFinite(messageTimeout) ? Effect.zipRight(until(Number.POSITIVE_INFINITY), Effect.never) : Effect.never
  }

  const pingOnce = Effect.flatMap(Clock.currentTimeMillis, (sent) =>
    Effect.raceFirst(
      // An uninterruptible ping must not delay the deadlines.
      Effect.as(Effect.disconnect(ping), true),
      Effect.as(until(sent + Duration.toMillis(pongTimeout)), false)
    ).pipe(
      Effect.zip(Clock.currentTimeMillis),
      Effect.flatMap(([answered, now]): Effect.Effect<void, ConnectionTimeout> => {
        if (answered) onPong(Duration.millis(now - sent))
        // Not a failure if reading was suspended during the ping: the pong may be stuck behind unread data.
        else if (activity.suspendedAt === undefined && activity.resumedAt < sent) {
          return new ConnectionTimeout({ deadline: "pong", after: pongTimeout })
        }
        return Effect.void
      })
    ))
  const pingForever: Effect.Effect<never, ConnectionTimeout | E> = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    until(now + Duration.toMillis(pingInterval)).pipe(Effect.zipRight(pingOnce), Effect.zipRight(pingForever)))
  return pingForever
}
