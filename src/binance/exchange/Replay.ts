/**
 * A recording of a combined connection, for the exchange to play.
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
 * A recording, and how to play it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Replay {
  readonly messages: ReadonlyArray<Recorded>
  /** 1 plays at the recorded speed, 10 ten times as fast. Default: as fast as the socket takes the messages. */
  readonly speed?: number | undefined
  /**
   * Faults to inject during the recording, each once `after` messages have been played. The recording then continues
   * with the next message, to the clients that are subscribed.
   */
  readonly cuts?: ReadonlyArray<{ readonly after: number; readonly fault: Fault }> | undefined
}

/**
 * Parses a recording in NDJSON: each line is `{"receivedAt": seconds, "frame": text}`. Skips empty lines. Fails
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
