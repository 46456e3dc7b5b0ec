/**
 * Binance's market events, the gaps between them, and decoders for the messages of a combined connection.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { Decoder } from "../market/Decoder.ts"
import * as Decoding from "../market/Decoder.ts"
import type { MarketEvent } from "../market/MarketEvent.ts"
import type { Message } from "../Transport.ts"
import { format } from "./internal/format.ts"
import * as Payloads from "./Payloads.ts"
import { parse } from "./Protocol.ts"
import * as StreamKind from "./StreamKind.ts"

export { InvalidMessage } from "../market/Decoder.ts"
export type { Decoder } from "../market/Decoder.ts"
export {
  failOnEnded,
  failOnGap,
  HistoryPruned,
  GapTooLarge,
  isEnded,
  isGap,
  MarketGap,
  NotRepairable,
  NotServedYet,
  RepairTooLong
} from "../market/MarketEvent.ts"
export type { Ended, Gap, GapCause, MarketEvent } from "../market/MarketEvent.ts"

/**
 * A trade, of `<symbol>@trade`.
 *
 * @since 0.1.0
 * @category models
 */
export type Trade = MarketEvent<typeof Payloads.Trade.Type, "trade">

/**
 * An aggregate trade, of `<symbol>@aggTrade`.
 *
 * @since 0.1.0
 * @category models
 */
export type AggTrade = MarketEvent<typeof Payloads.AggTrade.Type, "aggTrade">

/**
 * A candle as it forms, of `<symbol>@kline_<interval>`.
 *
 * @since 0.1.0
 * @category models
 */
export type Kline = MarketEvent<typeof Payloads.Kline.Type, "kline">

/**
 * Statistics of the last 24 hours, of `<symbol>@ticker`.
 *
 * @since 0.1.0
 * @category models
 */
export type Ticker = MarketEvent<typeof Payloads.Ticker.Type, "ticker">

/**
 * Prices and volumes of the last 24 hours, of `<symbol>@miniTicker`.
 *
 * @since 0.1.0
 * @category models
 */
export type MiniTicker = MarketEvent<typeof Payloads.MiniTicker.Type, "miniTicker">

/**
 * The best bid and ask, of `<symbol>@bookTicker`.
 *
 * @since 0.1.0
 * @category models
 */
export type BookTicker = MarketEvent<typeof Payloads.BookTicker.Type, "bookTicker">

/**
 * An update of a book, of `<symbol>@depth`.
 *
 * @since 0.1.0
 * @category models
 */
export type Depth = MarketEvent<typeof Payloads.Depth.Type, "depth">

/**
 * The best levels of a book, of `<symbol>@depth<levels>`.
 *
 * @since 0.1.0
 * @category models
 */
export type PartialDepth = MarketEvent<
  typeof Payloads.PartialDepth.Type | typeof Payloads.FuturesPartialDepth.Type,
  "partialDepth"
>

/**
 * The mark price of a futures contract, of `<symbol>@markPrice`.
 *
 * @since 0.1.0
 * @category models
 */
export type MarkPrice = MarketEvent<typeof Payloads.MarkPrice.Type, "markPrice">

/**
 * A liquidation on futures, of `<symbol>@forceOrder`.
 *
 * @since 0.1.0
 * @category models
 */
export type ForceOrder = MarketEvent<typeof Payloads.ForceOrder.Type, "forceOrder">

/**
 * The open interest of a futures contract, of `feed.openInterest`.
 *
 * @since 0.1.0
 * @category models
 */
export type OpenInterest = MarketEvent<typeof Payloads.OpenInterest.Type, "openInterest">

/**
 * A block trade on the spot market, of `<symbol>@blockTrade`.
 *
 * @since 0.1.0
 * @category models
 */
export type BlockTrade = MarketEvent<typeof Payloads.BlockTrade.Type, "blockTrade">

type DecoderOf<Data extends object, Type extends string> = (stream: string) => Decoder<MarketEvent<Data, Type>>

const decoder = <const Type extends string, A extends object, I>(
  type: Type,
  schema: Schema.Schema<A, I>,
  options: Pick<Decoding.Options<Type, A, I>, "lists" | "anySymbol"> = {}
): DecoderOf<A, Type> => {
  const make = Decoding.make({ ...format, type, schema, ...options })
  return (stream) => make(stream, StreamKind.parse(stream).symbol)
}

// A stream of a pair, such as btcusd@markPrice, has lists with the events of its contracts: BTCUSD_PERP, BTCUSD_201225.
const ofPair = { lists: true, anySymbol: (symbol: string, pair: string) => symbol.startsWith(`${pair}_`) }

// The events of an unknown kind may be any object.
const decoderOfAny = (type: string): DecoderOf<object, string> => {
  const make = Decoding.make({ ...format, type, schema: Schema.Object, lists: true, anySymbol: true })
  return (stream) => make(stream, StreamKind.parse(stream).symbol)
}

const numberAt = (data: object, field: string): number | undefined => {
  const value = Predicate.hasProperty(data, field) ? data[field] : undefined
  return typeof value === "number" ? value : undefined
}

const isResumable = (stream: unknown) => {
  if (typeof stream !== "string") return false
  const { kind: { continuity } } = StreamKind.parse(stream)
  return continuity === "sequence" || continuity === "candles" || continuity === "diffs"
}

/**
 * The position of an event in its stream: give it as `after` to resume the stream after this event. Of a trade, an
 * aggregate trade or a block trade it is the id, of an update of a book its last update id, of a closed candle its last moment, and of one that still forms
 * the last moment of the candle before it. Of a gap in such a stream it is the end of the gap. `undefined`: the stream cannot be resumed, or not after this event.
 *
 * @since 0.1.0
 * @category positions
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { BinanceFeed, MarketEvent } from "holdfast/binance"
 *
 * const program = (positions: Map<string, number>) =>
 *   Effect.gen(function*() {
 *     const feed = yield* BinanceFeed.BinanceFeed
 *     yield* feed.trades("BTCUSDT", { after: positions.get("BTCUSDT") }).forEach((event) =>
 *       Effect.sync(() => {
 *         const position = MarketEvent.positionOf(event)
 *         if (position !== undefined) positions.set(event.symbol, position)
 *       }))
 *   })
 * ```
 */
export const positionOf = ({ data, type }: MarketEvent): number | undefined => {
  switch (type) {
    case "trade":
    case "blockTrade":
      return numberAt(data, "t")
    case "aggTrade":
      return numberAt(data, "a")
    case "depth":
      return numberAt(data, "u")
    case "kline": {
      const candle = Predicate.hasProperty(data, "k") ? data.k : undefined
      if (!Predicate.isRecord(candle)) return undefined
      const opens = numberAt(candle, "t")
      if (candle["x"] === true) return numberAt(candle, "T")
      return opens === undefined ? undefined : opens - 1
    }
    case "gap":
      return Predicate.hasProperty(data, "stream") && isResumable(data.stream) ? numberAt(data, "to") : undefined
    default:
      return undefined
  }
}

/**
 * Makes decoders, by the type of the events. Each function takes the name of a stream.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decoders = {
  trade: decoder("trade", Payloads.Trade),
  aggTrade: decoder("aggTrade", Payloads.AggTrade),
  kline: decoder("kline", Payloads.Kline),
  ticker: decoder("ticker", Payloads.Ticker),
  miniTicker: decoder("miniTicker", Payloads.MiniTicker),
  bookTicker: decoder("bookTicker", Payloads.BookTicker),
  depth: decoder("depth", Payloads.Depth),
  rpiDepth: decoder("rpiDepth", Payloads.Depth),
  partialDepth: decoder("partialDepth", Schema.Union(Payloads.PartialDepth, Payloads.FuturesPartialDepth)),
  windowTicker: decoder("windowTicker", Payloads.WindowTicker),
  avgPrice: decoder("avgPrice", Payloads.AveragePrice),
  referencePrice: decoder("referencePrice", Payloads.ReferencePrice),
  markPrice: decoder("markPrice", Payloads.MarkPrice, ofPair),
  blockTrade: decoder("blockTrade", Payloads.BlockTrade),
  forceOrder: decoder("forceOrder", Payloads.ForceOrder)
}

/**
 * Makes the decoder of a stream, by its name. The events of an unknown kind may be any object.
 *
 * @since 0.1.0
 * @category decoding
 */
export const fromStream = (stream: string): Decoder<MarketEvent> => {
  const { kind: { type } } = StreamKind.parse(stream)
  const known: ReadonlyMap<string, (stream: string) => Decoder<MarketEvent>> = new Map(Object.entries(decoders))
  return (known.get(type) ?? decoderOfAny(type))(stream)
}

/**
 * Decodes a message of a combined connection: into one event, several (streams of all symbols), or none (the answer to a
 * request). `receivedAt` is Unix time in milliseconds.
 *
 * @since 0.1.0
 * @category decoding
 * @example
 * ```ts
 * import * as Either from "effect/Either"
 * import { MarketEvent } from "holdfast/binance"
 *
 * const message = `{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":7,"p":"1.0","q":"2.0","T":1,"m":true}}`
 * const events = Either.getOrThrow(MarketEvent.decode(message, 0))
 * console.log(events[0]?.symbol, events[0]?.type) // BTCUSDT trade
 * ```
 */
export const decode = (
  message: Message,
  receivedAt: number
): Either.Either<ReadonlyArray<MarketEvent>, Decoding.InvalidMessage> => {
  const parsed = parse(message)
  switch (parsed._tag) {
    case "Data":
      return fromStream(parsed.topic).decode(parsed.data, receivedAt)
    case "Invalid":
      return Either.left(new Decoding.InvalidMessage({ reason: parsed.reason, excerpt: parsed.excerpt }))
    default:
      return Either.right([])
  }
}
