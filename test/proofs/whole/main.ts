// Tests at full size that the data is whole, against the embedded exchange with all its limits: `npm run whole -- --json`.
// The test suite does the same at a smaller size.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { parseArgs } from "node:util"
import * as NodeTransport from "holdfast/NodeTransport"
import type { OrderBook , MarketEvent} from "holdfast/binance"
import { BinanceFeed, Venue } from "holdfast/binance"
import { Decimal, Exchange, Fault, Market } from "holdfast/binance/exchange"

const { values } = parseArgs({
  options: {
    trades: { type: "string", default: "50000" },
    breaks: { type: "string", default: "100" },
    checkpoints: { type: "string", default: "1000" },
    rollovers: { type: "string", default: "100" },
    streams: { type: "string", default: "3000" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false }
  }
})
const size = {
  trades: Number(values.trades),
  breaks: Number(values.breaks),
  checkpoints: Number(values.checkpoints),
  rollovers: Number(values.rollovers),
  streams: Number(values.streams)
}

const symbols = Market.instruments.map(({ symbol }) => symbol)
const platform = Layer.merge(NodeTransport.layer, FetchHttpClient.layer)
const quick = { initialDelay: "50 millis", maxDelay: "500 millis", stableAfter: 0, maxRetries: "unlimited" } as const

const start = (options: Partial<BinanceFeed.Options> = {}) =>
  Effect.gen(function*() {
    const exchange = yield* Exchange.make({ seed: Number(values.seed), tradesPerSecond: 100 })
    const feed = yield* BinanceFeed.make({
      venue: Venue.make({ ws: exchange.wsUrl, rest: exchange.restUrl }),
      connection: { reconnect: quick, messageTimeout: "1 second", maxMessageBytes: 64 * 1024 },
      ...options
    }).pipe(Effect.provide(platform))
    return { exchange, feed }
  })

// Two of them fail REST requests, and then the connection.
const faults: ReadonlyArray<ReadonlyArray<Fault.Fault>> = [
  [Fault.Reset()],
  [Fault.Drop()],
  [Fault.Close({ code: 1001, reason: "going away" })],
  [Fault.Close({ code: 1011, reason: "oops" })],
  [Fault.Malformed(), Fault.Reset()],
  [Fault.Oversize({ bytes: 100_000 })],
  [Fault.Violation()],
  [Fault.Restart({ downtime: "300 millis" })],
  [Fault.FailRest({ times: 2, status: 503 }), Fault.Reset()],
  [Fault.FailRest({ times: 1, status: 429, retryAfter: "1" }), Fault.Drop()],
  [Fault.Mute()],
  [Fault.Vanish()],
  [Fault.RefuseUpgrades({ times: 2, status: 503, retryAfter: "1" }), Fault.Reset()]
]

const breakConnections = (exchange: Exchange.Exchange, times: number) =>
  Effect.forEach(Array.from({ length: times }, (_, i) => faults[i % faults.length] ?? []), (group) =>
    Effect.zipRight(Effect.sleep("2500 millis"), Effect.forEach(group, exchange.fault)), { discard: true })

// Counts what is wrong with a series of ids.
const judge = (ids: ReadonlyArray<number | "gap">) => {
  let lost = 0
  let repeated = 0
  let gaps = 0
  let last: number | undefined
  for (const id of ids) {
    if (id === "gap") gaps++
    else {
      if (last !== undefined && id > last + 1) lost += id - last - 1
      if (last !== undefined && id <= last) repeated++
      last = id
    }
  }
  return { read: ids.length, lost, repeated, gaps }
}

const idsOf = (events: ReadonlyArray<MarketEvent.Trade | MarketEvent.AggTrade | MarketEvent.Gap>) =>
  events.map((event) => event.type === "gap" ? "gap" as const : event.type === "trade" ? event.data.t : event.data.a)

const sum = (all: ReadonlyArray<ReturnType<typeof judge>>) =>
  all.reduce((a, b) => ({
    read: a.read + b.read,
    lost: a.lost + b.lost,
    repeated: a.repeated + b.repeated,
    gaps: a.gaps + b.gaps
  }))

const collect = <A, E>(stream: Stream.Stream<A, E>) => Effect.map(Stream.runCollect(stream), (chunk) => [...chunk])

const live = (feed: BinanceFeed.BinanceFeed, count: number) =>
  Effect.repeat(feed.subscriptions, {
    until: (all) => all.length === count && all.every(({ status }) => status === "live"),
    schedule: Schedule.spaced("20 millis")
  })

const trades = Effect.gen(function*() {
  const { exchange, feed } = yield* start()
  let fetched = 0
  const ids: Record<"trade" | "aggTrade", Array<Array<number | "gap">>> = { trade: [], aggTrade: [] }
  const follow = (type: keyof typeof ids, stream: BinanceFeed.Events<MarketEvent.Trade | MarketEvent.AggTrade>) => {
    const mine: Array<number | "gap"> = []
    ids[type].push(mine)
    return Stream.runForEach(stream, (event) =>
      Effect.sync(() => {
        if (event.type === "trade" && event.via === "rest") fetched++
        mine.push(...idsOf([event]))
      }))
  }
  yield* Effect.forkScoped(Effect.all(
    symbols.flatMap((symbol) => [follow("trade", feed.trades(symbol)), follow("aggTrade", feed.aggTrades(symbol))]),
    { concurrency: "unbounded" }
  ))
  yield* breakConnections(exchange, size.breaks)
  yield* Effect.repeat(Effect.sleep("100 millis"), {
    until: () => ids.trade.reduce((count, mine) => count + mine.length, 0) >= size.trades
  })
  return {
    breaks: size.breaks,
    trades: sum(ids.trade.map(judge)),
    aggTrades: sum(ids.aggTrade.map(judge)),
    fetched,
    violations: (yield* exchange.stats).violations
  }
})

const klines = Effect.gen(function*() {
  const { exchange, feed } = yield* start()
  yield* Effect.forkScoped(breakConnections(exchange, 20))
  const starts = yield* collect(feed.klines("BTCUSDT", "1s").pipe(
    Stream.filter((event) => event.type === "gap" || event.data.k.x),
    Stream.take(40),
    Stream.map((event) => event.type === "gap" ? "gap" as const : event.data.k.t / 1_000)
  ))
  return judge(starts)
})

const books = Effect.gen(function*() {
  const { exchange, feed } = yield* start()
  yield* Effect.forkScoped(breakConnections(exchange, size.breaks))
  const counts = { equal: 0, different: 0, stale: 0 }
  yield* Effect.forEach(symbols, (symbol) =>
    Effect.gen(function*() {
      const market = exchange.markets.get(symbol)
      const book = yield* feed.orderBook(symbol, { levels: 500 })
      if (market === undefined) return
      const { priceDecimals, quantityDecimals } = market.instrument
      const truth = (side: OrderBook.Side) =>
        JSON.stringify(market.book.levels(side, 5_000).map(([price, quantity]) => [
          Decimal.format(price, priceDecimals),
          Decimal.format(quantity, quantityDecimals)
        ]))
      yield* book.awaitSynced
      const check = Effect.map(Effect.option(book.top(5_000)), (top) => {
        if (Option.isNone(top)) counts.stale++
        // Between two updates the exchange is ahead. The books are comparable when they have the same update id.
        else if (market.book.lastId() === top.value.lastUpdateId) {
          const equal = JSON.stringify(top.value.bids) === truth("bids") && JSON.stringify(top.value.asks) === truth("asks")
          counts[equal ? "equal" : "different"]++
        }
      })
      yield* Effect.repeat(check, {
        until: () => counts.equal + counts.different >= size.checkpoints,
        schedule: Schedule.spaced("5 millis")
      })
    }), { concurrency: "unbounded", discard: true })
  return counts
})

const rollovers = Effect.gen(function*() {
  const { exchange, feed } = yield* start()
  const seen = { outages: 0, fetched: 0 }
  yield* Effect.forkScoped(Stream.runForEach(feed.events, (event) =>
    Effect.sync(() => {
      if (event._tag === "Connection" && event.event._tag === "Lost") seen.outages++
      if (event._tag === "Repaired") seen.fetched += event.events
    })))
  const ids: Array<Array<number | "gap">> = []
  const reading = yield* Effect.fork(Effect.forEach(symbols, (symbol) => {
    const mine: Array<number | "gap"> = []
    ids.push(mine)
    return Stream.runForEach(feed.trades(symbol), (event) =>
      Effect.sync(() => mine.push(event.type === "gap" ? "gap" : event.data.t)))
  }, { concurrency: "unbounded" }))
  yield* live(feed, symbols.length)
  let renewed = 0
  for (let i = 0; i < size.rollovers; i++) renewed += yield* feed.rotate
  yield* Fiber.interrupt(reading)
  return { renewed, ...sum(ids.map(judge)), ...seen, violations: (yield* exchange.stats).violations }
})

const many = Effect.gen(function*() {
  const { exchange, feed } = yield* start()
  const names = [
    ...symbols.map((symbol) => `${symbol.toLowerCase()}@trade`),
    ...Array.from({ length: size.streams - symbols.length }, (_, i) => `symbol${i}@trade`)
  ]
  yield* Effect.forEach(names, (name) => Effect.forkScoped(Stream.runDrain(feed.raw(name, {}, { unchecked: true }))), { discard: true })
  const subscribed = Effect.repeat(feed.subscriptions, {
    until: (all) => all.length === names.length && all.every(({ status }) => status === "acknowledged" || status === "live"),
    schedule: Schedule.spaced("20 millis")
  })
  yield* subscribed
  for (let i = 0; i < 5; i++) {
    yield* exchange.fault(Fault.Reset())
    yield* Effect.sleep("1 second")
    yield* subscribed
  }
  const { accepted, open, violations } = yield* exchange.stats
  return { streams: names.length, connections: open, dials: accepted, violations }
})

const phase = <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) =>
  Effect.timed(Effect.scoped(effect)).pipe(
    Effect.tap(([, result]) => Effect.log(name, result)),
    Effect.map(([, result]) => result)
  )

const program = Effect.gen(function*() {
  const result = {
    size,
    trades: yield* phase("trades", trades),
    klines: yield* phase("klines", klines),
    books: yield* phase("books", books),
    rollovers: yield* phase("rollovers", rollovers),
    many: yield* phase("many", many)
  }
  if (values.json) process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`)
  const whole = result.trades.trades.lost + result.trades.trades.repeated + result.trades.trades.gaps +
      result.trades.aggTrades.lost + result.trades.aggTrades.repeated + result.klines.lost + result.klines.repeated +
      result.books.different + result.rollovers.lost + result.rollovers.repeated + result.rollovers.outages === 0
  if (!whole) process.exitCode = 1
})

// Logs only the results: those of the connections would hide them.
await Effect.runPromise(program.pipe(
  Effect.provide(Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ message }) => {
      if (Array.isArray(message) && typeof message[1] === "object") process.stderr.write(`${JSON.stringify(message)}\n`)
    })
  ))
))
