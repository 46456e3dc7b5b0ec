/**
 * Decodes the messages of a stream into its events.
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
 * A message that does not fit its stream. The feed skips it and goes on.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidMessage extends Data.TaggedError("InvalidMessage")<{
  /** Why the message is invalid: a clause that follows "since". */
  readonly reason: string
  /** The beginning of the message, or of its data. */
  readonly excerpt: string
}> {
  override get message(): string {
    return `Skipped an invalid message, since ${this.reason}: ${this.excerpt}`
  }
}

/**
 * Decodes the messages of one stream. A message has one event, or several.
 *
 * @since 0.1.0
 * @category models
 */
export interface Decoder<A extends MarketEvent> {
  /** The events in the parsed data of one message. `receivedAt` is Unix time in milliseconds. */
  readonly decode: (data: unknown, receivedAt: number) => Either.Either<ReadonlyArray<A>, InvalidMessage>
  /** The events of several messages, in their order. Calls `onInvalid` for each invalid message and leaves it out. */
  readonly all: (
    messages: ReadonlyArray<Message>,
    receivedAt: number,
    onInvalid: (error: InvalidMessage) => void
  ) => ReadonlyArray<A>
}

/**
 * The text that the venue writes around the data of a message. If a message of a stream begins with `start` and ends with
 * `end`, the text in between must be exactly the data. Reading such messages is several times as fast as parsing them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Envelope {
  /** The text before the data, such as `{"stream":"btcusdt@trade","data":`. */
  readonly start: (stream: string) => string
  /** The text after the data, such as `}`. */
  readonly end: string
}

/**
 * Options of the decoders of one kind of stream.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<Type extends string, A extends object, I> {
  /** The name of the venue: the `source` of the events. */
  readonly source: string
  /** The kind of stream: the `type` of the events. */
  readonly type: Type
  /** Checks the data. Data passes unchanged, with all its fields, so the schema must not transform it. */
  readonly schema: Schema.Schema<A, I>
  /** Parses a message into the name of its stream and its data. Often this is what the protocol's `parse` does. */
  readonly parse: (message: Message) => ServerMessage<unknown, unknown>
  /** The symbol in the data; undefined if the data has none. */
  readonly symbolOf: (data: A) => string | undefined
  /**
   * The venue's time of the event, in the venue's unit; undefined if the data has none, and then the event has the time of its
   * arrival. Default: no data has a time.
   */
  readonly timeOf?: ((data: A) => number | undefined) | undefined
  /** How the venue writes messages of this kind. Default: the decoder parses every message. */
  readonly envelope?: Envelope | undefined
  /** Whether the data may be a list of events. Default: only in streams of all symbols. */
  readonly lists?: boolean | undefined
  /**
   * Whether a stream of one symbol may have events of other symbols, or of which others: a stream of a pair may have those of its
   * contracts. Default: such events are invalid.
   */
  readonly anySymbol?: boolean | ((symbol: string, ofStream: string) => boolean) | undefined
}

/**
 * Makes the decoders of one kind of stream: one for each stream, given its name and symbol (`""` for all symbols). Together
 * they learn how the venue writes messages of this kind, and then read them without parsing.
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
 * const isData = Schema.is(Schema.Struct({ channel: Schema.String, payload: Schema.Unknown }))
 *
 * const trades = Decoder.make({
 *   source: "example",
 *   type: "trade",
 *   schema: Trade,
 *   parse: (message) => {
 *     const json = Json.parse(message)
 *     if (Either.isLeft(json)) return json.left
 *     return isData(json.right)
 *       ? { _tag: "Data", topic: json.right.channel, data: json.right.payload }
 *       : Json.invalid(message, "it is not data of a channel")
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
