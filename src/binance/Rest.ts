/**
 * A client of Binance's REST interface, for snapshots and repairs. It stays within the weight limit and obeys `Retry-After`.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { atLeast, durationOf, positive } from "../internal/connection/settings.ts"
import { Redactor } from "../internal/transport/redactor.ts"
import * as RetryAfter from "../internal/transport/retryAfter.ts"
import { monotonic } from "../internal/time/monotonic.ts"
import { upTo } from "../internal/time/upTo.ts"
import { within } from "../internal/time/timeout.ts"
import { formatDuration } from "../internal/time/durationText.ts"
import { reasonOf } from "../internal/reason.ts"
import * as Metrics from "../market/Metrics.ts"
import type { RestError } from "../market/RestError.ts"
import { RestLimited, RestRejected, RestUnavailable } from "../market/RestError.ts"
import type { RestBudget } from "../market/Venue.ts"
import * as Body from "./internal/body.ts"
import * as Interval from "./internal/interval.ts"
import * as Pages from "./internal/pages.ts"
import * as RestRefusal from "./internal/restRefusal.ts"
import * as WeightLimiter from "./internal/weightLimiter.ts"
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
 * request without a usable answer, until {@link Options.giveUpAfter}. It does not retry a request that asks for what does not
 * exist. Every answer is put in order and checked: one that was not asked for, was cut off, or is longer than 16 MiB is no usable
 * answer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rest {
  /**
   * Fetches trades from an id on: at most {@link pageSize}, the one with this id included if the venue still has it. Where the
   * venue wants an API key for that and there is none, or not a valid one, it fetches only those among the latest
   * {@link pageSize} trades.
   */
  readonly trades: (symbol: string, fromId: number) => Effect.Effect<ReadonlyArray<typeof Payloads.Trade.Type>, RestError>
  /** Fetches aggregate trades from an id on, as `trades` does. */
  readonly aggTrades: (
    symbol: string,
    fromId: number
  ) => Effect.Effect<ReadonlyArray<typeof Payloads.AggTrade.Type>, RestError>
  /**
   * Fetches block trades of the spot market from an id on, as `trades` does. The venue serves them only with an API key (Binance
   * docs, "Historical Block Trades").
   */
  readonly blockTrades: (
    symbol: string,
    fromId: number
  ) => Effect.Effect<ReadonlyArray<typeof Payloads.BlockTrade.Type>, RestError>
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
  /**
   * Fetches the latest candles: `count`, or {@link pageSize} at most. The last one may be open. `timeZone` is as in `klines`.
   */
  readonly latestKlines: (
    symbol: string,
    interval: string,
    count: number,
    timeZone?: string
  ) => Effect.Effect<ReadonlyArray<typeof Payloads.Kline.Type>, RestError>
  /**
   * Fetches the first aggregate trade at a moment or after it, in the venue's unit: `a` is its id, `f` that of its first trade.
   * `undefined`: there is none yet.
   */
  readonly firstAggTrade: (
    symbol: string,
    startTime: number
  ) => Effect.Effect<typeof Payloads.AggTrade.Type | undefined, RestError>
  /** Fetches the id of the latest aggregate trade of a symbol. `undefined`: it has none. */
  readonly latestAggTrade: (symbol: string) => Effect.Effect<number | undefined, RestError>
  /** The weight of the last minute, and the limit that the client keeps to: nine tenths of the venue's. */
  readonly budget: Effect.Effect<RestBudget>
  /** Sentences that say which trades `trades` cannot fetch, and why. `undefined`: it fetches all that the venue has. */
  readonly beyondReach: () => string | undefined
  /** Which trades the venue leaves out of its history: a sentence. `undefined`: none. */
  readonly omits: string | undefined
  /** The weight of the requests for a page of history. */
  readonly weights: { readonly trades: number; readonly aggTrades: number; readonly blockTrades: number; readonly klines: number }
  /** Fetches the open interest of a futures contract. */
  readonly openInterest: (symbol: string) => Effect.Effect<typeof Payloads.OpenInterest.Type, RestError>
  /** Fetches all symbols that the venue lists, whether or not they trade now. Pairs of COIN-M futures are among them. */
  readonly symbols: Effect.Effect<ReadonlySet<string>, RestError>
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
   * The time for which the client retries a request, and the longest `Retry-After` that it waits for. Default: 5 minutes, since
   * a firewall of Binance blocks an address for up to that long.
   */
  readonly giveUpAfter?: Duration.DurationInput | undefined
  /**
   * The API key. Binance serves older trades of USD-M futures and block trades only with one; a key that may read market data is
   * enough. The client sends it only with requests for those. Default: none.
   */
  readonly apiKey?: Redacted.Redacted | undefined
  /** Grants the weight of each request, in addition to the client's own limit. Default: none. */
  readonly budget?: Budget | undefined
}

/**
 * Grants weight of REST requests, for several processes that share the limit of one address. See `holdfast/DialGate` for dials.
 *
 * @since 0.1.0
 * @category models
 */
export interface Budget {
  /**
   * Completes when a request of this weight may be sent. It is asked at the moment of the request, after the client's own waits,
   * and may take as long as it needs: `timeout` has not begun. If it fails or dies, the log has a warning, and the request goes on
   * within the client's own limit.
   */
  readonly take: (weight: number) => Effect.Effect<void, unknown>
}

// Only futures have open interest.
const openInterestWeight = 1

// Only spot has block trades.
const blockTradesWeight = 25

// Spot and futures give requests different weights, and allow different depths of snapshots (Binance docs).
const futuresLevels = [5, 10, 20, 50, 100, 500]
const futures = {
  trades: 20,
  recentTrades: 5,
  omits: "The venue's REST interface leaves out trades of the insurance fund and of auto-deleveraging.",
  aggTrades: 20,
  klines: 10,
  ticker: 1,
  allTickers: 40,
  exchangeInfo: 1,
  list: {},
  levels: (requested: number) => futuresLevels.find((allowed) => allowed >= requested) ?? 1_000,
  depth: (limit: number) => limit <= 50 ? 2 : limit <= 100 ? 5 : limit <= 500 ? 10 : 20
}
const weights = {
  "/api/v3": {
    trades: 25,
    recentTrades: 25,
    omits: undefined,
    aggTrades: 4,
    klines: 2,
    ticker: 2,
    allTickers: 80,
    exchangeInfo: 20,
    // Without them, the list is less than half as long.
    list: { showPermissionSets: "false" },
    levels: (requested: number) => Math.max(1, Math.min(requested, 5_000)),
    depth: (limit: number) => limit <= 100 ? 5 : limit <= 500 ? 25 : limit <= 1_000 ? 50 : 250
  },
  "/fapi/v1": futures,
  "/dapi/v1": futures
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
// COIN-M futures answer with a list for one symbol too.
const RestTickers = Schema.Union(RestTicker, Schema.Array(RestTicker))

// Of the list of symbols. Futures have the pair of each.
const RestSymbols = Schema.Struct({
  symbols: Schema.Array(Schema.Struct({ symbol: Schema.String, pair: Schema.optional(Schema.String) }))
})

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
    Effect.orElseSucceed(Effect.map(Body.json(response), RestRefusal.read), (): RestRefusal.Refusal => ({ code: undefined, reason: undefined })),
    (refusal): Effect.Effect<never, RestError> => {
      const { status } = response
      const reason = shown(refusal, url)
      return RestRefusal.isFinal(status, refusal)
        ? new RestRejected({ path, status, code: refusal.code, reason })
        : new RestUnavailable({ path, reason: `status ${status}: ${reason}` })
    }
  )

interface Request<A, I, B> {
  readonly path: string
  readonly params: Readonly<Record<string, string>>
  readonly weight: number
  readonly schema: Schema.Schema<A, I>
  /** Checks the answer against the request. */
  readonly check: (answer: A) => Pages.Checked<B>
  readonly key?: Redacted.Redacted | undefined
}

// `fetch` would take the key along to another host. Other clients do not follow redirects by themselves.
const unredirected = <A, E, R>(request: Effect.Effect<A, E, R>, key: Redacted.Redacted | undefined): Effect.Effect<A, E, R> =>
  key === undefined ? request : Effect.contextWithEffect((context: Context.Context<never>) => {
    const init = Option.getOrUndefined(Context.getOption(context, FetchHttpClient.RequestInit))
    return Effect.provideService(request, FetchHttpClient.RequestInit, { ...init, redirect: "error" })
  })

// Without a Retry-After: a 429 lasts until the end of the minute, a 418 at least two minutes (Binance docs).
const defaultRetryAfter = (status: number) => status === 418 ? Duration.minutes(2) : Duration.minutes(1)

const grants = (budget: Budget | undefined): (weight: number) => Effect.Effect<void> => {
  if (budget === undefined) return () => Effect.void
  const goOn = (error: unknown) =>
    Effect.logWarning(`The budget granted no REST request: ${reasonOf(error)}. The client's own limit holds meanwhile.`)
  return (weight) => Effect.suspend(() => budget.take(weight)).pipe(Effect.catchAll(goOn), Effect.catchAllDefect(goOn))
}

// Without a key, some venues serve only the latest trades (Binance docs, USD-M futures).
const noKey = `Without an API key, the venue serves only the latest ${pageSize} trades of a symbol. The option apiKey of rest gives one.`
const keyRefused = `The venue refused the API key, and serves only the latest ${pageSize} trades of a symbol without a valid one.`

const noBlockTrades = "the venue serves block trades only with a valid API key, which the option apiKey of rest gives"

/**
 * Makes a client of a venue's REST interface. All clients of a process at one venue share its weight limit, and so do those of venues
 * that share one. Fails if an option is out of range.
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
    const giveUpAfter = yield* durationOf("giveUpAfter", options.giveUpAfter, Duration.minutes(5))
    // A tenth of the weight is left to other clients behind the same address. A refusal holds the limiter, with its status.
    const weightPerMinute = yield* atLeast("venue.weightPerMinute", 1, venue.weightPerMinute, venue.weightPerMinute)
    const ownLimit = Math.floor(weightPerMinute * 0.9)
    const { limiter, used } = yield* WeightLimiter.get(venue, ownLimit)
    const granted = grants(options.budget)
    const weigh = weights[venue.api]
    const { apiKey } = options
    // Whether the venue refused a request for older trades, since it has no valid key.
    let wantsKey = false
    // Fetched events have times in the same unit as those from the sockets.
    const requestHeaders = venue.timeUnit === "microsecond" ? { "x-mbx-time-unit": "MICROSECOND" } : {}
    const isTooLong = (duration: Duration.Duration) => Duration.greaterThan(duration, giveUpAfter)

    const counters = Metrics.makeRest("binance")

    const turn = (path: string, weight: number): Effect.Effect<void, RestLimited> =>
      Effect.flatMap(monotonic, (began) =>
        limiter.acquire(weight, (retryAfter, status) =>
          isTooLong(retryAfter) ? new RestLimited({ path, status, retryAfter }) : Effect.void).pipe(
            Effect.zipRight(granted(weight)),
            Effect.zipRight(monotonic),
            Effect.map((now) => {
              counters.granted(weight, (now - began) / 1_000)
            })
          ))

    const wait = (duration: Duration.Duration, status: number) =>
      Effect.map(monotonic, (now) => {
        limiter.holdUntil(now + Duration.toMillis(duration), status)
      })

    const once = Effect.fnUntraced(function*<A, I, B>(
      { check, key, params, path, schema }: Request<A, I, B>
    ) {
      const url = `${venue.rest}${venue.api}/${path}?${new URLSearchParams(params).toString()}`
      const keyHeader = key === undefined ? {} : { "X-MBX-APIKEY": Redacted.value(key) }
      const response = yield* unredirected(client.get(url, { headers: { ...requestHeaders, ...keyHeader } }), key)
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
      if (Number(headers["x-mbx-used-weight-1m"] ?? 0) > weightPerMinute * 0.95) yield* wait(Duration.seconds(10), 429)
      const answer = yield* Effect.flatMap(Body.json(response), Schema.decodeUnknown(schema))
      return yield* Either.mapLeft(check(answer), (reason) => new RestUnavailable({ path, reason }))
    })

    const retries = Schedule.exponential("250 millis").pipe(
      Schedule.jittered,
      Schedule.union(Schedule.spaced("10 seconds")),
      upTo(giveUpAfter)
    )

    const get = <A, I, B>(request: Request<A, I, B>): Effect.Effect<B, RestError> => {
      const { path, weight } = request
      return turn(path, weight).pipe(
        Effect.zipRight(once(request).pipe(
          // A log line of a failed request would show its URL.
          Effect.withUnhandledErrorLogLevel(Option.none()),
          within(timeout, () => new RestUnavailable({ path, reason: `no answer within ${formatDuration(timeout)}` }))
        )),
        Effect.catchTags({
          RequestError: ({ reason }) => new RestUnavailable({ path, reason }),
          ResponseError: ({ reason }) => new RestUnavailable({ path, reason }),
          BadBody: ({ reason }) => new RestUnavailable({ path, reason }),
          ParseError: () => new RestUnavailable({ path, reason: "its answer does not have the documented shape" })
        }),
        Effect.tapBoth({
          onFailure: ({ _tag }) => Effect.sync(() => {
            counters.ended(_tag)
          }),
          onSuccess: () => Effect.sync(() => {
            counters.ended("answered")
          })
        }),
        Effect.retry({
          schedule: retries,
          while: (error) =>
            error._tag === "RestUnavailable" || (error._tag === "RestLimited" && !isTooLong(error.retryAfter))
        })
      )
    }

    const limit = String(pageSize)

    const tradesOf = <const E extends "trade" | "blockTrade">(e: E, symbol: string) => (trades: ReadonlyArray<typeof RestTrade.Type>) =>
      trades.map(({ id, isBuyerMaker, price, qty, time }) => ({
        e,
        E: time,
        s: symbol,
        t: id,
        p: price,
        q: qty,
        T: time,
        m: isBuyerMaker
      }))

    const idsFrom = (from: number, items: string) => ({ from, items, to: Number.MAX_SAFE_INTEGER, limit: pageSize })
    const positionOfTrade = ({ id }: typeof RestTrade.Type) => id

    const olderTrades = (symbol: string, fromId: number) =>
      get({
        path: "historicalTrades",
        params: { symbol, fromId: String(fromId), limit },
        weight: weigh.trades,
        schema: Schema.Array(RestTrade),
        key: apiKey,
        check: (trades) => Pages.inOrder(trades, { ...idsFrom(fromId, "trades"), positionOf: positionOfTrade })
      })

    const blockTrades = (symbol: string, fromId: number) =>
      get({
        path: "historicalBlockTrades",
        params: { symbol, fromId: String(fromId), limit },
        weight: blockTradesWeight,
        schema: Schema.Array(RestTrade),
        key: apiKey,
        check: (trades) => Pages.inOrder(trades, { ...idsFrom(fromId, "block trades"), positionOf: positionOfTrade })
      }).pipe(
        Effect.catchIf(RestRefusal.wantsKey, ({ code, path, status }) => new RestRejected({ path, status, code, reason: noBlockTrades }))
      )

    const recentTrades = (symbol: string, fromId: number) =>
      Effect.map(
        get({
          path: "trades",
          params: { symbol, limit },
          weight: weigh.recentTrades,
          schema: Schema.Array(RestTrade),
          check: (trades) => Pages.inOrder(trades, { ...idsFrom(0, "trades"), positionOf: positionOfTrade })
        }),
        (trades) => trades.filter(({ id }) => id >= fromId)
      )

    // Whether a venue wants a key shows when it refuses a request without one.
    const trades = (symbol: string, fromId: number): Effect.Effect<ReadonlyArray<typeof RestTrade.Type>, RestError> =>
      Effect.suspend(() =>
        wantsKey && apiKey === undefined
          ? recentTrades(symbol, fromId)
          : olderTrades(symbol, fromId).pipe(
            Effect.tap(() => {
              wantsKey = false
            }),
            Effect.catchIf(RestRefusal.wantsKey, ({ message }) => {
              const warn = wantsKey ? Effect.void : Effect.logWarning(message)
              wantsKey = true
              return Effect.zipRight(warn, recentTrades(symbol, fromId))
            })
          )
      )

    const aggTrades = (
      symbol: string,
      { since = 0, ...ids }: { readonly since?: number; readonly from?: number },
      most: number
    ) => {
      const beginning = { ...(ids.from === undefined ? {} : { fromId: String(ids.from) }), ...(since === 0 ? {} : { startTime: String(since) }) }
      return get({
        path: "aggTrades",
        params: { symbol, ...beginning, limit: String(most) },
        weight: weigh.aggTrades,
        schema: Schema.Array(RestAggTrade),
        check: (page) =>
          page.some(({ T }) => T < since)
            ? Either.left("its answer has aggregate trades that were not asked for")
            : Pages.inOrder(page, { ...idsFrom(ids.from ?? 0, "aggregate trades"), limit: most, positionOf: ({ a }) => a })
      })
    }

    const aggTradeOf = (symbol: string) => (trade: typeof RestAggTrade.Type) =>
      ({ e: "aggTrade" as const, E: trade.T, s: symbol, ...trade })

    const klines = (
      symbol: string,
      interval: string,
      params: { readonly startTime?: string; readonly endTime?: string; readonly limit: string; readonly timeZone?: string }
    ) =>
      Effect.map(
        get({
          path: "klines",
          params: { symbol, interval, ...params },
          weight: weigh.klines,
          schema: Schema.Array(RestKline),
          check: (page) =>
            Either.flatMap(
              Pages.inOrder(page, {
                positionOf: ([opens]) => opens,
                from: Number(params.startTime ?? 0),
                to: Number(params.endTime ?? Number.MAX_SAFE_INTEGER),
                limit: Number(params.limit),
                items: "candles"
              }),
              (candles) => {
                const spans = candles.map(([opens, , , , , , closes]) => ({ opens, closes }))
                const wrong = Pages.areOfInterval(spans, Interval.make(interval, venue.timeUnit ?? "millisecond"))
                return wrong === undefined ? Either.right(candles) : Either.left(wrong)
              }
            )
        }),
        (candles) =>
          candles.map(([t, o, h, l, c, v, T, q, n, V, Q]) => ({
            e: "kline" as const,
            E: T,
            s: symbol,
            // The REST interface does not have the ids of the trades.
            k: { t, T, s: symbol, i: interval, f: -1, L: -1, o, c, h, l, v, n, x: true, q, V, Q }
          }))
      )
    const zoneOf = (timeZone: string | undefined) => timeZone === undefined ? {} : { timeZone }

    return {
      trades: (symbol, fromId) => Effect.map(trades(symbol, fromId), tradesOf("trade", symbol)),
      blockTrades: (symbol, fromId) => Effect.map(blockTrades(symbol, fromId), tradesOf("blockTrade", symbol)),
      budget: Effect.map(monotonic, (now) => ({
        used: used(now),
        limit: ownLimit,
        heldFor: Duration.millis(limiter.heldFor(now))
      })),
      beyondReach: () => wantsKey ? apiKey === undefined ? noKey : keyRefused : undefined,
      omits: weigh.omits,
      weights: {
        trades: weigh.trades,
        aggTrades: weigh.aggTrades,
        blockTrades: blockTradesWeight,
        klines: weigh.klines
      },
      aggTrades: (symbol, fromId) =>
        Effect.map(aggTrades(symbol, { from: fromId }, pageSize), Arr.map(aggTradeOf(symbol))),
      latestAggTrade: (symbol) => Effect.map(aggTrades(symbol, {}, 1), (page) => page.at(-1)?.a),
      firstAggTrade: (symbol, startTime) =>
        Effect.map(aggTrades(symbol, { since: startTime }, 1), ([first]) => first && aggTradeOf(symbol)(first)),
      klines: (symbol, interval, startTime, endTime, timeZone) =>
        klines(symbol, interval, { startTime: String(startTime), endTime: String(endTime), limit, ...zoneOf(timeZone) }),
      latestKlines: (symbol, interval, count, timeZone) =>
        klines(symbol, interval, { limit: String(Math.min(count, pageSize)), ...zoneOf(timeZone) }),
      latestTrades: (symbols) => {
        const path = "ticker/24hr"
        const type = venue.api === "/api/v3" ? { type: "MINI" } : {}
        const ofSymbol = (symbol: string) =>
          get({
            path,
            params: { symbol, ...type },
            weight: weigh.ticker,
            schema: RestTickers,
            check: (answer) => {
              const tickers = Arr.ensure(answer)
              return tickers.every((ticker) => ticker.symbol === symbol)
                ? Either.right(tickers)
                : Either.left("its answer is about another symbol")
            }
          }).pipe(
            // The venue does not know the symbol.
            Effect.catchTag("RestRejected", () => Effect.succeed([]))
          )
        const tickers = symbols.length > fewSymbols
          ? get({ path, params: type, weight: weigh.allTickers, schema: Schema.Array(RestTicker), check: Either.right })
          : Effect.map(Effect.forEach(symbols, ofSymbol), Arr.flatten)
        return Effect.map(tickers, (all) => new Map(all.map(({ lastId, symbol }) => [symbol, lastId])))
      },
      openInterest: (symbol) =>
        get({
          path: "openInterest",
          params: { symbol },
          weight: openInterestWeight,
          schema: Payloads.OpenInterest,
          check: (answer) => answer.symbol === symbol ? Either.right(answer) : Either.left("its answer is about another symbol")
        }),
      symbols: get({
        path: "exchangeInfo",
        params: weigh.list,
        weight: weigh.exchangeInfo,
        schema: RestSymbols,
        check: Either.right
      }).pipe(
        Effect.map(({ symbols }) => new Set(symbols.flatMap(({ pair, symbol }) => pair === undefined ? [symbol] : [symbol, pair])))
      ),
      levels: weigh.levels,
      depthWeight: weigh.depth,
      depth: (symbol, requested) => {
        const limit = weigh.levels(requested)
        return get({
          path: "depth",
          params: { symbol, limit: String(limit) },
          weight: weigh.depth(limit),
          schema: Payloads.PartialDepth,
          check: (book) =>
            Either.gen(function*() {
              const bids = yield* Pages.inPriceOrder(book.bids, limit, "bids")
              const asks = yield* Pages.inPriceOrder(book.asks, limit, "asks")
              return { ...book, bids, asks }
            })
        })
      }
    }
  })
