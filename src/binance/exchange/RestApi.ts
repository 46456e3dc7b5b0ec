/**
 * The REST interface: snapshots, and the trades and klines with which clients repair gaps.
 *
 * @since 0.1.0
 */
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { monotonic } from "../../internal/time/monotonic.ts"
import type { Candle } from "./Candles.ts"
import * as Candles from "./Candles.ts"
import type { Refusal } from "./Fault.ts"
import type { Limits } from "./Limits.ts"
import type { AggTrade, Market, Trade } from "./Market.ts"
import * as Payload from "./Payload.ts"

// An error answer like Binance's: the HTTP status, and a code and a message in the body.
class Rejected extends Data.TaggedError("Rejected")<{
  readonly status: number
  readonly code: number
  readonly msg: string
  readonly retryAfter?: string | undefined
}> {}

const optionalNumber = Schema.optional(Schema.NumberFromString.pipe(Schema.int(), Schema.nonNegative()))

// Times of 1e14 and more are microseconds: as milliseconds they would be after the year 5138.
const optionalTime = Schema.optional(
  Schema.transform(Schema.NumberFromString.pipe(Schema.int(), Schema.nonNegative()), Schema.Number, {
    strict: true,
    decode: (time) => time < 1e14 ? time : time / 1_000,
    encode: (millis) => millis
  })
)

const Query = Schema.Struct({
  symbol: Schema.optional(Schema.String),
  limit: optionalNumber,
  fromId: optionalNumber,
  startTime: optionalTime,
  endTime: optionalTime,
  interval: Schema.optional(Schema.String)
})

type Query = typeof Query.Type

// Converts milliseconds into the unit that the client asked for.
type At = (millis: number) => number

const unitOf = ({ headers }: HttpServerRequest.HttpServerRequest): Payload.TimeUnit =>
  headers["x-mbx-time-unit"]?.toLowerCase() === "microsecond" ? "microsecond" : "millisecond"

const invalidSymbol = new Rejected({ status: 400, code: -1121, msg: "Invalid symbol." })
const invalidInterval = new Rejected({ status: 400, code: -1120, msg: "Invalid interval." })
const malformed = new Rejected({ status: 400, code: -1100, msg: "Illegal characters found in a parameter." })

const trade = ({ instrument }: Market, at: At) => (item: Trade) => {
  const { price, quantity, quote } = Payload.formats(instrument)
  return {
    id: item.id,
    price: price(item.price),
    qty: quantity(item.quantity),
    quoteQty: quote(BigInt(item.price) * BigInt(item.quantity)),
    time: at(item.time),
    isBuyerMaker: item.buyerIsMaker,
    isBestMatch: true
  }
}

const aggTrade = ({ instrument }: Market, at: At) => (item: AggTrade) => {
  const { price, quantity } = Payload.formats(instrument)
  return {
    a: item.id,
    p: price(item.price),
    q: quantity(item.quantity),
    f: item.firstTrade,
    l: item.lastTrade,
    T: at(item.time),
    m: item.buyerIsMaker,
    M: true
  }
}

const kline = ({ instrument }: Market, at: At) => (candle: Candle) => {
  const { price, quantity, quote } = Payload.formats(instrument)
  return [
    at(candle.start),
    price(candle.open),
    price(candle.high),
    price(candle.low),
    price(candle.close),
    quantity(candle.volume),
    at(candle.end) - 1,
    quote(candle.quoteVolume),
    candle.trades,
    quantity(candle.takerBuyVolume),
    quote(candle.takerBuyQuoteVolume),
    "0"
  ]
}

const aggTrades = (market: Market, { endTime, fromId, limit = 500, startTime }: Query) => {
  const count = Math.min(limit, 1000)
  if (fromId !== undefined) return market.aggTrades.from(fromId, count)
  if (startTime === undefined && endTime === undefined) return market.aggTrades.last(count)
  return market.aggTrades.all()
    .filter(({ time }) => time >= (startTime ?? 0) && time <= (endTime ?? Number.MAX_SAFE_INTEGER))
    .slice(0, count)
}

const klines = (market: Market, interval: Candles.Interval, { endTime, limit = 500, startTime }: Query) => {
  const all = [...market.candles(interval).all(), market.candle(interval)]
    .filter(({ start }) => start >= (startTime ?? 0) && start <= (endTime ?? Number.MAX_SAFE_INTEGER))
  const count = Math.min(limit, 1000)
  return startTime === undefined ? all.slice(Math.max(0, all.length - count)) : all.slice(0, count)
}

// The fields of a `MINI` ticker that its trades give. Prices are those of the latest trade.
const miniTicker = ({ instrument, trades }: Market, closeTime: number) => {
  const [last] = trades.last(1)
  const { price } = Payload.formats(instrument)
  return {
    symbol: instrument.symbol,
    lastPrice: price(last?.price ?? instrument.price),
    closeTime,
    lastId: last?.id ?? -1
  }
}

const exchangeInfo = (markets: ReadonlyMap<string, Market>, serverTime: number) => ({
  timezone: "UTC",
  serverTime,
  rateLimits: [{ rateLimitType: "REQUEST_WEIGHT", interval: "MINUTE", intervalNum: 1, limit: 6000 }],
  exchangeFilters: [],
  symbols: [...markets.values()].map(({ instrument }) => ({
    symbol: instrument.symbol,
    status: "TRADING",
    baseAsset: instrument.base,
    baseAssetPrecision: 8,
    quoteAsset: instrument.quote,
    quotePrecision: 8,
    filters: [
      { filterType: "PRICE_FILTER", tickSize: Payload.formats(instrument).price(1) },
      { filterType: "LOT_SIZE", stepSize: Payload.formats(instrument).quantity(1) }
    ]
  }))
})

// The weight of a snapshot grows with its depth (Binance docs, spot).
const depthWeight = (limit: number) => limit <= 100 ? 5 : limit <= 500 ? 25 : limit <= 1000 ? 50 : 250

/**
 * Makes the REST interface of these markets: `/api/v3/` `ping`, `time`, `exchangeInfo`, `trades`, `aggTrades`,
 * `historicalTrades`, `klines`, `ticker/24hr` (the fields of `MINI` that trades give) and `depth`. The interface refuses a request if
 * `nextRefusal` returns a refusal for it. What `replayed` answers is sent in place of what the markets have.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  markets: ReadonlyMap<string, Market>,
  limits: Limits,
  nextRefusal: () => Refusal | undefined,
  replayed: (path: string, query: URLSearchParams) => unknown = () => undefined
) => {
  const endpoint = (
    weightOf: (query: Query) => number,
    answer: (query: Query, now: number, at: At) => Effect.Effect<unknown, Rejected>
  ) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const refusal = nextRefusal()
      if (refusal !== undefined) {
        const { retryAfter, status } = refusal
        return yield* new Rejected({ status, code: -1003, msg: "Refused on purpose.", retryAfter })
      }
      const query = yield* Effect.mapError(HttpServerRequest.schemaSearchParams(Query), () => malformed)
      const limited = limits.request(weightOf(query), yield* monotonic)
      if (limited !== undefined) {
        return yield* new Rejected({ ...limited, code: -1003, msg: "Too much request weight used." })
      }
      const request = yield* HttpServerRequest.HttpServerRequest
      const { pathname, searchParams } = new URL(request.url, "http://localhost")
      const body = replayed(pathname, searchParams) ?? (yield* answer(query, now, Payload.timeIn(unitOf(request))))
      return yield* HttpServerResponse.json(body).pipe(
        Effect.map(HttpServerResponse.setHeader("x-mbx-used-weight-1m", String(limits.usedWeight()))),
        Effect.orDie
      )
    }).pipe(
      Effect.catchTag("Rejected", ({ code, msg, retryAfter, status }) =>
        Effect.orDie(HttpServerResponse.json({ code, msg }, {
          status,
          headers: retryAfter === undefined ? {} : { "retry-after": retryAfter }
        })))
    )

  const ofMarket = (answer: (market: Market, query: Query, at: At) => Effect.Effect<unknown, Rejected>) =>
  (query: Query, _now: number, at: At) => {
    const market = markets.get(query.symbol ?? "")
    return market === undefined ? Effect.fail(invalidSymbol) : answer(market, query, at)
  }

  return HttpRouter.empty.pipe(
    HttpRouter.get("/api/v3/ping", endpoint(() => 1, () => Effect.succeed({}))),
    HttpRouter.get("/api/v3/time", endpoint(() => 1, (_, serverTime) => Effect.succeed({ serverTime }))),
    HttpRouter.get("/api/v3/exchangeInfo", endpoint(() => 20, (_, now) => Effect.succeed(exchangeInfo(markets, now)))),
    HttpRouter.get(
      "/api/v3/trades",
      endpoint(() => 25, ofMarket((market, { limit = 500 }, at) =>
        Effect.succeed(market.trades.last(Math.min(limit, 1000)).map(trade(market, at)))))
    ),
    HttpRouter.get(
      "/api/v3/historicalTrades",
      endpoint(() => 25, ofMarket((market, { fromId, limit = 500 }, at) => {
        const count = Math.min(limit, 1000)
        const found = fromId === undefined ? market.trades.last(count) : market.trades.from(fromId, count)
        return Effect.succeed(found.map(trade(market, at)))
      }))
    ),
    HttpRouter.get(
      "/api/v3/aggTrades",
      endpoint(() => 4, ofMarket((market, query, at) =>
        Effect.succeed(aggTrades(market, query).map(aggTrade(market, at)))))
    ),
    HttpRouter.get(
      "/api/v3/klines",
      endpoint(() => 2, ofMarket((market, query, at) => {
        const { interval = "" } = query
        return Candles.isInterval(interval)
          ? Effect.succeed(klines(market, interval, query).map(kline(market, at)))
          : Effect.fail(invalidInterval)
      }))
    ),
    HttpRouter.get(
      "/api/v3/ticker/24hr",
      endpoint(({ symbol }) => symbol === undefined ? 80 : 2, ({ symbol }, now, at) => {
        if (symbol === undefined) return Effect.succeed([...markets.values()].map((market) => miniTicker(market, at(now))))
        const market = markets.get(symbol)
        return market === undefined ? Effect.fail(invalidSymbol) : Effect.succeed(miniTicker(market, at(now)))
      })
    ),
    HttpRouter.get(
      "/api/v3/depth",
      endpoint(({ limit = 100 }) => depthWeight(limit), ofMarket((market, { limit = 100 }) =>
        Effect.succeed(Payload.depth(market, Math.min(limit, 5000)))))
    )
  )
}
