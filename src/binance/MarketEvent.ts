/**
 * Market events, the gaps between them, and how to get them out of the frames of a combined stream.
 *
 * @since 0.1.0
 */
import * as EffectData from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Decoding from "./internal/decoder.ts"
import type { Message } from "../Transport.ts"
import * as Payloads from "./Payloads.ts"
import { parse } from "./Protocol.ts"
import type { RestError } from "./Rest.ts"
import * as StreamKind from "./StreamKind.ts"

/**
 * One event, as the program prints it: `data` has the venue's own field names, and `timestamp` is the venue's event
 * time where it gives one (milliseconds, or microseconds if those were asked for), and ours (milliseconds) where not.
 *
 * @since 0.1.0
 * @category models
 */
export interface MarketEvent<Data extends object = object, Type extends string = string> {
  readonly source: "binance"
  readonly symbol: string
  /** The kind of stream: `trade`, `kline`, `ticker`, `depth` … */
  readonly type: Type
  /** A text in it may keep the frame in memory that it came in, 2,048 characters at most. */
  readonly data: Data
  readonly timestamp: number
  /** Whether it came over a socket, or was fetched since the sockets had missed it. */
  readonly via: "ws" | "rest"
}

/**
 * @since 0.1.0
 * @category models
 */
export type Trade = MarketEvent<typeof Payloads.Trade.Type, "trade">

/**
 * @since 0.1.0
 * @category models
 */
export type AggTrade = MarketEvent<typeof Payloads.AggTrade.Type, "aggTrade">

/**
 * @since 0.1.0
 * @category models
 */
export type Kline = MarketEvent<typeof Payloads.Kline.Type, "kline">

/**
 * @since 0.1.0
 * @category models
 */
export type Ticker = MarketEvent<typeof Payloads.Ticker.Type, "ticker">

/**
 * @since 0.1.0
 * @category models
 */
export type MiniTicker = MarketEvent<typeof Payloads.MiniTicker.Type, "miniTicker">

/**
 * @since 0.1.0
 * @category models
 */
export type BookTicker = MarketEvent<typeof Payloads.BookTicker.Type, "bookTicker">

/**
 * @since 0.1.0
 * @category models
 */
export type Depth = MarketEvent<typeof Payloads.Depth.Type, "depth">

/**
 * @since 0.1.0
 * @category models
 */
export type PartialDepth = MarketEvent<
  typeof Payloads.PartialDepth.Type | typeof Payloads.FuturesPartialDepth.Type,
  "partialDepth"
>

/**
 * What was missed is older than what the venue still has.
 *
 * @since 0.1.0
 * @category errors
 */
export class HistoryPruned extends EffectData.TaggedError("HistoryPruned") {
  override get message(): string {
    return "The venue does not have this any more."
  }
}

/**
 * The sockets are ahead of the REST interface, and it did not catch up in time.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotServedYet extends EffectData.TaggedError("NotServedYet") {
  override get message(): string {
    return "The venue's REST interface does not have this yet."
  }
}

/**
 * More is missing than may be fetched.
 *
 * @since 0.1.0
 * @category errors
 */
export class HoleTooLarge extends EffectData.TaggedError("HoleTooLarge")<{
  /** How many events may be fetched for one gap. */
  readonly limit: number
}> {
  override get message(): string {
    return `More is missing than the ${this.limit} events that may be fetched at once.`
  }
}

/**
 * Nothing can be fetched for this kind of stream: the connection was lost, or the consumer fell behind.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotRepairable extends EffectData.TaggedError("NotRepairable")<{
  /** What broke the stream. */
  readonly reason: string
}> {
  override get message(): string {
    return `What is missing here cannot be fetched. ${this.reason}`
  }
}

/**
 * Why something that is missing was not repaired.
 *
 * @since 0.1.0
 * @category errors
 */
export type HoleCause = HistoryPruned | NotServedYet | HoleTooLarge | NotRepairable | RestError

/**
 * The place in a stream where events are missing, and could not be repaired. `from` and `to` are the first and last
 * missing ids (trades), update ids (depth) or moments (klines: from where the first begins to where the last ends); without
 * them, nobody can say how much is missing.
 *
 * @since 0.1.0
 * @category models
 */
export type Gap = MarketEvent<{
  readonly stream: string
  readonly from: number | undefined
  readonly to: number | undefined
  readonly cause: HoleCause
}, "gap">

/**
 * Whether this is a gap.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isGap = (event: MarketEvent): event is Gap => event.type === "gap"

/**
 * A gap as a failure, for those who would rather have no stream than one with a hole.
 *
 * @since 0.1.0
 * @category errors
 */
export class MarketGap extends EffectData.TaggedError("MarketGap")<{ readonly gap: Gap }> {
  override get message(): string {
    const { cause, from, stream, to } = this.gap.data
    const bounds = from === undefined ? "events" : `${from} to ${to ?? "?"}`
    return `${stream} is missing ${bounds}. ${cause.message}`
  }
}

/**
 * Fails a stream at its first gap.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import { BinanceFeed, MarketEvent } from "holdfast/binance"
 *
 * const program = Effect.gen(function*() {
 *   const feed = yield* BinanceFeed.BinanceFeed
 *   yield* feed.trades("BTCUSDT").pipe(
 *     MarketEvent.failOnGap,
 *     Stream.runForEach(({ data }) => Effect.log(data.p))
 *   )
 * })
 * ```
 */
export const failOnGap = <A extends MarketEvent, E, R>(
  stream: Stream.Stream<A | Gap, E, R>
): Stream.Stream<A, E | MarketGap, R> =>
  Stream.mapEffect(stream, (event) => isGap(event) ? new MarketGap({ gap: event }) : Effect.succeed(event))

/**
 * A frame that is not what its stream promises. It is skipped, never fatal.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidFrame extends EffectData.TaggedError("InvalidFrame")<{
  readonly reason: string
  /** The beginning of the frame. */
  readonly excerpt: string
}> {
  override get message(): string {
    return `Skipped a frame that is not what its stream promises, since ${this.reason}: ${this.excerpt}`
  }
}

/**
 * Decodes what comes for one stream: one event at a time, or several (streams of all symbols).
 *
 * @since 0.1.0
 * @category models
 */
export interface Decoder<A extends MarketEvent> {
  readonly decode: (data: unknown, receivedAt: number) => Either.Either<ReadonlyArray<A>, InvalidFrame>
  /**
   * The events of many frames of the stream, as they come over a combined connection. What is wrong with one of them is
   * told, and it is left out.
   */
  readonly all: (
    frames: ReadonlyArray<Message>,
    receivedAt: number,
    onInvalid: (error: InvalidFrame) => void
  ) => ReadonlyArray<A>
}

const decoder = <const Type extends string, A extends object, I>(
  type: Type,
  schema: Schema.Schema<A, I>,
  isKnown = true
): (stream: string) => Decoder<MarketEvent<A, Type>> =>
  Decoding.make({ type, schema, isKnown, asError: (wrong) => new InvalidFrame(wrong) })

/**
 * The decoders, by the type of events. Each takes a stream's name first.
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
  partialDepth: decoder("partialDepth", Schema.Union(Payloads.PartialDepth, Payloads.FuturesPartialDepth)),
  windowTicker: decoder("windowTicker", Payloads.WindowTicker),
  avgPrice: decoder("avgPrice", Payloads.AveragePrice),
  referencePrice: decoder("referencePrice", Payloads.ReferencePrice),
  markPrice: decoder("markPrice", Payloads.MarkPrice),
  blockTrade: decoder("blockTrade", Payloads.BlockTrade),
  forceOrder: decoder("forceOrder", Payloads.ForceOrder)
}

/**
 * The decoder for a stream, by its name. Kinds that are not known here pass as they are.
 *
 * @since 0.1.0
 * @category decoding
 */
export const fromStream = (stream: string): Decoder<MarketEvent> => {
  const { kind: { type } } = StreamKind.parse(stream)
  const known: ReadonlyMap<string, (stream: string) => Decoder<MarketEvent>> = new Map(Object.entries(decoders))
  return (known.get(type) ?? decoder(type, Schema.Object, false))(stream)
}

/**
 * Decodes a frame of a combined stream. It holds one event, several (streams of all symbols), or none (the answer to
 * a control message).
 *
 * @since 0.1.0
 * @category decoding
 * @example
 * ```ts
 * import * as Either from "effect/Either"
 * import { MarketEvent } from "holdfast/binance"
 *
 * const frame = `{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":7,"p":"1.0","q":"2.0","T":1,"m":true}}`
 * const events = Either.getOrThrow(MarketEvent.decode(frame, 0))
 * console.log(events[0]?.symbol, events[0]?.type) // BTCUSDT trade
 * ```
 */
export const decode = (
  message: Message,
  receivedAt: number
): Either.Either<ReadonlyArray<MarketEvent>, InvalidFrame> => {
  const incoming = parse(message)
  switch (incoming._tag) {
    case "Data":
      return fromStream(incoming.topic).decode(incoming.data, receivedAt)
    case "Invalid":
      return Either.left(new InvalidFrame({ reason: incoming.reason, excerpt: incoming.excerpt }))
    default:
      return Either.right([])
  }
}
