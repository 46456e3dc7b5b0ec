/**
 * What all connections to a host share: how often it may be dialled, whether it seems to be there at all, and how long
 * it asked to be left alone.
 *
 * Without it, each connection is polite on its own, and a hundred of them are a storm. Dials wait here for their turn,
 * in order; none fails for having waited, and the wait does not count against `openTimeout`.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { AttemptError } from "./ConnectionError.ts"
import * as FailureClass from "./FailureClass.ts"
import * as RollingWindow from "./internal/time/rollingWindow.ts"
import * as RateLimiter from "./internal/time/rateLimiter.ts"

/**
 * The gate.
 *
 * @since 0.1.0
 * @category models
 */
export interface DialGate {
  /** Waits until the host may be dialled, dials, and remembers how that went. */
  readonly through: (host: string) => <A, E extends AttemptError, R>(dial: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/**
 * The service. Whoever provides it decides for all that dial: connections, sessions and feeds.
 *
 * Where there is none, a connection dials as its own policy says, and a feed makes a gate for the limit of its venue.
 *
 * @since 0.1.0
 * @category tags
 */
export const DialGate: Context.Tag<DialGate, DialGate> = Context.GenericTag<DialGate>("holdfast/DialGate")

/**
 * What a gate can be told.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Dials of one host in any stretch of `window`. Default: no limit. */
  readonly limit?: number | undefined
  /** The stretch of time for `limit`. Default: 1 minute. */
  readonly window?: Duration.DurationInput | undefined
  /**
   * After so many failures in a row, one dial at a time is let through, spaced by 1, 2, 4 … 30 seconds, until one
   * succeeds. Default: 5.
   */
  readonly failures?: number | undefined
  /**
   * Overrides what is done about a failed dial: one that is classified as `RetryAfter` makes all dials of its host wait.
   * Default: the standard table.
   */
  readonly classify?: FailureClass.Classify | undefined
}

// Between two probes of a host that does not answer, twice as long each time.
const firstSpacing = Duration.seconds(1)
const longestSpacing = Duration.seconds(30)

interface Host {
  readonly limiter: RateLimiter.RateLimiter<void>
  /** Held by the one dial that finds out whether the host is back. */
  readonly probe: Effect.Semaphore
  failures: number
}

/**
 * Makes a gate.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): DialGate => {
  const hosts = new Map<string, Host>()
  const most = options.failures ?? 5
  const classify: FailureClass.Classify = options.classify ?? ((_, standard) => standard)
  const newWindow = () =>
    options.limit === undefined ? RollingWindow.unlimited : RollingWindow.make(options.limit, options.window ?? "1 minute")

  const hostOf = (name: string): Host => {
    const known = hosts.get(name)
    if (known !== undefined) return known
    const host: Host = {
      limiter: RateLimiter.make(newWindow()),
      probe: Effect.unsafeMakeSemaphore(1),
      failures: 0
    }
    hosts.set(name, host)
    return host
  }

  const remember = (host: Host, error: AttemptError) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      // What is our own fault says nothing of the host.
      if (FailureClass.isLocal(error)) return
      host.failures++
      const failureClass = classify(error, FailureClass.classify(error))
      const asked = failureClass._tag === "RetryAfter" ? failureClass.floor : Duration.zero
      const spacing = host.failures < most
        ? Duration.zero
        : Duration.min(Duration.times(firstSpacing, 2 ** Math.min(host.failures - most, 10)), longestSpacing)
      host.limiter.holdUntil(now + Duration.toMillis(Duration.max(asked, spacing)))
    })

  return {
    through: (name) => <A, E extends AttemptError, R>(dial: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
      const host = hostOf(name)
      const { acquire, awaitHold } = host.limiter
      const attempt = dial.pipe(
        Effect.tapBoth({
          onFailure: (error) => remember(host, error),
          onSuccess: () =>
            Effect.sync(() => {
              host.failures = 0
            })
        })
      )
      const isDown = () => host.failures >= most
      // Alone, unless the host came back while this one waited for that.
      const probe = (ready: Effect.Effect<void>): Effect.Effect<A, E, R> =>
        Effect.flatMap(
          host.probe.withPermits(1)(
            Effect.suspend(() => isDown() ? Effect.asSome(Effect.zipRight(ready, attempt)) : Effect.succeedNone)
          ),
          Option.match({ onNone: () => next, onSome: Effect.succeed })
        )
      // The host may have gone down while this one waited for its turn, which it has had then.
      const next: Effect.Effect<A, E, R> = Effect.suspend(() =>
        isDown()
          ? probe(acquire(1))
          : Effect.zipRight(acquire(1), Effect.suspend(() => isDown() ? probe(awaitHold()) : attempt))
      )
      return next
    }
  }
}

/**
 * A layer with a gate. Provide this very layer to all that dial the same hosts, and they share it.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import { Connection, DialGate } from "holdfast"
 * import * as NodeTransport from "holdfast/NodeTransport"
 *
 * class News extends Connection.Tag<News>()("News") {}
 * class Chat extends Connection.Tag<Chat>()("Chat") {}
 *
 * const gate = DialGate.layer({ limit: 20, window: "1 minute" })
 * const Live = Layer.merge(
 *   News.layer({ url: "wss://example.com/news" }),
 *   Chat.layer({ url: "wss://example.com/chat" })
 * ).pipe(Layer.provide([NodeTransport.layer, gate]))
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<DialGate> => Layer.sync(DialGate, () => make(options))

/**
 * A gate that lets everything through.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open: DialGate = { through: () => (dial) => dial }
