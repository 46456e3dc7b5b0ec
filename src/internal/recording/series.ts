// What a venue says about the events in a recording: the series that each belongs to, and its position there.
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const Event = Schema.Struct({
  symbol: Schema.String,
  type: Schema.String,
  data: Schema.Object,
  timestamp: Schema.optionalWith(Schema.Number, { default: () => 0 })
})

/** The part of a market event that its position is read from. */
export type Event = typeof Event.Type

const decode = Schema.decodeUnknownOption(Schema.parseJson(Event))

/** Reads a market event. Undefined for all else. */
export const parse = (json: string): Event | undefined => Option.getOrUndefined(decode(json))

/** The part of a series that an event of a recording covers. The positions are both included. */
export type Range =
  | { readonly _tag: "Events"; readonly series: string; readonly from: number; readonly to: number }
  /** Events are missing. Where `to` is undefined, any position may be next. */
  | { readonly _tag: "Gap"; readonly series: string; readonly to: number | undefined }

/** A series is what several streams may have in common: its events have one order. Its name begins with a symbol and a type. */
export interface Series {
  /** The series of a stream. Undefined if its events have no positions. */
  readonly ofStream: (stream: string) => string | undefined
  /** The part of a series that an event covers. Undefined if its events have no positions. */
  readonly rangeOf: (event: Event) => Range | undefined
}

/** The last position that an event covers, with its series. */
export const positionOf = (series: Series, event: Event): readonly [series: string, position: number] | undefined => {
  const range = series.rangeOf(event)
  return range?.to === undefined ? undefined : [range.series, range.to]
}
