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
import { sleep } from "./internal/time/sleep.ts"

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
 * The service. A connection that is made where there is none dials as it likes.
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
  /** Dials of one host in any stretch of `window`. Default: 300 (Binance docs: per address). */
  readonly limit?: number | undefined
  /** Default: 5 minutes. */
  readonly window?: Duration.DurationInput | undefined
  /**
   * After so many failures in a row, one dial at a time is let through, spaced by 1, 2, 4 … 30 seconds, until one
   * succeeds. Default: 5.
   */
  readonly failures?: number | undefined
}

// Between two probes of a host that does not answer, twice as long each time.
const firstSpacing = Duration.seconds(1)
const longestSpacing = Duration.seconds(30)

interface Host {
  readonly dials: RollingWindow.RollingWindow
  /** Held by the one dial that finds out whether the host is back. */
  readonly probe: Effect.Semaphore
  failures: number
  notBefore: number
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

  const hostOf = (name: string): Host => {
    const known = hosts.get(name)
    if (known !== undefined) return known
    const host: Host = {
      dials: RollingWindow.make(options.limit ?? 300, options.window ?? "5 minutes"),
      probe: Effect.unsafeMakeSemaphore(1),
      failures: 0,
      notBefore: Number.NEGATIVE_INFINITY
    }
    hosts.set(name, host)
    return host
  }

  const patience = (host: Host): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      now < host.notBefore ? Effect.zipRight(sleep(Duration.millis(host.notBefore - now)), patience(host)) : Effect.void)

  // Somebody may have been asked for patience while this one waited: it takes another turn then.
  const turn = (host: Host): Effect.Effect<void> =>
    patience(host).pipe(
      Effect.zipRight(host.dials.take(1)),
      Effect.zipRight(Clock.currentTimeMillis),
      Effect.flatMap((now) => now < host.notBefore ? turn(host) : Effect.void)
    )

  const remember = (host: Host, error: AttemptError) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      // What is our own fault says nothing of the host.
      if (FailureClass.isLocal(error)) return
      host.failures++
      const failureClass = FailureClass.classify(error)
      const asked = failureClass._tag === "RetryAfter" ? failureClass.floor : Duration.zero
      const spacing = host.failures < most
        ? Duration.zero
        : Duration.min(Duration.times(firstSpacing, 2 ** Math.min(host.failures - most, 10)), longestSpacing)
      host.notBefore = Math.max(host.notBefore, now + Duration.toMillis(Duration.max(asked, spacing)))
    })

  return {
    through: (name) => <A, E extends AttemptError, R>(dial: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
      const host = hostOf(name)
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
          ? probe(turn(host))
          : Effect.zipRight(turn(host), Effect.suspend(() => isDown() ? probe(patience(host)) : attempt))
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
 * class Trades extends Connection.Tag<Trades>()("Trades") {}
 * class Quotes extends Connection.Tag<Quotes>()("Quotes") {}
 *
 * const gate = DialGate.layer()
 * const Live = Layer.merge(
 *   Trades.layer({ url: "wss://stream.binance.com:9443/ws/btcusdt@trade" }),
 *   Quotes.layer({ url: "wss://stream.binance.com:9443/ws/btcusdt@bookTicker" })
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
