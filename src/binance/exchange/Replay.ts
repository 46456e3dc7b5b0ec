/**
 * A capture of a combined connection, for the exchange to play.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { Fault } from "./Fault.ts"

/**
 * The schema of a recorded message: `receivedAt` is its time of arrival, as Unix time in seconds; `message` is its text, with
 * the envelope of a combined stream. In JSON, the key of `message` is `frame`.
 *
 * @since 0.1.0
 * @category models
 */
export const Recorded = Schema.Struct({
  receivedAt: Schema.Number,
  message: Schema.propertySignature(Schema.String).pipe(Schema.fromKey("frame"))
})

/**
 * A recorded message of a combined stream.
 *
 * @since 0.1.0
 * @category models
 */
export type Recorded = typeof Recorded.Type

const decode = Schema.decode(Schema.parseJson(Recorded))

/**
 * A capture, and how to play it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Replay {
  readonly messages: ReadonlyArray<Recorded>
  /** 1 plays at the recorded speed, 10 ten times as fast. Default: as fast as the socket takes the messages. */
  readonly speed?: number | undefined
  /**
   * Answers requests to the REST interface in place of the generated market, with what is to be sent as JSON. It gets the path,
   * the query, and the number of messages that have been played. Undefined leaves the request to the market. Default: all.
   */
  readonly rest?: ((path: string, query: URLSearchParams, played: number) => unknown) | undefined
  /**
   * Faults to inject during the capture, each once `after` messages have been played. The capture then continues
   * with the next message, to the clients that are subscribed.
   */
  readonly cuts?: ReadonlyArray<{ readonly after: number; readonly fault: Fault }> | undefined
}

/**
 * Parses a capture in NDJSON: each line is `{"receivedAt": seconds, "frame": text}`. Skips empty lines. Fails
 * with a `ParseError` on an invalid line.
 *
 * @since 0.1.0
 * @category parsing
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Replay } from "holdfast/binance/exchange"
 *
 * const recorded = Replay.parse(`{"receivedAt":1633998512,"frame":"{\\"stream\\":\\"btcusdt@trade\\",\\"data\\":{}}"}\n`)
 * Effect.runSync(recorded).length // 1
 * ```
 */
export const parse = (lines: string): Effect.Effect<ReadonlyArray<Recorded>, ParseError> =>
  Effect.forEach(lines.split("\n").filter((line) => line.trim() !== ""), (line) => decode(line))
