/**
 * A recorded session, to be played again as fast or as slow as asked.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { Fault } from "./Fault.ts"

/**
 * One recorded frame of a combined stream: when it came, in seconds since the epoch, and its text.
 *
 * @since 0.1.0
 * @category models
 */
export const Recorded = Schema.Struct({
  receivedAt: Schema.Number,
  message: Schema.String
})

/**
 * One recorded frame.
 *
 * @since 0.1.0
 * @category models
 */
export type Recorded = typeof Recorded.Type

const decode = Schema.decode(Schema.parseJson(Recorded))

/**
 * A recording, and how fast it is played.
 *
 * @since 0.1.0
 * @category models
 */
export interface Replay {
  readonly messages: ReadonlyArray<Recorded>
  /** 1 is as it was, 10 is ten times as fast. Default: as fast as the socket takes it. */
  readonly speed?: number | undefined
  /**
   * Faults that strike between two frames: when so many have been sent, and before the next. The recording goes on
   * where it was for whoever connects next.
   */
  readonly cuts?: ReadonlyArray<{ readonly after: number; readonly fault: Fault }> | undefined
}

/**
 * Reads a recording of one JSON object a line, `{"receivedAt": seconds, "message": text}`. Fails on a line that is none.
 *
 * @since 0.1.0
 * @category parsing
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Replay } from "holdfast/binance/exchange"
 *
 * const recorded = Replay.parse(`{"receivedAt":1633998512.06,"message":"{\\"stream\\":\\"btcusdt@trade\\",\\"data\\":{}}"}\n`)
 * Effect.runSync(recorded).length // 1
 * ```
 */
export const parse = (lines: string): Effect.Effect<ReadonlyArray<Recorded>, ParseError> =>
  Effect.forEach(lines.split("\n").filter((line) => line.trim() !== ""), (line) => decode(line))
