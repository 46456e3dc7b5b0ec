// Binance as a venue: the decoder and the continuity of each kind of stream.
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import type { Continuity, State, Target } from "../../market/Continuity.ts"
import { unknown } from "../../market/Continuity.ts"
import type { Decoder } from "../../market/Decoder.ts"
import type { MarketEvent } from "../../market/MarketEvent.ts"
import { NotRepairable } from "../../market/MarketEvent.ts"
import type { Books, Kind, Stream, Venue } from "../../market/Venue.ts"
import * as Failure from "../Failure.ts"
import type { Kline } from "../MarketEvent.ts"
import { decoders, fromStream } from "../MarketEvent.ts"
import type * as Payloads from "../Payloads.ts"
import * as Protocol from "../Protocol.ts"
import * as Rest from "../Rest.ts"
import * as StreamKind from "../StreamKind.ts"
import type * as Address from "../Venue.ts"
import { rules } from "./bookRules.ts"
import type { table } from "./kindTable.ts"
import { saysUnknownSymbol } from "./restRefusal.ts"
import * as Check from "./streamCheck.ts"
import { normalise } from "./streamNames.ts"

// The continuity of each kind is the one in kindTable.ts.
type AsInTable = {
  readonly [Type in keyof typeof table]: {
    readonly continuity: { readonly _tag: Capitalize<(typeof table)[Type]["continuity"]> }
  }
}

const kind = <A extends MarketEvent, const Tag extends Continuity<A>["_tag"]>(
  type: A["type"],
  decoder: (stream: string) => Decoder<A>,
  continuity: Continuity<NoInfer<A>> & { readonly _tag: Tag }
): Kind<A> & { readonly continuity: { readonly _tag: Tag } } => ({ type, decoder, continuity })

// Saves the conversion of nearly all prices to numbers.
const startsAboveZero = (decimal: string) => decimal.charCodeAt(0) > 0x30

const byTime: State<MarketEvent> = { _tag: "State", positionOf: ({ timestamp }) => timestamp }

// Some kinds have a time only on futures.
const isTimed = ({ data }: MarketEvent) => "E" in data

const byItsTime: State<MarketEvent> = { _tag: "State", positionOf: ({ timestamp }) => timestamp, isTimed }

// Makes events from fetched data.
const fetched = <const Type extends string, Data extends { readonly E: number }>(
  type: Type,
  { symbol }: Target,
  all: Effect.Effect<ReadonlyArray<Data>, Rest.RestError>
) =>
  Effect.map(all, (items) =>
    items.map((data): MarketEvent<Data, Type> => ({
      source: "binance",
      symbol,
      type,
      data,
      timestamp: data.E,
      via: "rest"
    })))

// The candle of a period without trades: at the last close, without volume.
const flatCandle = ({ data: { k, ...data }, ...event }: Kline, t: number): Kline => {
  const T = t + k.T - k.t
  const none = { v: "0", q: "0", V: "0", Q: "0", n: 0, f: -1, L: -1 }
  return {
    ...event,
    data: { ...data, E: T, k: { ...k, ...none, t, T, o: k.c, h: k.c, l: k.c, c: k.c, x: true } },
    timestamp: T,
    via: "fill"
  }
}

const intervalOf = (stream: string) => {
  const [, interval = "", timeZone] = /@kline_([^@]+)(?:@\+?(.+))?/.exec(stream) ?? []
  return { interval, timeZone }
}

export const kinds = (rest: Rest.Rest) =>
  ({
    trade: kind("trade", decoders.trade, {
      _tag: "Sequence",
      idOf: ({ data }) => data.t,
      happenedAt: ({ data }) => data.T,
      // Futures send a price of zero for an id that became no trade.
      isReal: ({ data: { p } }) => startsAboveZero(p) || Number(p) !== 0,
      fetch: (stream: Target, fromId: number) => fetched("trade", stream, rest.trades(stream.symbol, fromId)),
      pageSize: Rest.pageSize,
      weight: rest.weights.trades,
      latest: ({ symbol }: Target) => Effect.map(rest.latestTrades([symbol]), (latest) => latest.get(symbol)),
      firstSince: ({ symbol }: Target, at: number) => Effect.map(rest.firstAggTrade(symbol, at), (first) => first?.f),
      unreachedCause: () => {
        const reason = rest.beyondReach()
        return reason === undefined ? undefined : new NotRepairable({ reason })
      },
      skippedCause: rest.omits === undefined ? undefined : new NotRepairable({ reason: rest.omits })
    }),
    aggTrade: kind("aggTrade", decoders.aggTrade, {
      _tag: "Sequence",
      idOf: ({ data }) => data.a,
      happenedAt: ({ data }) => data.T,
      fetch: (stream: Target, fromId: number) => fetched("aggTrade", stream, rest.aggTrades(stream.symbol, fromId)),
      pageSize: Rest.pageSize,
      weight: rest.weights.aggTrades,
      latest: ({ symbol }: Target) => rest.latestAggTrade(symbol),
      firstSince: ({ symbol }: Target, at: number) => Effect.map(rest.firstAggTrade(symbol, at), (first) => first?.a)
    }),
    kline: kind("kline", decoders.kline, {
      _tag: "Candles",
      opensAt: ({ data }) => data.k.t,
      closesAt: ({ data }) => data.k.T,
      isClosed: ({ data }) => data.k.x,
      fetch: (stream, from, to) => {
        const { interval, timeZone } = intervalOf(stream.name)
        return fetched("kline", stream, rest.klines(stream.symbol, interval, from, to, timeZone))
      },
      latest: (stream, count) => {
        const { interval, timeZone } = intervalOf(stream.name)
        return fetched("kline", stream, rest.latestKlines(stream.symbol, interval, count, timeZone))
      },
      weight: rest.weights.klines,
      flat: (previous, opensAt) => flatCandle(previous, opensAt)
    }),
    ticker: kind("ticker", decoders.ticker, byTime),
    miniTicker: kind("miniTicker", decoders.miniTicker, byTime),
    windowTicker: kind("windowTicker", decoders.windowTicker, byTime),
    avgPrice: kind("avgPrice", decoders.avgPrice, byTime),
    markPrice: kind("markPrice", decoders.markPrice, byTime),
    referencePrice: kind("referencePrice", decoders.referencePrice, { _tag: "State", positionOf: ({ data }) => data.t, isTimed }),
    bookTicker: kind("bookTicker", decoders.bookTicker, { _tag: "State", positionOf: ({ data }) => data.u, isTimed }),
    partialDepth: kind("partialDepth", decoders.partialDepth, {
      _tag: "State",
      positionOf: ({ data }) => "u" in data ? data.u : data.lastUpdateId,
      isTimed
    }),
    depth: kind("depth", decoders.depth, {
      _tag: "Diffs",
      positionOf: ({ data }) => data.u,
      previousOf: ({ data }) => data.pu ?? data.U - 1
    }),
    rpiDepth: kind("rpiDepth", decoders.rpiDepth, {
      _tag: "Diffs",
      positionOf: ({ data }) => data.u,
      previousOf: ({ data }) => data.pu ?? data.U - 1
    }),
    blockTrade: kind("blockTrade", decoders.blockTrade, {
      _tag: "Sequence",
      idOf: ({ data }) => data.t,
      happenedAt: ({ data }) => data.T,
      fetch: (stream: Target, fromId: number) => fetched("blockTrade", stream, rest.blockTrades(stream.symbol, fromId)),
      pageSize: Rest.pageSize,
      weight: rest.weights.blockTrades,
      isRare: true
    }),
    forceOrder: kind("forceOrder", decoders.forceOrder, unknown),
    // Kinds whose data has no schema here: any object.
    contractInfo: kind("contractInfo", fromStream, unknown),
    tradingSession: kind("tradingSession", fromStream, unknown),
    optionTrade: kind("optionTrade", fromStream, unknown),
    optionSymbol: kind("optionSymbol", fromStream, unknown),
    continuousKline: kind("continuousKline", fromStream, unknown),
    indexPriceKline: kind("indexPriceKline", fromStream, unknown),
    markPriceKline: kind("markPriceKline", fromStream, unknown),
    indexPrice: kind("indexPrice", fromStream, byItsTime),
    compositeIndex: kind("compositeIndex", fromStream, byItsTime),
    assetIndex: kind("assetIndex", fromStream, byItsTime),
    optionTicker: kind("optionTicker", fromStream, byItsTime),
    optionMarkPrice: kind("optionMarkPrice", fromStream, byItsTime),
    openInterest: kind("openInterest", fromStream, byItsTime),
    index: kind("index", fromStream, byItsTime),
    userData: kind("userData", fromStream, unknown)
  }) satisfies AsInTable

const spokenOfTrades: ReadonlySet<string> = new Set([
  "trade",
  "aggTrade",
  "kline",
  "ticker",
  "miniTicker",
  "windowTicker",
  "avgPrice",
  "bookTicker",
  "depth",
  "partialDepth"
])

export type Kinds = ReturnType<typeof kinds>

/** The speed of books and updates by default. Every venue has it. */
export const fastestDepth = "100ms"

/** The end of the name of a stream of updates, or of the best levels, at a speed. The usual speed has no ending. */
export const depthEnd = ({ depthSpeeds: [usual] }: Pick<Address.Venue, "depthSpeeds">, speed: string, levels: number | "" = ""): string =>
  `depth${levels}${speed === usual ? "" : `@${speed}`}`

// The market that a REST interface belongs to.
const marketOf = { "/api/v3": "spot", "/fapi/v1": "usd-m", "/dapi/v1": "coin-m" } as const

/** The venue at an address. */
export const venue = (address: Address.Venue, rest: Rest.Rest, known: Kinds): Venue => {
  const timeUnit = address.timeUnit === "microsecond" ? "?timeUnit=MICROSECOND" : ""
  const market = marketOf[address.api]
  const byType: ReadonlyMap<string, Kind> = new Map<string, Kind>(Object.entries(known))

  const streamOf = <A extends MarketEvent>(written: string, kindOf: (type: string) => Kind<A>): Stream<A> => {
    const name = normalise(written)
    const { kind, symbol } = StreamKind.parse(name)
    return { name, symbol, group: address.path(kind), kind: kindOf(kind.type) }
  }

  const books: Books<typeof Payloads.Depth.Type> = {
    stream: (symbol, speed = fastestDepth) => streamOf(`${symbol}@${depthEnd(address, speed)}`, () => known.depth),
    speeds: address.depthSpeeds,
    rules,
    levels: rest.levels,
    snapshot: rest.depth,
    share: (levels) => rest.depthWeight(levels) / address.weightPerMinute
  }

  return {
    name: "binance",
    protocol: Protocol.make(address.messagesPerSecond),
    endpoint: (path) => {
      const complete = (url: string) => `${url}${path}${timeUnit}`
      return { url: typeof address.ws === "string" ? complete(address.ws) : Array.map(address.ws, complete) }
    },
    stream: (name) =>
      streamOf(name, (type) => byType.get(type) ?? { type, decoder: fromStream, continuity: unknown }),
    check: (name) => Check.byName(market, name),
    lookUp: Check.bySymbol(market, rest.symbols),
    // The venue rejects a request for the book of an unknown symbol.
    isKnown: ({ symbol }) =>
      symbol === "" ? Effect.succeed(false) : rest.depth(symbol, 5).pipe(
        Effect.as(true),
        Effect.catchAll((error) => Effect.succeed(!(error._tag === "RestRejected" && saysUnknownSymbol(error.code))))
      ),
    // A trade makes each of these kinds speak. Mark prices come at any rate, liquidations and block trades rarely.
    activity: {
      keyOf: ({ kind: { type }, symbol }) => symbol !== "" && spokenOfTrades.has(type) ? symbol : undefined,
      counts: rest.latestTrades
    },
    // `serverShutdown` is the only notice.
    isEnding: () => true,
    budget: rest.budget,
    books,
    classify: Failure.classify,
    limits: { topicsPerConnection: address.streamsPerConnection, dials: address.dials }
  }
}
