// Runs a real feed on real sockets, through a proxy that breaks the network, to an exchange that breaks itself. Faults injection
// one after the other, each once the data is whole again.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { PCGRandom } from "effect/Utils"
import type { ConnectionError } from "holdfast"
import { Connection, DialGate, type Transport } from "holdfast"
import * as NodeTransport from "holdfast/NodeTransport"
import type { MarketEvent, OrderBook } from "holdfast/binance"
import { BinanceFeed, Venue } from "holdfast/binance"
import { Decimal, Exchange, Fault, Market } from "holdfast/binance/exchange"
import * as FaultProxy from "../../utils/FaultProxy.ts"
import * as WallClock from "../../utils/WallClock.ts"
import * as Witness from "./Witness.ts"

/** The settings of a user who wants to recover quickly. */
export const settings = {
  reconnect: { initialDelay: "50 millis", maxDelay: "500 millis", stableAfter: 0, maxRetries: "unlimited" },
  openTimeout: "1 second",
  messageTimeout: "1 second",
  pingInterval: "500 millis",
  pongTimeout: "500 millis",
  closeTimeout: "300 millis",
  maxMessageBytes: 64 * 1024
} as const

/** The limits that are raised, since faults injection more often than an exchange's limits allow. All others stand. */
export const limits = { dialsPerFiveMinutes: 1_000_000, weightPerMinute: 10_000_000 }

// Data that was on its way when a fault struck has arrived by then. Only data made later proves that data flows again.
const inFlight = Duration.millis(150)

/** A run that is not whole again by then has not recovered from the fault. */
export const deadline = Duration.seconds(30)

// One symbol has characters of several bytes, as some of Binance's have.
const instruments: ReadonlyArray<Market.Instrument> = [
  ...Market.instruments.slice(0, 3),
  { symbol: "币安人生USDT", base: "币安人生", quote: "USDT", priceDecimals: 2, quantityDecimals: 3, price: 15_000, lots: 2_000 }
]

// ---------------------------------------------------------------------------------------------------------------------
// The faults

type Cause = ConnectionError.AttemptError | ConnectionError.ReconnectRequested

interface Scene {
  readonly exchange: Exchange.Exchange
  readonly proxy: FaultProxy.FaultProxy
  readonly feed: BinanceFeed.BinanceFeed
  /** A random whole number between the two, such as a time in milliseconds. */
  readonly between: (least: number, most: number) => number
  /** The clock of the feed. */
  readonly wall: WallClock.WallClock
  /** The reasons for which the feed has lost a connection so far. */
  readonly lost: ReadonlyArray<Cause>
}

/** What was promised of a fault, and was not so. */
class Broken extends Data.TaggedError("Broken")<{ readonly detail: string }> {}

type Injection = (scene: Scene) => Effect.Effect<void, Broken>

const network = (faultOf: (between: Scene["between"]) => FaultProxy.Fault): Injection => ({ between, proxy }) =>
  proxy.inject(faultOf(between))

const venue = (...faults: ReadonlyArray<Fault.Fault>): Injection => ({ exchange }) =>
  Effect.forEach(faults, exchange.fault, { discard: true })

const F = FaultProxy.Fault

const check = (isSo: boolean, detail: string) => isSo ? Effect.void : new Broken({ detail })

// Runs two effects at the same time. The first one begins first.
const beside = <E>(first: Effect.Effect<void>, second: Effect.Effect<void, E>) =>
  Effect.all([first, Effect.delay(second, "10 millis")], { concurrency: "unbounded", discard: true })

const pick = (numbers: readonly [number, ...ReadonlyArray<number>], between: Scene["between"]): number =>
  numbers[between(0, numbers.length - 1)] ?? numbers[0]

const describe = ({ lost }: Scene, since: number) => lost.slice(since).map(({ message }) => message).join("; ")

/** Injects a fault that may end no connection. */
const harmless = (injection: Injection): Injection => (scene) =>
  Effect.suspend(() => {
    const before = scene.lost.length
    return Effect.zipRight(
      Effect.zipRight(injection(scene), Effect.sleep(inFlight)),
      Effect.suspend(() => check(scene.lost.length === before, `a connection was lost: ${describe(scene, before)}`))
    )
  })

/** The close codes after which a client dials again. 1013 makes it wait for five seconds. */
const passingCodes = [1000, 1001, 1012, 1013, 4001] as const

/** A close frame, after which TCP stays open. What counts is its code, at once, and not a deadline. */
const closeWithoutFin: Injection = (scene) =>
  Effect.suspend(() => {
    const { between, exchange, lost, proxy } = scene
    const before = lost.length
    const code = pick(passingCodes, between)
    return Effect.zipRight(
      beside(proxy.inject(F.Linger({ lasts: 800 })), exchange.fault(Fault.Close({ code, reason: "bye" }))),
      Effect.suspend(() => {
        const causes = lost.slice(before)
        const areRight = causes.every((cause) => cause._tag === "ConnectionClosed" && cause.code === code && cause.reason === "bye")
        return check(causes.length > 0 && areRight, `close code ${code} was taken for: ${describe(scene, before)}`)
      })
    )
  })

/** The statuses that are final for a first dial. */
const finalStatuses = [302, 400, 404, 410, 421] as const

const onPlatform = <A, E>(effect: Effect.Effect<A, E, Transport.Transport | Scope.Scope>) =>
  Effect.scoped(Effect.provide(effect, NodeTransport.layer))

/** A connection that is refused at its first dial fails at once. It works later. */
const refusedAtFirst: Injection = ({ between, exchange }) =>
  onPlatform(Effect.gen(function*() {
    const status = pick(finalStatuses, between)
    yield* exchange.fault(Fault.RefuseUpgrades({ times: 1, status }))
    const connection = yield* Effect.orDie(Connection.make({ ...settings, url: `${exchange.wsUrl}/ws/btcusdt@trade` }))
    const refused = yield* Effect.either(connection.awaitOpen)
    const isRight = Either.isLeft(refused) && refused.left._tag === "HandshakeRejected" && refused.left.status === status
    yield* check(isRight && (yield* connection.state)._tag === "Failed", `status ${status} at the first dial did not end it`)
    yield* Effect.mapError(
      Effect.zipRight(connection.connect, connection.awaitOpen),
      ({ message }) => new Broken({ detail: `it did not work later: ${message}` })
    )
  }))

const opened = (connection: Connection.Connection) =>
  Effect.mapError(connection.awaitOpen, ({ message }) => new Broken({ detail: `it did not open: ${message}` }))

const firstLoss = (connection: Connection.Connection) =>
  Stream.runHead(Stream.filterMap(connection.events, (event) =>
    event._tag === "Lost" ? Option.some(event.cause) : Option.none()))

// More than the kernel's buffers hold.
const large = "x".repeat(16 * 1024 * 1024)

/**
 * Makes a connection through the proxy, on which a large message is sent while the proxy takes no byte of it. The cut must end
 * it with this cause, and the send must fail.
 */
const cutting = (
  cause: Cause["_tag"] | undefined,
  cut: (scene: Scene, connection: Connection.Connection) => Effect.Effect<void>
): Injection => (scene) =>
  onPlatform(Effect.gen(function*() {
    const connection = yield* Effect.orDie(Connection.make({ ...settings, url: `ws://127.0.0.1:${scene.proxy.port}/ws/btcusdt@trade` }))
    const losing = yield* Effect.forkScoped(firstLoss(connection))
    yield* opened(connection)
    const send = Effect.flatMap(Effect.either(connection.send(large)), (sent) =>
      check(
        Either.isLeft(sent) && sent.left._tag === "SendFailed",
        `a message that was cut ${Either.isRight(sent) ? "counts as sent" : `failed with: ${sent.left.message}`}`
      ))
    yield* beside(cut(scene, connection), send)
    if (cause !== undefined) {
      const lost = yield* Effect.timeoutOption(Fiber.join(losing), "10 seconds")
      const seen = Option.getOrUndefined(Option.flatten(lost))?._tag
      yield* check(seen === cause, `it ended with ${seen ?? "nothing"}, not with ${cause}`)
    }
    yield* Effect.mapError(connection.connect, ({ message }) => new Broken({ detail: message }))
    yield* opened(connection)
  }))

// Its bytes are held for longer than the deadline for a pong.
const heldBack = F.Stall({ lasts: 1_300 })

const hour = 3_600_000

const setsWall = ({ between, wall }: Scene) => wall.move((2 * between(0, 1) - 1) * between(hour / 2, hour))

/** After the machine has slept, a peer that has gone is found out at once, although the next ping is far away. */
const sleptThrough: Injection = (scene) =>
  Effect.withClock(
    onPlatform(Effect.gen(function*() {
      const connection = yield* Effect.orDie(Connection.make({
        ...settings,
        messageTimeout: "1 minute",
        pingInterval: "1 minute",
        url: `ws://127.0.0.1:${scene.proxy.port}/ws/btcusdt@trade`
      }))
      const losing = yield* Effect.forkScoped(firstLoss(connection))
      yield* opened(connection)
      const finding = Effect.gen(function*() {
        yield* setsWall(scene)
        const found = yield* Effect.timeoutOption(Fiber.join(losing), "10 seconds")
        yield* check(Option.isSome(found), "a peer that had gone was not found out")
      })
      yield* beside(scene.proxy.inject(F.HalfOpen({ lasts: 1_000 })), finding)
      yield* opened(connection)
    })),
    scene.wall.clock
  )

/** The kinds of faults: of the network, of the exchange, and of the network while the user renews connections. */
export const kinds: Readonly<Record<string, Injection>> = {
  "network: reset": network(() => F.Reset()),
  "network: FIN": network(() => F.Finish()),
  "network: blackhole to the exchange": network((between) => F.BlackholeUp({ lasts: between(500, 1_500) })),
  "network: blackhole to the client": network((between) => F.BlackholeDown({ lasts: between(500, 1_500) })),
  "network: half-open": network((between) => F.HalfOpen({ lasts: between(500, 1_500) })),
  "network: stall": network((between) => F.Stall({ lasts: between(100, 1_200) })),
  "network: latency": network((between) => F.Latency({ delay: between(20, 200), lasts: between(300, 1_000) })),
  "network: bandwidth": network((between) =>
    F.Bandwidth({ bytesPerSecond: between(5_000, 100_000), lasts: between(300, 1_200) })
  ),
  "network: split frames": network((between) => F.Split({ most: between(1, 24), lasts: between(200, 600) })),
  "network: refuse": network((between) => F.Refuse({ lasts: between(50, 700) })),
  "network: slow message": harmless(({ exchange, proxy }) =>
    beside(
      proxy.inject(F.Bandwidth({ bytesPerSecond: 20_000, lasts: 2_700 })),
      exchange.fault(Fault.Oversize({ bytes: 50_000 }))
    )),
  "network: close frame without FIN": closeWithoutFin,
  "network: accept, then close": network((between) => F.AcceptThenClose({ lasts: between(50, 700) })),
  "exchange: drop": venue(Fault.Drop()),
  "exchange: reset": venue(Fault.Reset()),
  "exchange: close 1001": venue(Fault.Close({ code: 1001, reason: "going away" })),
  "exchange: close 1008": venue(Fault.Close({ code: 1008, reason: "policy" })),
  "exchange: close 1011": venue(Fault.Close({ code: 1011, reason: "oops" })),
  "exchange: close 1012": venue(Fault.Close({ code: 1012, reason: "restarting" })),
  "exchange: malformed": venue(Fault.Malformed()),
  "exchange: oversize": venue(Fault.Oversize({ bytes: 100_000 })),
  "exchange: protocol violation": venue(Fault.Violation()),
  "exchange: silence": venue(Fault.Mute()),
  "exchange: vanishes": venue(Fault.Vanish()),
  "exchange: shutdown": venue(Fault.Shutdown({ notice: "400 millis" })),
  "exchange: restart": ({ between, exchange }) => exchange.fault(Fault.Restart({ downtime: between(50, 600) })),
  "exchange: 503": venue(Fault.RefuseUpgrades({ times: 2, status: 503, retryAfter: "1" }), Fault.Reset()),
  "exchange: 500": venue(Fault.RefuseUpgrades({ times: 2, status: 500 }), Fault.Reset()),
  "exchange: 429": venue(Fault.RefuseUpgrades({ times: 1, status: 429, retryAfter: "1" }), Fault.Drop()),
  "exchange: slow upgrade": venue(Fault.DelayUpgrades({ times: 1, delay: "1300 millis" }), Fault.Reset()),
  "REST: 503": venue(Fault.FailRest({ times: 6, status: 503 }), Fault.Reset()),
  "REST: 429": venue(Fault.FailRest({ times: 1, status: 429, retryAfter: "1" }), Fault.Drop()),
  "exchange: refuses for a while": ({ between, exchange }) =>
    Effect.zipRight(
      exchange.fault(Fault.RefuseUpgrades({ times: 3, status: pick([401, ...finalStatuses], between) })),
      exchange.fault(Fault.Reset())
    ),
  "exchange: 403": venue(Fault.RefuseUpgrades({ times: 1, status: 403 }), Fault.Reset()),
  "clock: set": harmless((scene) => Effect.zipRight(setsWall(scene), Effect.sleep("1500 millis"))),
  "clock: set during a recovery": (scene) => beside(scene.proxy.inject(F.Reset()), Effect.delay(setsWall(scene), scene.between(0, 300))),
  "clock: set, and the peer has gone": sleptThrough,
  "user: refused at the first dial": refusedAtFirst,
  "user: send, cut by a FIN": cutting("ConnectionClosed", ({ proxy }) => proxy.inject(F.Unread({ after: 200, lasts: 1_300 }))),
  "user: send, cut by a deadline": cutting("ConnectionTimeout", ({ proxy }) => proxy.inject(heldBack)),
  "user: send, cut by a reconnect": cutting("ReconnectRequested", ({ proxy }, { reconnect }) =>
    beside(proxy.inject(heldBack), Effect.delay(Effect.ignore(reconnect("asked for")), 200))),
  "user: send, cut by a disconnect": cutting(undefined, ({ proxy }, { disconnect }) =>
    beside(proxy.inject(heldBack), Effect.delay(disconnect, 200))),
  "user: renewal, cut": ({ between, exchange, feed }) =>
    Effect.all([feed.rotate, Effect.delay(exchange.fault(Fault.ResetOne()), between(0, 300))], {
      concurrency: "unbounded",
      discard: true
    })
}

/** The names of all kinds. The bad certificate has a connection of its own, and is not in `kinds`. */
export const names: ReadonlyArray<string> = [...Object.keys(kinds), "TLS: bad certificate"]

/** Deals the kinds in random order, each once before any comes again. */
const deal = function*(random: PCGRandom, only: ReadonlyArray<string>): Generator<string, never> {
  for (;;) {
    const deck = [...only]
    while (deck.length > 0) yield* deck.splice(random.integer(deck.length), 1)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The checks

interface Watched {
  readonly name: string
  readonly witness: Witness.Witness
  /** The exchange's newest position. */
  readonly newest: () => number
}

interface Gaps {
  readonly byCause: Map<string, number>
}

const levelsOf = (market: Market.Market, side: OrderBook.Side) =>
  JSON.stringify(market.book.levels(side, 5_000).map(([price, quantity]) => [
    Decimal.format(price, market.instrument.priceDecimals),
    Decimal.format(quantity, market.instrument.quantityDecimals)
  ]))

/** The recovery from one fault. */
export interface Healing {
  readonly kind: string
  /** When the fault struck, in milliseconds since the run began. */
  readonly at: number
  /** The time from the end of the fault until data flowed again, in milliseconds. Undefined: it never did. */
  readonly back: number | undefined
  /**
   * The time from the end of the fault until every stream and book had reached the position of the exchange soon after it,
   * in milliseconds. Undefined: they never did.
   */
  readonly whole: number | undefined
  /** The kind of the stream that was whole last, or `book`. Undefined: all were whole when data flowed again. */
  readonly last?: string | undefined
}

export interface Report {
  readonly healings: ReadonlyArray<Healing>
  readonly streams: Readonly<Record<string, Witness.Verdict>>
  readonly gapsByCause: Readonly<Record<string, number>>
  readonly fetched: number
  readonly books: { readonly equal: number; readonly different: number; readonly stale: number }
  readonly dials: number
  readonly outages: number
  readonly invalidMessages: number
  /** How often each limit of the exchange was exceeded, by its name. */
  readonly violations: Readonly<Record<string, number>>
  /** The streams and connections that ended, and why. */
  readonly ended: ReadonlyArray<string>
  /** What was promised of a fault, and was not so. */
  readonly broken: ReadonlyArray<string>
}

export interface Options {
  /** The number of faults. */
  readonly faults: number
  readonly seed: number
  /** No fault strikes after this time. Default: no limit. */
  readonly lasts?: Duration.DurationInput | undefined
  readonly kinds?: ReadonlyArray<string> | undefined
  readonly tradesPerSecond?: number | undefined
  /** The longest pause between two faults. Default: 300 milliseconds. */
  readonly pause?: Duration.DurationInput | undefined
  readonly onHealing?: ((healing: Healing) => void) | undefined
}

const follow = <A extends MarketEvent.MarketEvent>(options: {
  readonly witness: Witness.Witness
  readonly stream: BinanceFeed.Events<A>
  readonly read: (event: A) => { readonly from: number; readonly to: number; readonly isTrue: boolean } | undefined
  /** Maps a bound of a gap to a position. */
  readonly position?: (bound: number) => number
  readonly possible: ReadonlyArray<string>
  readonly gaps: Gaps
  readonly onFetched: () => void
}) => {
  const { gaps, onFetched, position = (bound: number) => bound, possible, read, stream, witness } = options
  const isGap = (event: A | MarketEvent.Gap): event is MarketEvent.Gap => event.type === "gap"
  return Stream.runForEach(stream, (event) =>
    Effect.sync(() => {
      if (isGap(event)) {
        const { cause: { _tag }, from, to } = event.data
        gaps.byCause.set(_tag, (gaps.byCause.get(_tag) ?? 0) + 1)
        witness.gap(
          from === undefined ? undefined : position(from),
          to === undefined ? undefined : position(to),
          possible.includes(_tag)
        )
        return
      }
      if (event.via === "rest") onFetched()
      const seen = read(event)
      if (seen !== undefined) witness.event(seen.from, seen.to, seen.isTrue)
    }))
}

// The only possible causes of gaps in repairable streams: the exchange keeps its history long enough and does not lag.
const restCauses = ["RestUnavailable", "RestLimited"]

const second = 1_000

const watchMarket = (feed: BinanceFeed.BinanceFeed, market: Market.Market, gaps: Gaps, onFetched: () => void) => {
  const { priceDecimals, quantityDecimals, symbol } = market.instrument
  const price = (ticks: number) => Decimal.format(ticks, priceDecimals)
  const quantity = (lots: number) => Decimal.format(lots, quantityDecimals)
  const common = { gaps, onFetched }
  const matches = (truth: Market.Trade | undefined, id: number, data: { readonly p: string; readonly q: string; readonly m: boolean; readonly T: number; readonly s: string }) =>
    truth?.id === id && price(truth.price) === data.p && quantity(truth.quantity) === data.q &&
    truth.buyerIsMaker === data.m && truth.time === data.T && data.s === symbol

  const trades: Watched = {
    name: `${symbol} trades`,
    witness: Witness.make(),
    newest: () => market.trades.nextKey(1) - 1
  }
  const aggTrades: Watched = {
    name: `${symbol} aggTrades`,
    witness: Witness.make(),
    newest: () => market.aggTrades.nextKey(1) - 1
  }
  const klines: Watched = {
    name: `${symbol} klines`,
    witness: Witness.make(),
    newest: () => (market.candles("1s").last(1)[0]?.start ?? 0) / second
  }
  let depthAt = 0
  const depth: Watched = {
    name: `${symbol} depth`,
    witness: Witness.make(),
    newest: () => depthAt
  }
  return {
    // Not `depth`: the exchange does not tell which updates it has sent. Updates missing at the end show in the book.
    watched: [trades, aggTrades, klines],
    depth,
    reading: [
      follow({
        ...common,
        witness: trades.witness,
        stream: feed.trades(symbol),
        possible: restCauses,
        read: ({ data }) => ({
          from: data.t,
          to: data.t,
          isTrue: matches(market.trades.from(data.t, 1)[0], data.t, data)
        })
      }),
      follow({
        ...common,
        witness: aggTrades.witness,
        stream: feed.aggTrades(symbol),
        possible: restCauses,
        read: ({ data }) => {
          const truth = market.aggTrades.from(data.a, 1)[0]
          return {
            from: data.a,
            to: data.a,
            isTrue: matches(truth, data.a, data) && truth?.firstTrade === data.f && truth.lastTrade === data.l
          }
        }
      }),
      follow({
        ...common,
        witness: klines.witness,
        stream: feed.klines(symbol, "1s"),
        position: (bound) => Math.floor(bound / second),
        possible: restCauses,
        read: ({ data: { k, s } }) => {
          if (!k.x) return undefined
          const truth = market.candles("1s").from(k.t, 1)[0]
          return {
            from: k.t / second,
            to: k.t / second,
            isTrue: truth !== undefined && truth.start === k.t && s === symbol && truth.trades === k.n && price(truth.open) === k.o &&
              price(truth.close) === k.c && price(truth.high) === k.h && price(truth.low) === k.l &&
              quantity(truth.volume) === k.v
          }
        }
      }),
      follow({
        ...common,
        witness: depth.witness,
        stream: feed.depth(symbol),
        possible: ["NotRepairable"],
        read: ({ data }) => {
          depthAt = data.u
          return { from: data.U, to: data.u, isTrue: data.s === symbol }
        }
      })
    ]
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The bad certificate

/**
 * Dials a server with an untrusted certificate: the connection must fail at once, with that error. Then `connect` to the
 * exchange must work. Returns how long that took, in milliseconds, or undefined when something was wrong.
 */
export const badCertificate = (exchange: Exchange.Exchange, proxy: FaultProxy.FaultProxy) =>
  Effect.gen(function*() {
    const url = yield* Ref.make(`wss://127.0.0.1:${proxy.badCertificatePort}/ws/btcusdt@trade`)
    const connection = yield* Connection.make({ ...settings, url: Ref.get(url) })
    const refused = yield* Effect.either(connection.awaitOpen)
    const { _tag } = yield* connection.state
    if (Either.isRight(refused) || refused.left._tag !== "DialFailed" || _tag !== "Failed") return undefined
    if (refused.left.code !== "DEPTH_ZERO_SELF_SIGNED_CERT") return undefined
    const [took, first] = yield* Effect.timed(Effect.gen(function*() {
      yield* Ref.set(url, `${exchange.wsUrl}/ws/btcusdt@trade`)
      yield* connection.connect
      return yield* Stream.runHead(connection.messages)
    }))
    return Option.isSome(first) ? Math.round(Duration.toMillis(took)) : undefined
  }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer))

// ---------------------------------------------------------------------------------------------------------------------

const platform = Layer.merge(NodeTransport.layer, FetchHttpClient.layer)

/** Runs the faults, and reports on every fault, stream and book. */
export const run = (options: Options): Effect.Effect<Report, unknown, Scope.Scope> =>
  Effect.gen(function*() {
    const random = new PCGRandom(options.seed)
    const between = (least: number, most: number) => least + random.integer(most - least + 1)
    const exchange = yield* Exchange.make({
      seed: options.seed,
      instruments,
      tradesPerSecond: options.tradesPerSecond ?? 50,
      // More than the events of the longest recovery. It is full after three minutes, so that it adds nothing to the memory
      // growth measured after that.
      history: 8_000,
      candles: 120,
      limits
    })
    const proxy = yield* FaultProxy.make(exchange.port, options.seed)
    const wall = yield* WallClock.make
    const feed = yield* BinanceFeed.make({
      venue: {
        ...Venue.make({ ws: `ws://127.0.0.1:${proxy.port}`, rest: `http://127.0.0.1:${proxy.port}` }),
        weightPerMinute: limits.weightPerMinute
      },
      connection: settings,
      renewalTimeout: "2 seconds",
      rest: { timeout: "1 second" }
    }).pipe(
      Effect.provide(platform),
      Effect.provideService(DialGate.DialGate, DialGate.make({ limit: limits.dialsPerFiveMinutes })),
      Effect.withClock(wall.clock)
    )

    // -----------------------------------------------------------------------------------------------------------------

    const counts = { fetched: 0, dials: 0, outages: 0, invalidMessages: 0 }
    const ended: Array<string> = []
    const broken: Array<string> = []
    const lost: Array<Cause> = []
    const gaps: Gaps = { byCause: new Map() }
    const noteEnd = (name: string) => <A, E>(exit: Exit.Exit<A, E>) =>
      Effect.sync(() => {
        if (!Exit.isInterrupted(exit)) ended.push(`${name}: ${String(Exit.isFailure(exit) ? exit.cause : "ended")}`)
      })

    yield* Effect.forkScoped(Stream.runForEach(feed.events, (event) =>
      Effect.sync(() => {
        if (event._tag === "InvalidMessage") counts.invalidMessages++
        if (event._tag !== "Connection") return
        if (event.event._tag === "Dialling") counts.dials++
        if (event.event._tag === "Lost") {
          counts.outages++
          lost.push(event.event.cause)
        }
        if (event.event._tag === "Failed") ended.push(`${event.connection}: ${event.event.error.message}`)
      })))

    const markets = [...exchange.markets.values()]
    const watching = markets.map((market) =>
      watchMarket(feed, market, gaps, () => {
        counts.fetched++
      })
    )
    const watched = watching.flatMap(({ watched }) => watched)
    yield* Effect.forEach(watching, ({ reading, watched }) =>
      Effect.forEach(reading, (stream, i) =>
        Effect.forkScoped(Effect.onExit(Effect.withClock(stream, wall.clock), noteEnd(watched[i]?.name ?? "depth")))))

    const books = { equal: 0, different: 0, stale: 0 }
    const kept = yield* Effect.forEach(markets, (market) =>
      Effect.map(Effect.withClock(feed.orderBook(market.instrument.symbol, { levels: 500 }), wall.clock), (book) => ({ market, book })))
    yield* Effect.forEach(kept, ({ book, market }) =>
      Effect.forkScoped(Effect.onExit(book.ended, noteEnd(`the book of ${market.instrument.symbol}`))))
    // A reader of the changes, so that the book holds none for a later one.
    yield* Effect.forEach(kept, ({ book }) => Effect.forkScoped(Effect.ignore(Stream.runDrain(book.changes))))
    yield* Effect.forkScoped(Effect.forEach(kept, ({ book, market }) =>
      Effect.repeat(
        Effect.map(Effect.option(book.top(5_000)), (top) => {
          if (Option.isNone(top)) books.stale++
          // Between two updates the exchange is ahead. The books are comparable when they have the same update id.
          else if (market.book.lastId() === top.value.lastUpdateId) {
            const equal = JSON.stringify(top.value.bids) === levelsOf(market, "bids") &&
              JSON.stringify(top.value.asks) === levelsOf(market, "asks")
            books[equal ? "equal" : "different"]++
          }
        }),
        Schedule.spaced("20 millis")
      ), { concurrency: "unbounded", discard: true }))

    // -----------------------------------------------------------------------------------------------------------------

    // Notes the exchange's positions now, and tells when the feed has reached them.
    const mark = () => {
      const goals = watched.map(({ name, newest, witness }) => ({ name, witness, goal: newest() }))
      const bookGoals = kept.map(({ book, market }) => ({ book, goal: market.book.lastId() }))
      // The kind of a stream that has not reached its position, such as `klines`.
      const lagging = () => goals.find(({ goal, witness }) => (witness.next() ?? 0) <= goal)?.name.split(" ")[1]
      const booksAre = Effect.map(
        Effect.forEach(bookGoals, ({ book, goal }) =>
          Effect.map(Effect.option(book.top(1)), (top) => Option.isSome(top) && top.value.lastUpdateId >= goal)),
        (all) => all.every((good) => good)
      )
      const flows = () =>
        goals.some(({ goal, witness }) => (witness.next() ?? 0) > goal + 1)
      const missing = Effect.suspend(() => {
        const name = lagging()
        return name === undefined ? Effect.map(booksAre, (are) => are ? undefined : "book") : Effect.succeed(name)
      })
      return { flows, missing }
    }

    const heal = Effect.gen(function*() {
      const start = yield* Clock.currentTimeMillis
      yield* Effect.sleep(inFlight)
      const { flows, missing } = mark()
      let back: number | undefined
      let last: string | undefined
      const whole = yield* Effect.repeat(
        Effect.gen(function*() {
          const passed = (yield* Clock.currentTimeMillis) - start
          if (flows()) back ??= passed
          const now = yield* missing
          last = now ?? last
          return now === undefined
        }),
        { until: (whole) => whole, schedule: Schedule.spaced("5 millis") }
      ).pipe(Effect.timeoutOption(deadline))
      const passed = (yield* Clock.currentTimeMillis) - start
      return Option.isSome(whole) ? { back: back ?? passed, whole: passed, last } : { back, whole: undefined, last }
    })

    // Waits until all streams have begun and are whole.
    yield* Effect.repeat(Effect.sync(() => watched.every(({ witness }) => witness.next() !== undefined)), {
      until: (begun) => begun,
      schedule: Schedule.spaced("20 millis")
    })
    yield* heal

    const healings: Array<Healing> = []
    const start = yield* Clock.currentTimeMillis
    const end = options.lasts === undefined ? Infinity : start + Duration.toMillis(options.lasts)
    const pause = Duration.toMillis(options.pause ?? "300 millis")
    const deck = deal(random, options.kinds ?? names)
    while (healings.length < options.faults && (yield* Clock.currentTimeMillis) < end) {
      const kind = deck.next().value
      yield* Effect.sleep(between(0, pause))
      const at = (yield* Clock.currentTimeMillis) - start
      const injection = kinds[kind]
      const healing: Healing = injection === undefined
        ? yield* Effect.map(Effect.timeoutTo(badCertificate(exchange, proxy), {
          duration: deadline,
          onTimeout: () => undefined,
          onSuccess: (took) => took
        }), (took) => ({ kind, at, back: took, whole: took }))
        : yield* injection({ exchange, proxy, feed, between, lost, wall }).pipe(
          Effect.catchAll(({ detail }) => Effect.sync(() => {
            broken.push(`${kind}: ${detail}`)
          })),
          Effect.zipRight(heal),
          Effect.map((healed) => ({ kind, at, ...healed }))
        )
      healings.push(healing)
      options.onHealing?.(healing)
    }
    // The streams must reach the exchange's present positions: events that are not there by then are lost.
    const newest = watched.map((one) => one.newest())
    yield* heal
    return {
      healings,
      streams: Object.fromEntries([
        ...watched.map(({ name, witness }, i) => [name, witness.verdict(newest[i] ?? 0)] as const),
        ...watching.map(({ depth: { name, newest, witness } }) => [name, witness.verdict(newest())] as const)
      ]),
      gapsByCause: Object.fromEntries(gaps.byCause),
      ...counts,
      books,
      violations: { ...(yield* exchange.stats).violations },
      ended,
      broken
    }
  })

/** Everything that is wrong with a run. Empty when nothing is. */
export const faultsOf = (report: Report): ReadonlyArray<string> => {
  const total = Witness.sum(Object.values(report.streams))
  const wrong: Array<string> = []
  const complain = (count: number, what: string) => {
    if (count > 0) wrong.push(`${count} ${what}`)
  }
  complain(report.healings.filter(({ whole }) => whole === undefined).length, "faults were not recovered from")
  complain(total.lost, "events were lost")
  complain(total.repeated, "events came twice")
  complain(total.outOfOrder, "events came out of order")
  complain(total.wrong, "events differed from the exchange's")
  complain(total.falseGaps, "gaps were false")
  complain(Math.abs(total.produced - total.received - total.lost - total.declared), "events are unaccounted for")
  complain(report.books.different, "comparisons of a book with the exchange's differed")
  complain(report.ended.length, "streams or connections ended")
  wrong.push(...report.broken)
  for (const [limit, count] of Object.entries(report.violations)) complain(count, `times the limit of ${limit} was exceeded`)
  return wrong
}
