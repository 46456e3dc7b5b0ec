// `holdfast serve`: reads streams, and shows over HTTP what happens: metrics, readiness, events and a page.
import type * as Command from "@effect/cli/Command"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FiberHandle from "effect/FiberHandle"
import * as FiberRef from "effect/FiberRef"
import * as FiberSet from "effect/FiberSet"
import * as HashSet from "effect/HashSet"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"
import * as BinanceFeed from "../binance/BinanceFeed.ts"
import { normalise } from "../binance/internal/streamNames.ts"
import type { MarketEvent } from "../binance/MarketEvent.ts"
import { isEnded } from "../binance/MarketEvent.ts"
import { isLoopback } from "../internal/access.ts"
import { reasonOf } from "../internal/reason.ts"
import { sleep } from "../internal/time/sleep.ts"
import * as Observe from "../observe/Observe.ts"
import * as ReconnectPolicy from "../ReconnectPolicy.ts"
import type { serveConfig } from "./options.ts"
import { logLevels, oneOf, repair } from "./settings.ts"
import * as VenueChoice from "./VenueChoice.ts"

// The build of the page puts its files there.
const page = fileURLToPath(new URL("../page", import.meta.url))

/** The server cannot begin. */
export class CannotServe extends Data.TaggedError("CannotServe")<{ readonly message: string }> {}

type Arguments = Command.Command.ParseConfig<typeof serveConfig>

// ---------------------------------------------------------------------------------------------------------------------
// Who may look

// A bearer token is visible ASCII (RFC 6750, section 2.1, is stricter still).
const usable = /^[\x21-\x7e]{16,}$/

const tokenOf = (given: Arguments["token"]) =>
  Effect.gen(function*() {
    const setting = yield* Config.option(Config.redacted("HOLDFAST_TOKEN"))
    const token = Option.filter(Option.orElse(Option.map(given, Redacted.make), () => setting), (text) => Redacted.value(text) !== "")
    if (Option.isSome(token) && !usable.test(Redacted.value(token.value))) {
      return yield* new CannotServe({ message: "The token must have 16 characters or more, without spaces and of ASCII. Make one with: openssl rand -hex 32." })
    }
    return Option.getOrUndefined(token)
  })

const everywhere = ["0.0.0.0", "::", "[::]"]

const routesFor = (host: string, token: Redacted.Redacted | undefined) => {
  const name = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host
  if (isLoopback(name)) return Effect.succeed({ name, options: { token } })
  // With a token, a page that made its name lead here learns nothing: the browser has no cookie for that name.
  return token === undefined
    ? new CannotServe({ message: `--host ${host} lets other machines in, and there is no token. Set HOLDFAST_TOKEN, or give --token.` })
    : Effect.succeed({ name, options: { token, hosts: everywhere.includes(host) ? "any" as const : [name] } })
}

// ---------------------------------------------------------------------------------------------------------------------
// Reading

/** Reads streams in the background. `resume` reads again those that have ended. */
const reader = Effect.fnUntraced(function*(feed: BinanceFeed.BinanceFeed, names: ReadonlyArray<string>, unchecked: boolean) {
  const runFork = yield* FiberSet.makeRuntime()
  const readings = yield* FiberHandle.make()
  const ended = new Map<string, string>()
  const onBatch = (batch: ReadonlyArray<MarketEvent>) => {
    for (const event of batch) {
      if (!isEnded(event)) continue
      ended.set(event.data.stream, event.data.error.message)
      runFork(Effect.logError(`${event.data.stream} has ended. ${event.data.error.message}`))
    }
  }
  const read = feed.raw(names, {}, { unchecked }).listen(onBatch).pipe(
    Effect.matchEffect({
      onFailure: (error) => {
        for (const name of names) if (!ended.has(name)) ended.set(name, error.message)
        return Effect.logError(`All streams have ended. ${error.message}`)
      },
      onSuccess: () => Effect.logWarning("All streams have ended, since their connections were disconnected.")
    })
  )
  const resume = Effect.suspend(() => {
    ended.clear()
    return Effect.asVoid(FiberHandle.run(readings, read))
  })
  yield* resume
  return { resume, whyEnded: (name: string) => ended.get(name) }
})

// ---------------------------------------------------------------------------------------------------------------------

const server = (host: string, port: number, observe: Observe.Observe, options: Observe.RouteOptions) =>
  HttpRouter.Default.serve().pipe(
    Layer.provide([Observe.metrics(options), Observe.routes(options), Observe.page(page, options)]),
    Layer.provide(Layer.succeed(Observe.Observe, observe)),
    Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { host, port })),
    Layer.catchAll((error) =>
      Layer.fail(new CannotServe({ message: `Port ${port} of ${host} cannot be listened on: ${reasonOf(error.cause)}. --port takes another.` })))
  )

const run = ({ books, duration, host, port, rest, streams, unchecked, venue, ws, ...args }: Arguments) =>
  Effect.gen(function*() {
    const token = yield* tokenOf(args.token)
    const { name, options } = yield* routesFor(host, token)
    const reconnect = yield* ReconnectPolicy.config
    const choice = yield* VenueChoice.resolve({ venue, ws, rest })
    const names = [...new Set((streams.length === 0 ? VenueChoice.usualStreams(choice.venue) : streams).map(normalise))]
    if (!unchecked) yield* VenueChoice.check(choice.venue, names)
    const feed = yield* BinanceFeed.make({
      venue: choice.venue,
      connection: { ...choice.connection, reconnect },
      rest: choice.rest,
      ...(yield* repair)
    }).pipe(Effect.provide(choice.transport))
    const { resume, whyEnded } = yield* reader(feed, names, unchecked)
    const observe = yield* Observe.make({
      feeds: [feed],
      books: yield* Effect.forEach(books, (symbol) => feed.orderBook(symbol)),
      desired: names,
      whyEnded,
      resume
    })
    const { address } = Context.get(yield* Layer.build(server(host, port, observe, options)), HttpServer.HttpServer)
    const at = `http://${name}:${address._tag === "TcpAddress" ? address.port : port}`
    yield* Effect.logInfo(`Serving ${names.join(", ")} of ${choice.venue.name} at ${at}.${choice.isMadeUp ? " The market is made up." : ""}`)
    yield* Option.match(duration, { onNone: () => Effect.never, onSome: sleep })
  }).pipe(Effect.scoped, Effect.provide(Observe.otlp), Effect.provide(FetchHttpClient.layer))

/** `level` is that of --log-level. The default here is info: a server has nothing else to say. */
export const serve = (args: Arguments, level: LogLevel.LogLevel | undefined) =>
  Effect.gen(function*() {
    const minimum = level ?? (yield* oneOf("LOG_LEVEL", logLevels, LogLevel.Info))
    const logger: Logger.Logger<unknown, unknown> = Logger.withConsoleError(args.json ? Logger.jsonLogger : Logger.logfmtLogger)
    return yield* run(args).pipe(
      Logger.withMinimumLogLevel(minimum),
      Effect.locally(FiberRef.currentLoggers, HashSet.make(logger))
    )
  })
