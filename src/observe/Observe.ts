/**
 * Shows what feeds and connections do while they run: metrics for Prometheus, health and readiness for an orchestrator, events for
 * a page, and requests to reconnect, rotate or disconnect. `holdfast serve` is made of it.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import { withMaxBodySize } from "@effect/platform/HttpIncomingMessage"
import * as HttpRouter from "@effect/platform/HttpRouter"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as Path from "@effect/platform/Path"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Connection from "../Connection.ts"
import * as Assets from "../internal/observe/assets.ts"
import * as EventsRoute from "../internal/observe/eventsRoute.ts"
import * as Guard from "../internal/observe/guard.ts"
import * as Observer from "../internal/observe/observer.ts"
import * as Otlp from "../internal/observe/otlp.ts"
import * as Routes from "../internal/observe/routes.ts"
import * as SignIn from "../internal/observe/signIn.ts"
import type { MarketFeed } from "../market/MarketFeed.ts"
import type { OrderBook } from "../market/OrderBook.ts"
import type * as Message from "./Message.ts"
import type { ConnectionUnknown, NotPossible, OtlpUnavailable } from "./ObserveError.ts"

/**
 * The part of a feed that is observed. `BinanceFeed` and `MarketFeed` have it.
 *
 * @since 0.1.0
 * @category models
 */
export type Feed = Pick<MarketFeed, "budget" | "connections" | "events" | "hosts" | "source">

/**
 * The subjects of an observer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Feeds, with all of their connections. Default: none. */
  readonly feeds?: ReadonlyArray<Feed> | undefined
  /** Connections that belong to no feed, by their ids. They are desired for as long as they are observed. Default: none. */
  readonly connections?: Readonly<Record<string, Connection.Connection>> | undefined
  /** Order books. Default: none. */
  readonly books?: ReadonlyArray<OrderBook> | undefined
  /**
   * The names of streams that are desired, as subscriptions have them: one without a subscription is a reason not to be ready. Default:
   * the streams that have subscriptions are desired.
   */
  readonly desired?: ReadonlyArray<string> | undefined
  /** Why a desired stream has ended: a sentence. Undefined: it has not, or that is not known. Default: it is not known. */
  readonly whyEnded?: ((stream: string) => string | undefined) | undefined
  /**
   * Reads again the streams that have ended. `reconnect` runs it for a connection whose streams have ended with it, as `disconnect`
   * makes them. Default: such a connection cannot be connected again.
   */
  readonly resume?: Effect.Effect<void> | undefined
  /** The number of outages, of gaps and of repairs that are held, the latest of each. Default: 200. */
  readonly history?: number | undefined
  /** The levels a side that are shown of a book. Default: 10. */
  readonly bookLevels?: number | undefined
}

/**
 * The changes.
 *
 * @since 0.1.0
 * @category models
 */
export interface News {
  readonly at: number
  /** Whether `changes` are all that is known, and replace what was known before. */
  readonly isWhole: boolean
  readonly version: number
  readonly changes: ReadonlyArray<Message.Change>
}

/**
 * An observer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Observe {
  /** When it began to observe, as Unix time in milliseconds. */
  readonly startedAt: number
  /**
   * What has changed since a version that an earlier call returned; all that is known without one, or if that version was too long
   * ago.
   */
  readonly news: (since: number | undefined) => Effect.Effect<News>
  /** Whether all that is desired is had, and why not. */
  readonly readiness: Effect.Effect<Message.Readiness>
  /** All that is known. */
  readonly snapshot: Effect.Effect<Message.Snapshot>
  /** Sets the gauges of {@link Metrics} to what is now. */
  readonly sample: Effect.Effect<void>
  /** Replaces a connection, or dials again one that was disconnected or given up. */
  readonly reconnect: (id: string) => Effect.Effect<void, ConnectionUnknown | NotPossible>
  /** Opens a successor of a connection, and closes the old one when the successor has proven itself. */
  readonly rotate: (id: string) => Effect.Effect<void, ConnectionUnknown | NotPossible>
  /** Disconnects a connection until `reconnect`. The streams of a feed end with it. */
  readonly disconnect: (id: string) => Effect.Effect<void, ConnectionUnknown | NotPossible>
}

/**
 * The tag of the observer.
 *
 * @since 0.1.0
 * @category tags
 */
export const Observe: Context.Tag<Observe, Observe> = Context.GenericTag<Observe>("holdfast/observe/Observe")

/**
 * Makes an observer; it observes until the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<Observe, never, Scope.Scope> => Observer.make(options)

/**
 * A layer with an observer. The options may be an effect, which has the feeds.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as HttpRouter from "@effect/platform/HttpRouter"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import { BinanceFeed } from "holdfast/binance"
 * import { Observe } from "holdfast/observe"
 *
 * const ObserveLive = Observe.layer(Effect.map(BinanceFeed.BinanceFeed, (feed) => ({ feeds: [feed] })))
 *
 * // With a layer of an HttpServer, such as NodeHttpServer.layer, and one of the feed.
 * const HttpLive = HttpRouter.Default.serve().pipe(
 *   Layer.provide([Observe.routes(), Observe.metrics()]),
 *   Layer.provide(ObserveLive)
 * )
 * ```
 */
export const layer = <E = never, R = never>(
  options: Options | Effect.Effect<Options, E, R>
): Layer.Layer<Observe, E, Exclude<R, Scope.Scope>> =>
  Layer.scoped(Observe, Effect.flatMap(Effect.isEffect(options) ? options : Effect.succeed(options), Observer.make))

/**
 * Whom the routes answer.
 *
 * @since 0.1.0
 * @category models
 */
export interface RouteOptions {
  /**
   * The token that clients need, as `Authorization: Bearer …` or by the form at `/sign-in`. `/healthz` answers without it, and
   * `/readyz` without its reasons. Default: none is needed, so listen on 127.0.0.1 only.
   */
  readonly token?: Redacted.Redacted | undefined
  /** Names that are allowed in `Host`, besides those of this machine, or all. Default: none. */
  readonly hosts?: ReadonlyArray<string> | "any" | undefined
  /** Values that are allowed in `Origin`, besides that of the server itself, or all. Default: none. */
  readonly origins?: ReadonlyArray<string> | "any" | undefined
}

/**
 * A layer with the route `GET /metrics` of `HttpRouter.Default`: all metrics of this process, for Prometheus. If an {@link Observe}
 * is provided, its gauges are sampled first.
 *
 * @since 0.1.0
 * @category routes
 */
export const metrics = (options: RouteOptions = {}): Layer.Layer<never> => {
  const guard = Guard.make(options)
  return HttpRouter.Default.use((router) =>
    Effect.flatMap(Effect.serviceOption(Observe), (observe) => {
      const sample = Option.match(observe, { onNone: () => Effect.void, onSome: (observer) => observer.sample })
      return router.get("/metrics", Routes.full(guard, () => Routes.metrics(sample)))
    }))
}

/**
 * A layer with these routes of `HttpRouter.Default`:
 *
 * - `GET /healthz`: 200 while the process answers.
 * - `GET /readyz`: 200 if all that is desired is had, else 503, with the reasons.
 * - `GET /events`: a WebSocket with the messages of {@link Message.Message}.
 * - `POST /connections/:id/reconnect`, `rotate` and `disconnect`. Encode the id.
 * - `GET /sign-in` and `POST /sign-in`, `POST /sign-out`: the form for the token, where there is one.
 *
 * @since 0.1.0
 * @category routes
 */
export const routes = (
  options: RouteOptions = {}
): Layer.Layer<never, never, Observe> => {
  const guard = Guard.make(options)
  return HttpRouter.Default.use((router) =>
    Effect.gen(function*() {
      const observer = yield* Observe
      const events = EventsRoute.make(observer)
      yield* router.get("/healthz", Routes.guarded(guard, () => Effect.succeed(Routes.health)))
      yield* router.get("/readyz", Routes.guarded(guard, (_, access) => Routes.ready(observer, access)))
      yield* router.get("/events", Routes.full(guard, events))
      for (const name of ["reconnect", "rotate", "disconnect"] as const) {
        yield* router.post(
          `/connections/:id/${name}`,
          Effect.flatMap(HttpRouter.params, ({ id = "" }) => Routes.full(guard, () => Routes.act(observer[name](id))))
        )
      }
      if (guard.token !== undefined) {
        yield* router.get("/sign-in", Routes.guarded(guard, () => Effect.succeed(SignIn.form(false))))
        yield* router.post("/sign-in", withMaxBodySize(Routes.guarded(guard, Routes.signIn(guard)), Option.some(formAtMost)))
        yield* router.post("/sign-out", Routes.guarded(guard, () => Effect.succeed(SignIn.goodbye)))
      }
    }))
}

/**
 * A layer with the route `GET /` of `HttpRouter.Default` and all below it that no other route has: the files of a folder, with
 * `index.html` at `/`. The folder is listed when the layer is built. Without one, or while it is not there, `/` is a plain list of the
 * routes.
 *
 * @since 0.1.0
 * @category routes
 */
export const page = (
  folder: string | undefined,
  options: RouteOptions = {}
): Layer.Layer<never, never, FileSystem.FileSystem | Path.Path> => {
  const guard = Guard.make(options)
  return HttpRouter.Default.use((router) =>
    Effect.flatMap(Assets.make(folder), (assets) =>
      router.get("*", Routes.guarded(guard, (request, access) => Routes.asset(assets, access, pathOf(request.url))))))
}

// In bytes.
const formAtMost = FileSystem.Size(8 * 1024)

const pathOf = (url: string) => url.split(/[?#]/)[0] ?? "/"

/**
 * A layer that exports metrics, spans and logs by OTLP over HTTP, if the setting `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector,
 * such as `http://127.0.0.1:4318`. `OTEL_SERVICE_NAME` (default: `holdfast`), `OTEL_EXPORTER_OTLP_HEADERS` and
 * `OTEL_METRIC_EXPORT_INTERVAL` (in milliseconds) are read too. It needs the package `@effect/opentelemetry`, and fails with
 * `OtlpUnavailable` if that is missing. Without the setting it does nothing.
 *
 * @since 0.1.0
 * @category layers
 */
export const otlp: Layer.Layer<never, ConfigError.ConfigError | OtlpUnavailable, HttpClient.HttpClient> = Otlp.layer
