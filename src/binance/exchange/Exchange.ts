/**
 * A Binance-compatible exchange on loopback: an HTTP and WebSocket server that generates its markets from a seed. It
 * injects faults on command, and keeps its history so that tests can compare.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { IncomingMessage } from "node:http"
import { createServer, STATUS_CODES } from "node:http"
import type { Duplex } from "node:stream"
import { WebSocketServer } from "ws"
import { monotonicMillis } from "../../internal/time/monotonic.ts"
import * as OptionalPeer from "../../internal/optionalPeer.ts"
import * as Access from "./Access.ts"
import type { Client } from "./Client.ts"
import * as Clients from "./Client.ts"
import * as ControlMessage from "./ControlMessage.ts"
import type * as Fault from "./Fault.ts"
import * as Limits from "./Limits.ts"
import type { Instrument } from "./Market.ts"
import * as Market from "./Market.ts"
import * as Playback from "./Playback.ts"
import type { Replay } from "./Replay.ts"
import * as RestApi from "./RestApi.ts"
import * as FaultInjector from "./FaultInjector.ts"
import * as Topics from "./Topics.ts"

/**
 * The exchange could not start, for example because its port is in use or `@effect/platform-node` is not installed.
 *
 * @since 0.1.0
 * @category errors
 */
export class ExchangeError extends Data.TaggedError("ExchangeError")<{
  readonly reason: string
}> {
  override get message(): string {
    return `The exchange could not start: ${this.reason}.`
  }
}

/**
 * Counts since the exchange started.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stats {
  /** Accepted WebSocket upgrades. */
  readonly accepted: number
  /** Refused WebSocket upgrades. */
  readonly refused: number
  /** Clients connected now. */
  readonly open: number
  /** Messages sent, except the answers to requests. */
  readonly sent: number
  /** Messages received from clients. */
  readonly received: number
  /** Messages of the capture that have been played. */
  readonly replayed: number
  /** The number of times each limit was exceeded. */
  readonly violations: Limits.Violations
}

/**
 * A running exchange.
 *
 * @since 0.1.0
 * @category models
 */
export interface Exchange {
  /** The TCP port that it listens on. */
  readonly port: number
  /** For example `ws://127.0.0.1:9443`. Clients dial `/ws` or `/stream` under it. */
  readonly wsUrl: string
  /** For example `http://127.0.0.1:9443`. The REST interface is under its `/api/v3`. */
  readonly restUrl: string
  /** The generated markets by symbol, with the history that they keep: the truth to compare a client's data with. */
  readonly markets: ReadonlyMap<string, Market.Market>
  /** Injects a fault now. */
  readonly fault: (fault: Fault.Fault) => Effect.Effect<void>
  /** Injects faults one after the other. Completes after the last; with `repeat`, starts over and never completes. */
  readonly script: (
    faults: ReadonlyArray<Fault.Scripted>,
    options?: { readonly repeat?: boolean | undefined }
  ) => Effect.Effect<void>
  /** The counts so far. */
  readonly stats: Effect.Effect<Stats>
}

/**
 * The service tag of an exchange.
 *
 * @since 0.1.0
 * @category tags
 */
export const Exchange: Context.Tag<Exchange, Exchange> = Context.GenericTag<Exchange>("holdfast/exchange/Exchange")

/**
 * Settings of an exchange. A plain number for a duration is in milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The TCP port. Default: a free one. */
  readonly port?: number | undefined
  /** The same seed gives the same markets. Default: 1. */
  readonly seed?: number | undefined
  /** The instruments; each gets a market. Default: {@link Market.instruments}. */
  readonly instruments?: ReadonlyArray<Instrument> | undefined
  /** The average number of trades per second in each market. Default: 4. */
  readonly tradesPerSecond?: number | undefined
  /** The number of trades that each market keeps, at least. Default: 100,000. */
  readonly history?: number | undefined
  /** The number of closed candles that each market keeps per interval, at least. Default: the same as `history`. */
  readonly candles?: number | undefined
  /** The id of the first trade and of the first aggregate trade in each market. Default: 1. */
  readonly firstId?: number | undefined
  /** The interval between pings to each client. Default: 20 seconds (Binance docs). */
  readonly pingInterval?: Duration.DurationInput | undefined
  /** The time without a pong after which the exchange drops a client. Default: 1 minute (Binance docs). */
  readonly pongTimeout?: Duration.DurationInput | undefined
  /** The age at which the exchange closes a connection, with code 1001. Default: 24 hours (Binance docs). */
  readonly maxAge?: Duration.DurationInput | undefined
  /** The limits of one address. Default: Binance's. */
  readonly limits?: Limits.Options | undefined
  /** Whose requests it answers, besides those of programs and pages on this machine. Default: nobody's. */
  readonly access?: Access.Options | undefined
  /**
   * A capture to play to the subscribers of its streams. The generated market does not send to these streams; the
   * REST interface still serves the generated market, unless `rest` of the capture answers. Default: none.
   */
  readonly replay?: Replay | undefined
}

// In bytes: room for a request that names every stream a connection may have.
const maxPayload = 64 * 1024

const host = "127.0.0.1"

const readTarget = Option.liftThrowable((request: IncomingMessage) => {
  const url = new URL(request.url ?? "/", `ws://${host}`)
  return { url, path: url.pathname.split("/").filter((part) => part !== "").map(decodeURIComponent) }
})

// Only the embedded exchange needs this package, so it is an optional peer.
const nodeHttpServer = OptionalPeer.load(
  "The embedded exchange",
  "@effect/platform-node",
  () => import("@effect/platform-node/NodeHttpServer")
).pipe(Effect.mapError(({ message }) => new ExchangeError({ reason: message })))

/**
 * Starts an exchange; it runs until the scope closes. It listens on 127.0.0.1 only. It fails with an {@link ExchangeError} if it
 * cannot start.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Exchange, Fault } from "holdfast/binance/exchange"
 *
 * const program = Effect.gen(function*() {
 *   const exchange = yield* Exchange.make({ seed: 7 })
 *   yield* Effect.log(`dial ${exchange.wsUrl}/stream?streams=btcusdt@trade`)
 *   yield* exchange.script([
 *     { after: "10 seconds", fault: Fault.Reset() },
 *     { after: "10 seconds", fault: Fault.Mute() }
 *   ], { repeat: true })
 * }).pipe(Effect.scoped)
 * ```
 */
export const make = (options: Options = {}): Effect.Effect<Exchange, ExchangeError, Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const now = () => clock.unsafeCurrentTimeMillis()
    const moment = () => monotonicMillis(clock)
    const runFork = yield* FiberSet.makeRuntime()
    const stats = { accepted: 0, refused: 0, sent: 0, received: 0 }
    const limits = Limits.make(options.limits)
    const pingInterval = Duration.decode(options.pingInterval ?? "20 seconds")
    const pongTimeout = Duration.toMillis(options.pongTimeout ?? "1 minute")
    const maxAge = Duration.decode(options.maxAge ?? "24 hours")

    const scope = yield* Effect.scope
    const restarting = Effect.unsafeMakeSemaphore(1)

    const start = now()
    const markets = new Map(
      (options.instruments ?? Market.instruments).map((instrument) => [
        instrument.symbol,
        Market.make({ ...options, instrument, seed: options.seed ?? 1, start })
      ])
    )

    // -----------------------------------------------------------------------------------------------------------------
    // Clients, subscriptions and faults

    const clients = new Set<Client>()
    const onSent = () => {
      stats.sent++
    }
    const playback = Playback.make(options.replay ?? { messages: [] }, { clients, onSent, inject: (fault) => injector.inject(fault) })
    const topics = Topics.make(markets, playback.streams, onSent)
    const injector = FaultInjector.make({
      clients,
      deliver: topics.deliver,
      stall: topics.stall,
      restart: (downtime) =>
        // Forked into the exchange's scope: an interrupted caller must not leave the exchange down. Restarts never
        // overlap.
        shutDown.pipe(
          Effect.zipRight(Effect.sleep(downtime)),
          Effect.zipRight(listen(port)),
          Effect.orDie,
          Effect.asVoid,
          restarting.withPermits(1),
          Effect.forkIn(scope),
          Effect.flatMap(Fiber.join)
        ),
      now,
      fork: runFork
    })

    // -----------------------------------------------------------------------------------------------------------------
    // Upgrades

    const wss = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload })

    const refuse = (tcp: Duplex, status: number, body: string, retryAfter?: string) => {
      stats.refused++
      tcp.end([
        `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Refused"}`,
        "Connection: close",
        ...(retryAfter === undefined ? [] : [`Retry-After: ${retryAfter}`]),
        `Content-Length: ${Buffer.byteLength(body)}`,
        "",
        body
      ].join("\r\n"))
    }

    const upgrade = Effect.fnUntraced(function*(request: IncomingMessage, tcp: Duplex, head: Buffer) {
      // Without a listener, an error of the socket would end the process.
      tcp.on("error", () => undefined)
      const foreign = Access.refusal(options.access ?? {}, request.headers)
      if (foreign !== undefined) {
        refuse(tcp, 403, foreign)
        return
      }
      const limited = limits.dial(moment())
      if (limited !== undefined) {
        refuse(tcp, limited.status, "Too many connection attempts.", limited.retryAfter)
        return
      }
      const delay = injector.nextDelay()
      if (delay !== undefined) yield* Effect.sleep(delay)
      const refusal = injector.nextUpgrade()
      if (refusal !== undefined) {
        refuse(tcp, refusal.status, "Refused on purpose.", refusal.retryAfter)
        return
      }
      const target = readTarget(request)
      if (Option.isNone(target)) {
        refuse(tcp, 400, "The path cannot be decoded.")
        return
      }
      const { path, url } = target.value
      const combined = path[0] === "stream"
      if (path[0] !== "ws" && !combined) {
        refuse(tcp, 404, "Unknown path: use /ws or /stream.")
        return
      }
      const names = combined ? (url.searchParams.get("streams") ?? "").split("/") : path.slice(1)
      wss.handleUpgrade(request, tcp, head, (ws) => {
        stats.accepted++
        const client: Client = {
          ws,
          tcp,
          unit: url.searchParams.get("timeUnit")?.toLowerCase() === "microsecond" ? "microsecond" : "millisecond",
          streams: new Set(),
          combined,
          muted: false,
          lastPong: moment()
        }
        clients.add(client)
        const topicNames = names.filter((name) => name !== "")
        if (topicNames.length > limits.streamsPerConnection) limits.tooManyStreams()
        topics.subscribe(client, topicNames.slice(0, limits.streamsPerConnection))
        const ageing = runFork(Effect.zipRight(
          Effect.sleep(maxAge),
          Effect.sync(() => {
            ws.close(1001, "the connection has reached its maximum age")
          })
        ))
        ws.on("error", () => undefined)
        const exceedsLimit = limits.connection()
        const isAllowed = () => {
          const exceeded = exceedsLimit(moment())
          if (exceeded) ws.close(1008, "Too many requests")
          return !exceeded
        }
        ws.on("ping", isAllowed)
        ws.on("pong", () => {
          client.lastPong = moment()
          isAllowed()
        })
        ws.on("message", (data) => {
          stats.received++
          if (!Buffer.isBuffer(data) || !isAllowed()) return
          Clients.send(client, ControlMessage.answer(topics, client, data.toString(), limits))
          playback.onSubscribed()
        })
        ws.on("close", () => {
          ageing.unsafeInterruptAsFork(ageing.id())
          clients.delete(client)
          topics.unsubscribe(client, client.streams)
        })
        playback.onSubscribed()
      })
    })

    const pingAll = Effect.sync(() => {
      for (const client of clients) {
        if (moment() - client.lastPong > pongTimeout) client.ws.terminate()
        else if (Clients.canReceive(client)) client.ws.ping()
      }
    })

    // -----------------------------------------------------------------------------------------------------------------
    // The server

    const { makeHandler } = yield* nodeHttpServer
    const rest = yield* makeHandler(RestApi.make(markets, limits, injector.nextRest, (path, query) =>
      options.replay?.rest?.(path, query, playback.replayed())))
    const sockets = new Set<Duplex>()
    const server = createServer((request, response) => {
      const foreign = Access.refusal(options.access ?? {}, request.headers)
      if (foreign === undefined) rest(request, response)
      else response.writeHead(403, { "content-type": "text/plain" }).end(foreign)
    })
    server.on("connection", (socket) => {
      sockets.add(socket)
      socket.on("close", () => sockets.delete(socket))
    })
    server.on("upgrade", (request, tcp, head) => {
      runFork(upgrade(request, tcp, head))
    })

    const listen = (port: number) =>
      Effect.async<number, ExchangeError>((resume) => {
        const failed = (error: Error) => {
          resume(new ExchangeError({ reason: error.message }))
        }
        server.once("error", failed)
        try {
          server.listen(port, host, () => {
            server.off("error", failed)
            const address = server.address()
            resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : port))
          })
        } catch (error) {
          failed(error instanceof Error ? error : new Error(String(error)))
        }
      })

    const shutDown = Effect.async<void>((resume) => {
      server.close(() => {
        resume(Effect.void)
      })
      for (const socket of sockets) Clients.reset(socket)
    })

    const port = yield* Effect.acquireRelease(listen(options.port ?? 0), () => shutDown)

    // -----------------------------------------------------------------------------------------------------------------
    // Background work

    yield* Effect.forkScoped(Effect.repeat(Effect.sync(() => {
      topics.advance(now())
    }), Schedule.spaced(Duration.millis(Market.stepMillis))))
    yield* Effect.forkScoped(Effect.schedule(pingAll, Schedule.spaced(pingInterval)))
    yield* Effect.forkScoped(playback.play)

    const exchange: Exchange = {
      port,
      wsUrl: `ws://${host}:${port}`,
      restUrl: `http://${host}:${port}`,
      markets,
      fault: injector.inject,
      script: injector.script,
      stats: Effect.sync(() => ({ ...stats, replayed: playback.replayed(), open: clients.size, violations: limits.violations() }))
    }
    return exchange
  })

/**
 * A layer that provides an exchange. It runs until the layer's scope closes.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<Exchange, ExchangeError> => Layer.scoped(Exchange, make(options))
