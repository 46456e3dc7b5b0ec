/**
 * Detects a dead peer: a deadline for the next message and one for each pong. Bytes that move are a sign of life: a large
 * message on a slow link misses no deadline.
 *
 * Deadlines do not count time in which this process could not read. After its event loop stalled, received data may still
 * be in the kernel's buffer. While a slow reader suspends reading, pongs are stuck behind unread data.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ConnectionTimeout } from "./ConnectionError.ts"
import type { Progress } from "./Transport.ts"
import { sleepPast } from "./internal/time/sleepPast.ts"
import { isDue, monotonic } from "./internal/time/monotonic.ts"

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
 * The latest activity on a socket. Times are monotonic, in milliseconds, as `Clock` gives them in nanoseconds.
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

// Bytes of an unfinished message show only from one check to the next. With one check in each timeout, the parts that came
// between the last message and a check just before the deadline would not be seen.
const checksPerTimeout = 4

const graceMillis = Duration.toMillis(stallGrace)

const sleepUntil = sleepPast(graceMillis)

/**
 * The activity to watch, and the deadlines. An infinite `messageTimeout` turns that deadline off; an infinite
 * `pingInterval` or `pongTimeout` turns pings off.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<E> {
  readonly activity: Activity
  /** The bytes that the socket has moved so far. */
  readonly progress: () => Progress
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
 * It fails with `ConnectionTimeout`: with the deadline `message` when neither a message nor a part of one arrived for
 * `messageTimeout`, and with `pong` when nothing at all arrived within `pongTimeout` of a ping. Bytes that the peer takes from us
 * keep both deadlines from passing. While a full inbox suspends reading, neither deadline applies; instead
 * it logs a warning every `messageTimeout`.
 *
 * @since 0.1.0
 * @category deadlines
 */
export const watch = <E>(options: Options<E>): Effect.Effect<never, ConnectionTimeout | E> =>
  Effect.flatMap(monotonic, (began) => watchFrom(options, began))

// While bytes are unsent, the operating system takes more of them only if the peer does.
const takesData = (before: Progress, after: Progress) => before.unsent > 0 && after.sent > before.sent

const bringsData = (before: Progress, after: Progress) =>
  after.received - after.control > before.received - before.control || takesData(before, after)

const isAlive = (before: Progress, after: Progress) => after.received > before.received || takesData(before, after)

/**
 * Sends one ping now, beside those of {@link watch}: after a jump of the wall clock, which may mean that the machine slept. It
 * fails as `watch` does if the peer misses the deadline of the pong. Does nothing if pings are off.
 *
 * @since 0.1.0
 * @category deadlines
 */
export const check = <E>(options: Options<E>): Effect.Effect<void, ConnectionTimeout | E> =>
  hasPings(options) ? pingOnce(options, sleepUntil) : Effect.void

const hasPings = ({ pingInterval, pongTimeout }: Pick<Options<never>, "pingInterval" | "pongTimeout">) =>
  Duration.isFinite(pingInterval) && Duration.isFinite(pongTimeout)

// `until` sleeps until a moment.
const pingOnce = <E, E2>(
  { activity, onPong, ping, pongTimeout, progress }: Options<E>,
  until: (at: number) => Effect.Effect<void, E2>
): Effect.Effect<void, ConnectionTimeout | E | E2> =>
  Effect.flatMap(monotonic, (sent) => {
    const moved = progress()
    return Effect.raceFirst(
      // An uninterruptible ping must not delay the deadlines.
      Effect.as(Effect.disconnect(ping), true),
      Effect.as(until(sent + Duration.toMillis(pongTimeout)), false)
    ).pipe(
      Effect.zip(monotonic),
      Effect.flatMap(([answered, now]): Effect.Effect<void, ConnectionTimeout> => {
        if (answered) onPong(Duration.millis(now - sent))
        // Not a failure if reading was suspended during the ping: the pong may be stuck behind unread data.
        else if (activity.suspendedAt === undefined && activity.resumedAt < sent && !isAlive(moved, progress())) {
          return new ConnectionTimeout({ deadline: "pong", after: pongTimeout })
        }
        return Effect.void
      })
    )
  })

// One fibre for all deadlines: there may be thousands of connections, and a fibre takes as much memory as a socket.
const watchFrom = <E>(options: Options<E>, began: number): Effect.Effect<never, ConnectionTimeout | E> => {
  const { activity, messageTimeout, pingInterval, progress } = options
  const millis = Duration.toMillis(messageTimeout)
  const untilNextCheck = millis / checksPerTimeout
  // What was seen at the last check, the time at which the peer is too late if nothing more comes, and that of the next check.
  const observe = (now: number, late: number) => {
    const { lastRead, suspendedAt } = activity
    const nextCheckAt = suspendedAt === undefined ? Math.min(late, now + untilNextCheck) : now + millis
    return { lastRead, suspendedAt, moved: progress(), late, nextCheckAt }
  }
  let observed = observe(began, activity.lastRead + millis)

  const checkMessages = Effect.flatMap(monotonic, (now): Effect.Effect<void, ConnectionTimeout> => {
    const before = observed
    const late = activity.lastRead !== before.lastRead
      // After a stall, the parts that came since the last message have not been looked for yet.
      ? Math.max(activity.lastRead + millis, now + untilNextCheck)
      : bringsData(before.moved, progress()) ? now + millis : before.late
    observed = observe(now, late)
    if (activity.suspendedAt === undefined) {
      return isDue(late, now) ? new ConnectionTimeout({ deadline: "message", after: messageTimeout }) : Effect.void
    }
    return activity.suspendedAt === before.suspendedAt
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
  if (!hasPings(options)) {
    return Duration.isFinite(messageTimeout) ? Effect.zipRight(until(Number.POSITIVE_INFINITY), Effect.never) : Effect.never
  }

  const onePing = pingOnce(options, until)
  const pingForever: Effect.Effect<never, ConnectionTimeout | E> = Effect.flatMap(monotonic, (now) =>
    until(now + Duration.toMillis(pingInterval)).pipe(Effect.zipRight(onePing), Effect.zipRight(pingForever)))
  return pingForever
}
