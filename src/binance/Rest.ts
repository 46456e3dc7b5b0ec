/**
 * A client of Binance's REST interface, for snapshots and repairs. It stays within the weight limit and obeys `Retry-After`.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { durationOf, positive } from "../internal/connection/settings.ts"
import { Redactor } from "../internal/transport/redactor.ts"
import * as RetryAfter from "../internal/transport/retryAfter.ts"
import * as RollingWindow from "../internal/time/rollingWindow.ts"
import { monotonic } from "../internal/time/monotonic.ts"
import * as RateLimiter from "../internal/time/rateLimiter.ts"
import { upTo } from "../internal/time/upTo.ts"
import { within } from "../internal/time/timeout.ts"
import { formatDuration } from "../internal/time/durationText.ts"
import type { RestError } from "../market/RestError.ts"
import { RestLimited, RestRejected, RestUnavailable } from "../market/RestError.ts"
import * as RestRefusal from "./internal/restRefusal.ts"
import * as Payloads from "./Payloads.ts"
import type { Venue } from "./Venue.ts"

export { RestLimited, RestRejected, RestUnavailable } from "../market/RestError.ts"
export type { RestError } from "../market/RestError.ts"

/**
 * A snapshot of a book.
 *
 * @since 0.1.0
 * @category models
 */
export type Snapshot = typeof Payloads.PartialDepth.Type

/**
 * The REST client. Every request waits until the weight limit allows it, and as long as `Retry-After` says. The client retries a
 * request without a usable answer, until {@link Options.giveUpAfter}. It does not retry a request that the venue rejects.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rest {
  /** Fetches trades from an id on: at most {@link pageSize}, the one with this id included if the venue still has it. */
  readonly trades: (symbol: string, fromId: number) => Effect.Effect<ReadonlyArray<typeof Payloads.Trade.Type>, RestError>
  /** Fetches aggregate trades from an id on, as `trades` does. */
  readonly aggTrades: (
    symbol: string,
    fromId: number
  ) => Effect.Effect<ReadonlyArray<typeof Payloads.AggTrade.Type>, RestError>
  /**
   * Fetches the candles that open in a span of time, its end included: at most {@link pageSize}. All but the last are closed.
   * Times are in the venue's unit. `timeZone`, such as `08:00`, decides when days, weeks and months begin (spot only). Default:
   * UTC.
   */
  readonly klines: (
    symbol: string,
    interval: string,
    startTime: number,
    endTime: number,
    timeZone?: string
  ) => Effect.Effect<ReadonlyArray<typeof Payloads.Kline.Type>, RestError>
  /**
   * Fetches the id of the latest trade of each of these symbols, in one request for all if they are many. Symbols that the venue
   * does not know, or that had no trade for a day, may be left out.
   */
  readonly latestTrades: (symbols: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, number>, RestError>
  /** The depth of snapshots, in levels a side, that the venue allows for the requested depth. It may be less. */
  readonly levels: (requested: number) => number
  /** The weight of a snapshot with this many levels a side. */
  readonly depthWeight: (levels: number) => number
  /** Fetches a snapshot with `limit` levels a side, or as many as the venue allows. */
  readonly depth: (symbol: string, limit: number) => Effect.Effect<Snapshot, RestError>
}

/**
 * The most trades or candles that one request returns (Binance docs).
 *
 * @since 0.1.0
 * @category constants
 */
export const pageSize = 1_000

/**
 * Options of the REST client. A plain number for a duration is in milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The deadline of one request. Default: 10 seconds. */
  readonly timeout?: Duration.DurationInput | undefined
  /**
   * The time for which the client retries a request, and the longest `Retry-After` that it waits for. Default: 2 minutes.
   */
  readonly giveUpAfter?: Duration.DurationInput | undefined
}

// Spot and futures give requests different weights, and allow different depths of snapshots (Binance docs).
const futuresLevels = [5, 10, 20, 50, 100, 500]
const weights = {
  "/api/v3": {
    trades: 25,
    aggTrades: 4,
    klines: 2,
    ticker: 2,
    allTickers: 80,
    levels: (requested: number) => Math.max(1, Math.min(requested, 5_000)),
    depth: (limit: number) => limit <= 100 ? 5 : limit <= 500 ? 25 : limit <= 1_000 ? 50 : 250
  },
  "/fapi/v1": {
    trades: 20,
    aggTrades: 20,
    klines: 10,
    ticker: 1,
    allTickers: 40,
    levels: (requested: number) => futuresLevels.find((allowed) => allowed >= requested) ?? 1_000,
    depth: (limit: number) => limit <= 50 ? 2 : limit <= 100 ? 5 : limit <= 500 ? 10 : 20
  }
}

const RestTrade = Schema.Struct({
  id: Schema.Int,
  price: Payloads.Decimal,
  qty: Payloads.Decimal,
  time: Schema.Int,
  isBuyerMaker: Schema.Boolean
})

const RestAggTrade = Schema.Struct({
  a: Schema.Int,
  p: Payloads.Decimal,
  q: Payloads.Decimal,
  f: Schema.Int,
  l: Schema.Int,
  T: Schema.Int,
  m: Schema.Boolean
})

const RestKline = Schema.Tuple(
  [
    Schema.Int,
    Payloads.Decimal,
    Payloads.Decimal,
    Payloads.Decimal,
    Payloads.Decimal,
    Payloads.Decimal,
    Schema.Int,
    Payloads.Decimal,
    Schema.Int,
    Payloads.Decimal,
    Payloads.Decimal
  ],
  Schema.Unknown
)

// A ticker of 24 hours. It has more, and -1 for a symbol without a trade in that time.
const RestTicker = Schema.Struct({ symbol: Schema.String, lastId: Schema.Int })

// Above this number of symbols, one request for all of the venue's weighs less than one for each (Binance docs).
const fewSymbols = 10

// The venue may quote the request.
const shown = ({ code, reason }: RestRefusal.Refusal, url: string): string => {
  if (code === undefined || reason === undefined) return "no reason was given"
  const redactor = new Redactor()
  redactor.sends({ url: Redacted.make(url), headers: {}, protocols: [] })
  return `${redactor.text(reason).replace(/\.$/, "")} (${code})`
}

const refusalOf = (path: string, response: HttpClientResponse.HttpClientResponse, url: string) =>
  Effect.flatMap(
    Effect.orElseSucceed(Effect.map(response.text, RestRefusal.read), (): RestRefusal.Refusal => ({ code: undefined, reason: undefined })),
    (refusal): Effect.Effect<never, RestError> => {
      const { status } = response
      const reason = shown(refusal, url)
      return RestRefusal.isFinal(status, refusal)
        ? new RestRejected({ path, status, code: refusal.code, reason })
        : new RestUnavailable({ path, reason: `status ${status}: ${reason}` })
    }
  )

// Without a Retry-After: a 429 lasts until the end of the minute, a 418 at least two minutes (Binance docs).
const defaultRetryAfter = (status: number) => status === 418 ? Duration.minutes(2) : Duration.minutes(1)

/**
 * Makes a client of a venue's REST interface. All users of the client share its weight limit. Fails if an option is out of range.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  venue: Venue,
  options: Options = {}
): Effect.Effect<Rest, ConfigError.ConfigError, HttpClient.HttpClient> =>
  Effect.gen(function*() {
    // A span of the client would show the whole URL.
    const client = HttpClient.withTracerDisabledWhen(yield* HttpClient.HttpClient, () => true)
    const timeout = yield* positive("timeout", options.timeout, Duration.seconds(10))
    const giveUpAfter = yield* durationOf("giveUpAfter", options.giveUpAfter, Duration.minutes(2))
    // A tenth of the weight is left to other clients behind the same address. A refusal holds the limiter, with its status.
    const limiter = RateLimiter.make<number>(RollingWindow.make(Math.floor(venue.weightPerMinute * 0.9), "1 minute"))
    const weigh = weights[venue.api]
    // Fetched events have times in the same unit as those from the sockets.
    const requestHeaders = venue.timeUnit === "microsecond" ? { "x-mbx-time-unit": "MICROSECOND" } : {}
    const isTooLong = (duration: Duration.Duration) => Duration.greaterThan(duration, giveUpAfter)

    const turn = (path: string, weight: number): Effect.Effect<void, RestLimited> =>
      limiter.acquire(weight, (retryAfter, status) =>
        isTooLong(retryAfter) ? new RestLimited({ path, status, retryAfter }) : Effect.void)

    const wait = (duration: Duration.Duration, status: number) =>
      Effect.map(monotonic, (now) => {
        limiter.holdUntil(now + Duration.toMillis(duration), status)
      })

    const once = Effect.fnUntraced(function*<A, I>(path: string, query: string, schema: Schema.Schema<A, I>) {
      const url = `${venue.rest}${venue.api}/${path}?${query}`
      const response = yield* client.get(url, { headers: requestHeaders })
      const { headers, status } = response
      if (status === 429 || status === 418) {
        const now = yield* Clock.currentTimeMillis
        const retryAfter = Option.getOrElse(
          RetryAfter.parse(headers["retry-after"], headers["date"], now),
          () => defaultRetryAfter(status)
        )
        yield* wait(retryAfter, status)
        return yield* new RestLimited({ path, status, retryAfter })
      }
      if (status >= 500) return yield* new RestUnavailable({ path, reason: `status ${status}` })
      if (status >= 300) return yield* refusalOf(path, response, url)
      // The venue counts all clients behind this address, and the limiter only this one.
      if (Number(headers["x-mbx-used-weight-1m"] ?? 0) > venue.weightPerMinute * 0.95) yield* wait(Duration.seconds(10), 429)
      return yield* Effect.flatMap(response.json, Schema.decodeUnknown(schema))
    })

    const retries = Schedule.exponential("250 millis").pipe(
      Schedule.jittered,
      Schedule.union(Schedule.spaced("10 seconds")),
      upTo(giveUpAfter)
    )

    const get = <A, I>(
      path: string,
      params: Readonly<Record<string, string>>,
      weight: number,
      schema: Schema.Schema<A, I>
    ): Effect.Effect<A, RestError> =>
      turn(path, weight).pipe(
        Effect.zipRight(once(path, new URLSearchParams(params).toString(), schema).pipe(
          // A log line of a failed request would show its URL.
          Effect.withUnhandledErrorLogLevel(Option.none()),
          within(timeout, () => new RestUnavailable({ path, reason: `no answer within ${formatDuration(timeout)}` }))
        )),
        Effect.catchTags({
          RequestError: ({ reason }) => new RestUnavailable({ path, reason }),
          ResponseError: ({ reason }) => new RestUnavailable({ path, reason }),
          ParseError: () => new RestUnavailable({ path, reason: "its answer does not have the documented shape" })
        }),
        Effect.retry({
          schedule: retries,
          while: (error) =>
            error._tag === "RestUnavailable" || (error._tag === "RestLimited" && !isTooLong(error.retryAfter))
        })
      )

    const page = String(pageSize)

    return {
      trades: (symbol, fromId) =>
        Effect.map(
          get("historicalTrades", { symbol, fromId: String(fromId), limit: page }, weigh.trades, Schema.Array(RestTrade)),
          (trades) =>
            trades.map(({ id, isBuyerMaker, price, qty, time }) => ({
              e: "trade" as const,
              E: time,
              s: symbol,
              t: id,
              p: price,
              q: qty,
              T: time,
              m: isBuyerMaker
            }))
        ),
      aggTrades: (symbol, fromId) =>
        Effect.map(
          get("aggTrades", { symbol, fromId: String(fromId), limit: page }, weigh.aggTrades, Schema.Array(RestAggTrade)),
          (trades) => trades.map((trade) => ({ e: "aggTrade" as const, E: trade.T, s: symbol, ...trade }))
        ),
      klines: (symbol, interval, startTime, endTime, timeZone) =>
        Effect.map(
          get("klines", {
            symbol,
            interval,
            startTime: String(startTime),
            endTime: String(endTime),
            limit: page,
            ...(timeZone === undefined ? {} : { timeZone })
          }, weigh.klines, Schema.Array(RestKline)),
          (candles) =>
            candles.map(([t, o, h, l, c, v, T, q, n, V, Q]) => ({
              e: "kline" as const,
              E: T,
              s: symbol,
              // The REST interface does not have the ids of the trades.
              k: { t, T, s: symbol, i: interval, f: -1, L: -1, o, c, h, l, v, n, x: true, q, V, Q }
            }))
        ),
      latestTrades: (symbols) => {
        const type = venue.api === "/api/v3" ? { type: "MINI" } : {}
        const ofSymbol = (symbol: string) =>
          get("ticker/24hr", { symbol, ...type }, weigh.ticker, RestTicker).pipe(
            Effect.map(Arr.of),
            // The venue does not know the symbol.
            Effect.catchTag("RestRejected", () => Effect.succeed([]))
          )
        const tickers = symbols.length > fewSymbols
          ? get("ticker/24hr", type, weigh.allTickers, Schema.Array(RestTicker))
          : Effect.map(Effect.forEach(symbols, ofSymbol), Arr.flatten)
        return Effect.map(tickers, (all) => new Map(all.map(({ lastId, symbol }) => [symbol, lastId])))
      },
      levels: weigh.levels,
      depthWeight: weigh.depth,
      depth: (symbol, requested) => {
        const limit = weigh.levels(requested)
        return get("depth", { symbol, limit: String(limit) }, weigh.depth(limit), Payloads.PartialDepth)
      }
    }
  })
