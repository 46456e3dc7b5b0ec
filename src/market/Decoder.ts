/**
 * From the frames of a stream to its events.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Either from "effect/Either"
import type * as Schema from "effect/Schema"
import * as Decoding from "../internal/feed/decoder.ts"
import type { ServerMessage } from "../SessionProtocol.ts"
import type { Message } from "../Transport.ts"
import type { MarketEvent } from "./MarketEvent.ts"

/**
 * A frame that is not what its stream promises. It is skipped, never fatal.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidMessage extends Data.TaggedError("InvalidMessage")<{
  readonly reason: string
  /** The beginning of the frame. */
  readonly excerpt: string
}> {
  override get message(): string {
    return `Skipped an invalid message, since ${this.reason}: ${this.excerpt}`
  }
}

/**
 * Decodes the frames of one stream. A frame holds one event, or several.
 *
 * @since 0.1.0
 * @category models
 */
export interface Decoder<A extends MarketEvent> {
  /** The events in the data of one frame, which was parsed before. `receivedAt` is in milliseconds since the epoch. */
  readonly decode: (data: unknown, receivedAt: number) => Either.Either<ReadonlyArray<A>, InvalidMessage>
  /** The events of many frames, as they came. An invalid frame is reported, and left out. */
  readonly all: (
    messages: ReadonlyArray<Message>,
    receivedAt: number,
    onInvalid: (error: InvalidMessage) => void
  ) => ReadonlyArray<A>
}

/**
 * How the venue writes a frame around its data. A frame of a stream that begins with `start` and ends with `end` must have
 * exactly the data in between: such frames are read several times as fast as they are parsed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Envelope {
  /** All that comes before the data, such as `{"stream":"btcusdt@trade","data":`. */
  readonly start: (stream: string) => string
  /** All that comes after the data, such as `}`. */
  readonly end: string
}

/**
 * What the decoders of one kind of stream know.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<Type extends string, A extends object, I> {
  /** The venue's name, as events carry it. */
  readonly source: string
  /** The kind of stream, as events carry it. */
  readonly type: Type
  /** Checks the data. Data passes as it came, so the schema must not transform it; fields it does not name are kept. */
  readonly schema: Schema.Schema<A, I>
  /** Reads a frame: the stream it belongs to, and its data, parsed. A protocol's own `parse` often does just that. */
  readonly parse: (message: Message) => ServerMessage<unknown, unknown>
  /** The symbol that the data names, if it does. */
  readonly symbolOf: (data: A) => string | undefined
  /** The venue's time of the event, if the data has it. Default: none has, and events carry the time of their arrival. */
  readonly timeOf?: ((data: A) => number | undefined) | undefined
  /** Default: every frame is parsed. */
  readonly envelope?: Envelope | undefined
  /** Whether the data may be a list of events. Default: only in streams that are about all symbols. */
  readonly lists?: boolean | undefined
  /** Whether a stream of one symbol may have events of others. Default: such events are invalid. */
  readonly anySymbol?: boolean | undefined
}

/**
 * Makes the decoders of one kind of stream: one for each stream, given its name and symbol (`""` for all symbols). They
 * learn together how the venue writes the kind, and then read frames without parsing them.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import * as Either from "effect/Either"
 * import * as Schema from "effect/Schema"
 * import { Decoder, Json } from "holdfast/market"
 *
 * const Trade = Schema.Struct({ market: Schema.String, id: Schema.Int, price: Schema.String, at: Schema.Int })
 * const isFrame = Schema.is(Schema.Struct({ channel: Schema.String, payload: Schema.Unknown }))
 *
 * const trades = Decoder.make({
 *   source: "example",
 *   type: "trade",
 *   schema: Trade,
 *   parse: (message) => {
 *     const json = Json.parse(message)
 *     if (Either.isLeft(json)) return json.left
 *     return isFrame(json.right)
 *       ? { _tag: "Data", topic: json.right.channel, data: json.right.payload }
 *       : Json.invalid(message, "it is no message")
 *   },
 *   symbolOf: ({ market }) => market,
 *   timeOf: ({ at }) => at
 * })
 *
 * const message = `{"channel":"trades:ABC","payload":{"market":"ABC","id":7,"price":"1.0","at":1}}`
 * const [event] = trades("trades:ABC", "ABC").all([message], 0, (error) => console.log(error.message))
 * console.log(event?.symbol, event?.data.id) // ABC 7
 * ```
 */
export const make = <const Type extends string, A extends object, I>(
  options: Options<Type, A, I>
): (stream: string, symbol: string) => Decoder<MarketEvent<A, Type>> =>
  Decoding.make(options, (wrong) => new InvalidMessage(wrong))
