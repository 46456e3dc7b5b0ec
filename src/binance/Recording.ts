/**
 * Reads the files that `holdfast record` has written, as the streams that a `BinanceFeed` gives: a program reads what was
 * and what is in the same way. Gaps stand where the recorder could not get what was missing.
 *
 * @since 0.1.0
 */
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { describePlatformError } from "../internal/platformError.ts"
import { isOwn } from "../internal/recording/format.ts"
import { split } from "../internal/recording/link.ts"
import * as Lines from "../internal/recording/lines.ts"
import { inOrder } from "../internal/recording/names.ts"
import type { Several } from "./BinanceFeed.ts"
import * as MarketEvent from "./MarketEvent.ts"
import * as Payloads from "./Payloads.ts"

/**
 * A file cannot be read, or a line of it is no event. `holdfast verify` says more about the file.
 *
 * @since 0.1.0
 * @category errors
 */
export class RecordingUnreadable extends Data.TaggedError("RecordingUnreadable")<{
  /** The path of the file. */
  readonly file: string
  /** The number of the line in the file, from 1. Undefined if the file itself cannot be read. */
  readonly line: number | undefined
  /** A clause that follows a colon. */
  readonly reason: string
}> {
  override get message(): string {
    const where = this.line === undefined ? "" : ` in line ${this.line}`
    return `The recording ${this.file} cannot be read${where}: ${this.reason.replace(/\.$/, "")}.`
  }
}

/**
 * The events of a recording, by the names of the methods of a feed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Recording {
  readonly trades: (symbols: Several) => Events<MarketEvent.Trade>
  readonly aggTrades: (symbols: Several) => Events<MarketEvent.AggTrade>
  /** `interval` such as `1m`. Candles of all time zones that were recorded. */
  readonly klines: (symbols: Several, interval: string) => Events<MarketEvent.Kline>
  readonly ticker: (symbols: Several) => Events<MarketEvent.Ticker>
  readonly miniTicker: (symbols: Several) => Events<MarketEvent.MiniTicker>
  readonly bookTicker: (symbols: Several) => Events<MarketEvent.BookTicker>
  readonly depth: (symbols: Several) => Events<MarketEvent.Depth>
  readonly partialDepth: (symbols: Several) => Events<MarketEvent.PartialDepth>
  /** Of streams of one symbol, of a pair, and of all symbols. */
  readonly markPrice: (symbols: Several) => Events<MarketEvent.MarkPrice>
  /** Of streams of one symbol, and of all symbols. */
  readonly forceOrder: (symbols: Several) => Events<MarketEvent.ForceOrder>
  readonly blockTrades: (symbols: Several) => Events<MarketEvent.BlockTrade>
  /** Every event of every stream, in the order in which they were recorded. */
  readonly raw: Events<MarketEvent.MarketEvent>
}

/**
 * Events of a recording, and the gaps between them.
 *
 * @since 0.1.0
 * @category models
 */
export type Events<A> = Stream.Stream<A | MarketEvent.Gap, RecordingUnreadable, FileSystem.FileSystem>

const base = { source: Schema.String, symbol: Schema.String, timestamp: Schema.Number, via: Schema.Literal("ws", "rest", "fill") }
const GapData = Schema.Struct({
  stream: Schema.String,
  from: Schema.optional(Schema.Number),
  to: Schema.optional(Schema.Number),
  cause: Schema.Struct({ error: Schema.String, message: Schema.String })
})
const AnyEvent = Schema.parseJson(Schema.Union(
  Schema.Struct({ ...base, type: Schema.Literal("gap"), data: GapData }),
  Schema.Struct({ ...base, type: Schema.String, data: Schema.Object })
))
const decode = Schema.decodeEither(AnyEvent)

const isGapData = Schema.is(GapData)

const causeOf = ({ error, message }: { readonly error: string; readonly message: string }): MarketEvent.GapCause => {
  switch (error) {
    case "HistoryPruned":
      return new MarketEvent.HistoryPruned()
    case "NotServedYet":
      return new MarketEvent.NotServedYet()
    default:
      return new MarketEvent.NotRepairable({ reason: message.replace(/^The missing events cannot be fetched\. /, "") })
  }
}

const eventOf = ({ data, ...event }: { readonly type: string; readonly data: object } & Omit<MarketEvent.MarketEvent, "data" | "type">): MarketEvent.MarketEvent | MarketEvent.Gap =>
  event.type === "gap" && isGapData(data)
    ? { ...event, type: "gap", data: { stream: data.stream, from: data.from, to: data.to, cause: causeOf(data.cause) } }
    : { ...event, data }

const schemas = {
  trade: Payloads.Trade,
  aggTrade: Payloads.AggTrade,
  kline: Payloads.Kline,
  ticker: Payloads.Ticker,
  miniTicker: Payloads.MiniTicker,
  bookTicker: Payloads.BookTicker,
  depth: Payloads.Depth,
  partialDepth: Schema.Union(Payloads.PartialDepth, Payloads.FuturesPartialDepth),
  markPrice: Payloads.MarkPrice,
  forceOrder: Payloads.ForceOrder,
  blockTrade: Payloads.BlockTrade
}
const guards = new Map<string, (data: unknown) => boolean>([
  ["trade", Schema.is(schemas.trade)],
  ["aggTrade", Schema.is(schemas.aggTrade)],
  ["kline", Schema.is(schemas.kline)],
  ["ticker", Schema.is(schemas.ticker)],
  ["miniTicker", Schema.is(schemas.miniTicker)],
  ["bookTicker", Schema.is(schemas.bookTicker)],
  ["depth", Schema.is(schemas.depth)],
  ["partialDepth", Schema.is(schemas.partialDepth)],
  ["markPrice", Schema.is(schemas.markPrice)],
  ["forceOrder", Schema.is(schemas.forceOrder)],
  ["blockTrade", Schema.is(schemas.blockTrade)]
])

const unreadable = (file: string) => (cause: PlatformError) =>
  new RecordingUnreadable({ file, line: undefined, reason: describePlatformError(cause) })

const fileEvents = (file: string): Events<MarketEvent.MarketEvent> =>
  Stream.suspend(() => {
    let line = 0
    const read = (text: string): Either.Either<ReadonlyArray<MarketEvent.MarketEvent | MarketEvent.Gap>, RecordingUnreadable> => {
      line++
      const json = split(text)?.json ?? text
      return isOwn(json)
        ? Either.right([])
        : decode(json).pipe(
          Either.filterOrLeft(({ data, type }) => guards.get(type)?.(data) ?? true, () => undefined),
          Either.mapBoth({
            onLeft: () => new RecordingUnreadable({ file, line, reason: "it is no market event" }),
            onRight: (event) => [eventOf(event)]
          })
        )
    }
    return Lines.read(file).pipe(
      Stream.mapError(unreadable(file)),
      // A torn last line is one that a recorder is still writing, or will cut off.
      Stream.mapEffect(({ lines }) => Either.all(lines.map(read))),
      Stream.mapConcat((events) => events.flat())
    )
  })

const upper = (several: Several): ReadonlySet<string> => new Set([several].flat().map((symbol) => symbol.toUpperCase()))

/**
 * Reads the files of a recording, compressed or not. Rotated files are put in order by their names. Own lines of the recorder
 * are left out, and so is a torn last line. It does not verify: `holdfast verify` does.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import { MarketEvent, Recording } from "holdfast/binance"
 *
 * // Works alike on `feed.trades("BTCUSDT")`.
 * const volume = <E, R>(trades: Stream.Stream<MarketEvent.Trade | MarketEvent.Gap, E, R>) =>
 *   Stream.runFold(trades, 0, (sum, event) => MarketEvent.isGap(event) ? sum : sum + Number(event.data.q))
 *
 * const recording = Recording.make(["market.2026-01-01T00-00-00.000Z.ndjson.gz", "market.ndjson"])
 * const program = volume(recording.trades("BTCUSDT")).pipe(
 *   Effect.flatMap(Effect.log),
 *   Effect.provide(NodeContext.layer)
 * )
 * ```
 */
export const make = (files: string | ReadonlyArray<string>): Recording => {
  const raw: Recording["raw"] = Stream.fromIterable(inOrder([files].flat()).flat()).pipe(Stream.flatMap(fileEvents))

  const kind = <A extends object, I, const Type extends string>(type: Type, schema: Schema.Schema<A, I>) => {
    type Event = MarketEvent.MarketEvent<A, Type>
    const fits = Schema.is(schema)
    const isEvent = (event: MarketEvent.MarketEvent): event is Event => event.type === type && fits(event.data)
    return (symbols: Several, isAsked: (event: Event) => boolean = () => true, suffix = `@${type}`): Events<Event> => {
      const asked = upper(symbols)
      const choose = (event: MarketEvent.MarketEvent | MarketEvent.Gap): ReadonlyArray<Event | MarketEvent.Gap> => {
        // A gap in a stream of all symbols may be one of each.
        if (MarketEvent.isGap(event) && event.data.stream.startsWith(`!${type}`)) return [event]
        if (!asked.has(event.symbol)) return []
        if (MarketEvent.isGap(event)) return event.data.stream.includes(suffix) ? [event] : []
        return isEvent(event) && isAsked(event) ? [event] : []
      }
      return Stream.mapChunks(raw, Chunk.flatMap((event) => Chunk.fromIterable(choose(event))))
    }
  }

  const trades = kind("trade", schemas.trade)
  const aggTrades = kind("aggTrade", schemas.aggTrade)
  const kline = kind("kline", schemas.kline)
  const ticker = kind("ticker", schemas.ticker)
  const miniTicker = kind("miniTicker", schemas.miniTicker)
  const bookTicker = kind("bookTicker", schemas.bookTicker)
  const depth = kind("depth", schemas.depth)
  const partialDepth = kind("partialDepth", schemas.partialDepth)
  const markPrice = kind("markPrice", schemas.markPrice)
  const forceOrder = kind("forceOrder", schemas.forceOrder)
  const blockTrade = kind("blockTrade", schemas.blockTrade)
  return {
    trades: (symbols) => trades(symbols),
    aggTrades: (symbols) => aggTrades(symbols),
    klines: (symbols, interval) => kline(symbols, ({ data }) => data.k.i === interval, `@kline_${interval}`),
    ticker: (symbols) => ticker(symbols),
    miniTicker: (symbols) => miniTicker(symbols),
    bookTicker: (symbols) => bookTicker(symbols),
    depth: (symbols) => depth(symbols),
    partialDepth: (symbols) => partialDepth(symbols),
    markPrice: (symbols) => markPrice(symbols),
    forceOrder: (symbols) => forceOrder(symbols),
    blockTrades: (symbols) => blockTrade(symbols),
    raw
  }
}
