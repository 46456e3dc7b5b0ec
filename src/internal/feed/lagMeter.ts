// Measures how long events take to their readers. At most one event a millisecond is measured: at high rates, a measurement of
// each would cost as much as the reading.
import type * as MarketEvent from "../../market/MarketEvent.ts"
import type { FeedCounters, StreamCounters } from "../../market/Metrics.ts"
import type { Kind, Stream } from "../../market/Venue.ts"

// Times from here on are in microseconds: in milliseconds, this is the year 5138.
const micros = 1e14

interface Measured {
  readonly counters: StreamCounters
  readonly isTimed: (event: MarketEvent.MarketEvent) => boolean
}

const isTimedBy = ({ continuity }: Kind) => (event: MarketEvent.MarketEvent): boolean =>
  continuity._tag !== "State" || (continuity.isTimed?.(event) ?? true)

/** The times of a feed, by the wall clock. */
export interface Times {
  /** When the clock was last read: whenever a batch arrives, it is. */
  read: number
  /** When a batch was last measured. */
  measured: number
}

/** Returns the function that measures batches of these streams. It reads the clock only if a batch has arrived since. */
export const make = (
  { counters, now }: { readonly counters: FeedCounters; readonly now: () => number },
  times: Times,
  streams: ReadonlyArray<Pick<Stream, "kind">>
) => {
  const kinds = new Map<string, Kind>(streams.map(({ kind }) => [kind.type, kind]))
  let measured: Measured | undefined
  let measuredType = ""
  let measuredSymbol = ""

  const measuredOf = (type: string, symbol: string): Measured | undefined => {
    if (measuredType === type && measuredSymbol === symbol) return measured
    const kind = kinds.get(type)
    measuredType = type
    measuredSymbol = symbol
    measured = kind === undefined ? undefined : { counters: counters.ofStream(type, symbol), isTimed: isTimedBy(kind) }
    return measured
  }

  return (batch: ReadonlyArray<MarketEvent.MarketEvent>): void => {
    if (times.read === times.measured) return
    const at = now()
    times.measured = at
    const event = batch[batch.length - 1]
    if (event?.via !== "ws") return
    const of = measuredOf(event.type, event.symbol)
    if (of?.isTimed(event) !== true) return
    const { timestamp } = event
    of.counters.lag(Math.max(0, at - (timestamp < micros ? timestamp : timestamp / 1_000)) / 1_000)
  }
}
