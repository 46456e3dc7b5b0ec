/**
 * From a frame of a combined stream to the market events in it.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { Message } from "../Transport.ts"
import * as Payloads from "./Payloads.ts"

/**
 * One event, as the program prints it: `data` has the venue's own field names, and `timestamp` is the venue's event
 * time where it gives one (milliseconds, or microseconds if those were asked for), and ours (milliseconds) where not.
 *
 * @since 0.1.0
 * @category models
 */
export interface MarketEvent {
  readonly source: "binance"
  readonly symbol: string
  /** The kind of stream: `trade`, `kline`, `ticker`, `depth` … */
  readonly type: string
  readonly data: object
  readonly timestamp: number
}

/**
 * A frame that is not what its stream promises. It is skipped, never fatal.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidFrame extends Data.TaggedError("InvalidFrame")<{
  readonly reason: string
  /** The beginning of the frame. */
  readonly excerpt: string
}> {
  override get message(): string {
    return `Skipped a frame that is not what its stream promises, since ${this.reason}: ${this.excerpt}`
  }
}

const excerptLength = 120

interface Kind {
  readonly type: string
  readonly decode: (data: unknown) => Either.Either<object, ParseError>
}

const kind = <A extends object, I>(type: string, schema: Schema.Schema<A, I>): Kind => ({
  type,
  decode: Schema.decodeUnknownEither(schema, { onExcessProperty: "preserve" })
})

// By the part of a stream's name that tells its kind, parameters left out.
const kinds: ReadonlyMap<string, Kind> = new Map([
  ["trade", kind("trade", Payloads.Trade)],
  ["aggTrade", kind("aggTrade", Payloads.AggTrade)],
  ["kline", kind("kline", Payloads.Kline)],
  ["ticker", kind("ticker", Payloads.Ticker)],
  ["miniTicker", kind("miniTicker", Payloads.MiniTicker)],
  ["bookTicker", kind("bookTicker", Payloads.BookTicker)],
  ["depth", kind("depth", Payloads.Depth)],
  ["partialDepth", kind("partialDepth", Payloads.PartialDepth)],
  ["!serverShutdown", kind("serverShutdown", Payloads.ServerShutdown)]
])

const Envelope = Schema.parseJson(Schema.Struct({ stream: Schema.String, data: Schema.Unknown }))
const decodeEnvelope = Schema.decodeUnknownEither(Envelope)

// The answer to a control message: not a market event, and nothing wrong with it.
const Answer = Schema.parseJson(Schema.Union(
  Schema.Struct({ result: Schema.Unknown, id: Schema.Unknown }),
  Schema.Struct({ code: Schema.Number, msg: Schema.String })
))
const isAnswer = (text: string) => Either.isRight(Schema.decodeUnknownEither(Answer)(text))

const named = Schema.decodeUnknownOption(
  Schema.Struct({ s: Schema.optional(Schema.String), E: Schema.optional(Schema.Number) })
)

// "btcusdt@depth20@100ms" is a partialDepth of BTCUSDT, "!miniTicker@arr" a miniTicker of all symbols.
const split = (stream: string) => {
  const [head = "", tail = ""] = stream.split("@", 2)
  if (head.startsWith("!")) return { symbol: "", name: tail === "arr" ? head.slice(1) : head }
  const name = tail.replace(/^kline_.*$/, "kline").replace(/^depth(5|10|20)$/, "partialDepth")
  return { symbol: head.toUpperCase(), name }
}

const first = (error: ParseError) => error.message.split("\n").at(-1)?.replace(/^[\s│└├─]+/, "") ?? ""

/**
 * Decodes a frame of a combined stream. It holds one event, several (streams of all symbols), or none (the answer to
 * a control message). Kinds of streams that are not known here pass as they are, named as in the stream's name.
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
  const text = typeof message === "string" ? message : new TextDecoder().decode(message)
  const invalid = (reason: string) =>
    Either.left(new InvalidFrame({ reason, excerpt: text.slice(0, excerptLength) }))

  const envelope = decodeEnvelope(text)
  if (Either.isLeft(envelope)) {
    return isAnswer(text) ? Either.right([]) : invalid("it is not a combined event")
  }
  const { data, stream } = envelope.right
  const { name, symbol } = split(stream)
  const known = kinds.get(name)
  const events: Array<MarketEvent> = []
  for (const item of Array.isArray(data) ? data : [data]) {
    const decoded = known === undefined ? plain(item) : known.decode(item)
    if (Either.isLeft(decoded)) return invalid(first(decoded.left))
    const { E, s } = named(item).pipe((option) => option._tag === "Some" ? option.value : {})
    events.push({
      source: "binance",
      symbol: s ?? symbol,
      type: known?.type ?? name,
      data: decoded.right,
      timestamp: E ?? receivedAt
    })
  }
  return Either.right(events)
}

const plain = Schema.decodeUnknownEither(Schema.Object)
