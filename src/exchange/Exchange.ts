/**
 * A Binance-compatible exchange on loopback: a real HTTP and WebSocket server with markets generated from a seed, which
 * breaks on command and keeps the truth of what it sent.
 *
 * @since 0.1.0
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { IncomingMessage } from "node:http"
import { createServer, STATUS_CODES } from "node:http"
import type { Duplex } from "node:stream"
import { WebSocketServer } from "ws"
import type { Client } from "./Client.ts"
import * as Clients from "./Client.ts"
import * as ControlMessage from "./ControlMessage.ts"
import * as Fault from "./Fault.ts"
import * as Limits from "./Limits.ts"
import type { Instrument } from "./Market.ts"
import * as Market from "./Market.ts"
import type { Recorded, Replay } from "./Replay.ts"
import * as RestApi from "./RestApi.ts"
import * as Topics from "./Topics.ts"

/**
 * The exchange could not start: its port is taken, say.
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
 * What the exchange has seen so far.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stats {
  /** Upgrades that were accepted. */
  readonly accepted: number
  /** Upgrades that were refused. */
  readonly refused: number
  /** Clients that are connected now. */
  readonly open: number
  /** Events sent. */
  readonly sent: number
  /** Messages received. */
  readonly received: number
  /** Frames of the recording that were sent. */
  readonly replayed: number
  /** How often each limit was exceeded. */
  readonly violations: Limits.Violations
}

/**
 * A running exchange.
 *
 * @since 0.1.0
 * @category models
 */
export interface Exchange {
  readonly port: number
  /** Such as `ws://127.0.0.1:9443`, to which `/ws` and `/stream` belong. */
  readonly wsUrl: string
  /** Such as `http://127.0.0.1:9443`, to which `/api/v3` belongs. */
  readonly restUrl: string
  /** The truth: by symbol, everything that was generated, as far as it is kept. */
  readonly markets: ReadonlyMap<string, Market.Market>
  /** Strikes now. */
  readonly fault: (fault: Fault.Fault) => Effect.Effect<void>
  /** Strikes one after the other, for ever when told to repeat. Completes with the last. */
  readonly script: (
    faults: ReadonlyArray<Fault.Scripted>,
    options?: { readonly repeat?: boolean | undefined }
  ) => Effect.Effect<void>
  readonly stats: Effect.Effect<Stats>
}

/**
 * The service.
 *
 * @since 0.1.0
 * @category tags
 */
export const Exchange: Context.Tag<Exchange, Exchange> = Context.GenericTag<Exchange>("holdfast/exchange/Exchange")

/**
 * What an exchange can be told.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Default: one that is free. */
  readonly port?: number | undefined
  /** The same seed gives the same markets. Default: 1. */
  readonly seed?: number | undefined
  /** What is traded. Default: {@link Market.instruments}. */
  readonly instruments?: ReadonlyArray<Instrument> | undefined
  /** Trades a second in each market, on average. Default: 4. */
  readonly tradesPerSecond?: number | undefined
  /** How many trades are kept in each market. Default: 100,000. */
  readonly history?: number | undefined
  /** How many closed candles of each interval are kept in each market. Default: as many as trades. */
  readonly candles?: number | undefined
  /** How often clients are pinged. Default: 20 seconds (Binance docs). */
  readonly pingInterval?: Duration.DurationInput | undefined
  /** How long a client may leave pings unanswered before it is dropped. Default: 1 minute (Binance docs). */
  readonly pongTimeout?: Duration.DurationInput | undefined
  /** How old a connection may get before it is closed. Default: 24 hours (Binance docs). */
  readonly maxAge?: Duration.DurationInput | undefined
  /** What one address may do. Default: Binance's limits. */
  readonly limits?: Limits.Options | undefined
  /**
   * A recording to play to whoever listens to its streams, which then carry nothing else; the REST interface knows
   * nothing of it. Default: none.
   */
  readonly replay?: Replay | undefined
}

// Enough for a request that names every stream a connection may have.
const maxPayload = 64 * 1024

const host = "127.0.0.1"

const readTarget = Option.liftThrowable((request: IncomingMessage) => {
  const url = new URL(request.url ?? "/", `ws://${host}`)
  return { url, path: url.pathname.split("/").filter((part) => part !== "").map(decodeURIComponent) }
})

const decodeName = Schema.decodeUnknownOption(Schema.parseJson(Schema.Struct({ stream: Schema.String })))

const streamOf = ({ frame }: Recorded) => Option.getOrUndefined(decodeName(frame))?.stream ?? ""

/**
 * Starts an exchange that runs until the scope closes. Everything it does is on 127.0.0.1.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Exchange, Fault } from "holdfast/exchange"
 *
 * const program = Effect.gen(function*() {
 *   const exchange = yield* Exchange.make({ seed: 7 })
 *   yield* Effect.log(`dial ${exchange.wsUrl}/stream?streams=btcusdt@trade`)
 *   yield* exchange.script([
 *     { after: "10 seconds", fault: Fault.Reset() },
 *     { after: "10 seconds", fault: Fault.Silence() }
 *   ], { repeat: true })
 * }).pipe(Effect.scoped)
 * ```
 */
export const make = (options: Options = {}): Effect.Effect<Exchange, ExchangeError, Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const now = () => clock.unsafeCurrentTimeMillis()
    const runFork = yield* FiberSet.makeRuntime()
    const stats = { accepted: 0, refused: 0, sent: 0, received: 0, replayed: 0 }
    const limits = Limits.make(options.limits)
    const pingInterval = Duration.decode(options.pingInterval ?? "20 seconds")
    const pongTimeout = Duration.toMillis(options.pongTimeout ?? "1 minute")
    const maxAge = Duration.decode(options.maxAge ?? "24 hours")

    const start = now()
    const markets = new Map(
      (options.instruments ?? Market.instruments).map((instrument) => [
        instrument.symbol,
        Market.make({ ...options, instrument, seed: options.seed ?? 1, start })
      ])
    )

    // -----------------------------------------------------------------------------------------------------------------
    // Who listens to what

    const clients = new Set<Client>()
    const recorded = new Set(options.replay?.frames.map(streamOf))
    const topics = Topics.make(markets, recorded, () => {
      stats.sent++
    })
    const attached = Effect.unsafeMakeLatch(false)

    // -----------------------------------------------------------------------------------------------------------------
    // Connecting

    const wss = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload })
    const refusals = { upgrades: new Array<Fault.Refusal>(), rest: new Array<Fault.Refusal>() }
    const delays: Array<Duration.DurationInput> = []

    const repeat = <A>(list: Array<A>, item: A, times: number) => {
      for (let i = 0; i < times; i++) list.push(item)
    }

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
      // Whatever becomes of it, a socket that fails must not take the process with it.
      tcp.on("error", () => undefined)
      const limited = limits.dial(now())
      if (limited !== undefined) {
        refuse(tcp, limited.status, "Too many connection attempts.", limited.retryAfter)
        return
      }
      const delay = delays.shift()
      if (delay !== undefined) yield* Effect.sleep(delay)
      const refusal = refusals.upgrades.shift()
      if (refusal !== undefined) {
        refuse(tcp, refusal.status, "Refused on purpose.", refusal.retryAfter)
        return
      }
      const target = readTarget(request)
      if (Option.isNone(target)) {
        refuse(tcp, 400, "The path cannot be read.")
        return
      }
      const { path, url } = target.value
      const combined = path[0] === "stream"
      if (path[0] !== "ws" && !combined) {
        refuse(tcp, 404, "There is nothing here.")
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
          lastPong: now()
        }
        clients.add(client)
        const wanted = names.filter((name) => name !== "")
        if (wanted.length > limits.streamsPerConnection) limits.tooManyStreams()
        topics.subscribe(client, wanted.slice(0, limits.streamsPerConnection))
        attached.unsafeOpen()
        const ageing = runFork(Effect.zipRight(
          Effect.sleep(maxAge),
          Effect.sync(() => {
            ws.close(1001, "connections live for 24 hours")
          })
        ))
        ws.on("error", () => undefined)
        const isTooMuch = limits.connection()
        const count = () => {
          const tooMuch = isTooMuch(now())
          if (tooMuch) ws.close(1008, "Too many requests")
          return !tooMuch
        }
        ws.on("ping", count)
        ws.on("pong", () => {
          client.lastPong = now()
          count()
        })
        ws.on("message", (data) => {
          stats.received++
          if (!Buffer.isBuffer(data) || !count()) return
          topics.tell(client, ControlMessage.answer(topics, client, data.toString(), limits))
          attached.unsafeOpen()
        })
        ws.on("close", () => {
          ageing.unsafeInterruptAsFork(ageing.id())
          clients.delete(client)
          topics.unsubscribe(client, client.streams)
        })
      })
    })

    const pingAll = Effect.sync(() => {
      for (const client of clients) {
        if (now() - client.lastPong > pongTimeout) client.ws.terminate()
        else if (Clients.isListening(client)) client.ws.ping()
      }
    })

    // -----------------------------------------------------------------------------------------------------------------
    // Listening

    const rest = yield* NodeHttpServer.makeHandler(RestApi.make(markets, limits, () => refusals.rest.shift()))
    const sockets = new Set<Duplex>()
    const server = createServer(rest)
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
        server.listen(port, host, () => {
          server.off("error", failed)
          const address = server.address()
          resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : port))
        })
      })

    const shut = Effect.async<void>((resume) => {
      server.close(() => {
        resume(Effect.void)
      })
      for (const socket of sockets) Clients.reset(socket)
    })

    const port = yield* Effect.acquireRelease(listen(options.port ?? 0), () => shut)

    // -----------------------------------------------------------------------------------------------------------------
    // Breaking

    const toAll = (strike: (client: Client) => void) =>
      Effect.sync(() => {
        for (const client of [...clients]) strike(client)
      })

    const mute = (client: Client) => {
      client.muted = true
    }

    const fault = Fault.$match({
      Drop: () =>
        toAll((client) => {
          mute(client)
          client.tcp.end()
        }),
      Reset: () =>
        toAll((client) => {
          mute(client)
          Clients.reset(client.tcp)
        }),
      ResetOne: () =>
        Effect.sync(() => {
          const [oldest] = clients
          if (oldest === undefined) return
          mute(oldest)
          Clients.reset(oldest.tcp)
        }),
      Close: ({ code, reason }) =>
        toAll(({ ws }) => {
          ws.close(code, reason)
        }),
      Silence: () => toAll(mute),
      Vanish: () =>
        toAll((client) => {
          mute(client)
          client.ws.pause()
        }),
      Malformed: () =>
        toAll((client) => {
          topics.tell(client, `{"stream":"btcusdt@trade","data":{"e":"trade","E":`)
        }),
      Oversize: ({ bytes }) =>
        toAll((client) => {
          topics.tell(client, "x".repeat(bytes))
        }),
      // FIN, opcode 0xB, no payload.
      Violation: () =>
        toAll(({ tcp }) => {
          tcp.write(Buffer.of(0x8b, 0x00))
        }),
      Shutdown: ({ notice }) =>
        toAll((client) => {
          const event = JSON.stringify({ e: "serverShutdown", E: now() })
          topics.tell(client, client.combined ? Clients.wrap("!serverShutdown", event) : event)
          runFork(Effect.zipRight(
            Effect.sleep(notice),
            Effect.sync(() => {
              client.ws.close(1001, "the server is going away")
            })
          ))
        }),
      Restart: ({ downtime }) =>
        shut.pipe(
          Effect.zipRight(Effect.sleep(downtime)),
          Effect.zipRight(listen(port)),
          Effect.orDie,
          Effect.asVoid
        ),
      RefuseUpgrades: (refusal) =>
        Effect.sync(() => {
          repeat(refusals.upgrades, refusal, refusal.times)
        }),
      DelayUpgrades: ({ delay, times }) =>
        Effect.sync(() => {
          repeat(delays, delay, times)
        }),
      FailRest: (refusal) =>
        Effect.sync(() => {
          repeat(refusals.rest, refusal, refusal.times)
        })
    })

    const script: Exchange["script"] = (faults, { repeat = false } = {}) => {
      const once = Effect.forEach(
        faults,
        ({ after, fault: scripted }) => Effect.zipRight(Effect.sleep(after), fault(scripted)),
        { discard: true }
      )
      return repeat ? Effect.forever(once) : once
    }

    // -----------------------------------------------------------------------------------------------------------------
    // Playing a recording

    const someone: Effect.Effect<void> = Effect.suspend(() => {
      const hears = (client: Client) => Clients.isListening(client) && [...client.streams].some((name) => recorded.has(name))
      if ([...clients].some(hears)) return Effect.void
      attached.unsafeClose()
      return Effect.zipRight(attached.await, someone)
    })

    // Completes when the operating system has it, or the socket has failed.
    const hand = (client: Client, text: string) =>
      Effect.async<void>((resume) => {
        const sent = Clients.send(client, text, () => {
          resume(Effect.void)
        })
        if (sent) stats.sent++
        else resume(Effect.void)
      })

    const play = ({ cuts = [], frames, speed = Number.POSITIVE_INFINITY }: Replay) =>
      Effect.forEach(frames, (played, i) => {
        const { frame, receivedAt } = played
        const pace = Duration.seconds(Math.max(0, receivedAt - (frames[i - 1]?.receivedAt ?? receivedAt)) / speed)
        const name = streamOf(played)
        return Effect.sleep(pace).pipe(
          Effect.zipRight(someone),
          Effect.zipRight(Effect.suspend(() =>
            Effect.forEach([...clients].filter(({ streams }) => streams.has(name)), (client) => hand(client, frame))
          )),
          Effect.zipRight(Effect.suspend(() => {
            stats.replayed++
            return Effect.forEach(cuts.filter(({ after }) => after === stats.replayed), (cut) => fault(cut.fault))
          }))
        )
      }, { discard: true })

    yield* Effect.forkScoped(Effect.repeat(Effect.sync(() => {
      topics.advance(now())
    }), Schedule.spaced(Duration.millis(Market.slotMillis))))
    yield* Effect.forkScoped(Effect.schedule(pingAll, Schedule.spaced(pingInterval)))
    if (options.replay !== undefined) yield* Effect.forkScoped(play(options.replay))

    const exchange: Exchange = {
      port,
      wsUrl: `ws://${host}:${port}`,
      restUrl: `http://${host}:${port}`,
      markets,
      fault,
      script,
      stats: Effect.sync(() => ({ ...stats, open: clients.size, violations: limits.violations() }))
    }
    return exchange
  })

/**
 * A layer with an exchange that runs as long as the layer lives.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<Exchange, ExchangeError> => Layer.scoped(Exchange, make(options))
