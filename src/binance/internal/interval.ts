// The intervals of candles (Binance docs).

export interface Interval {
  /** Such as `1m`. */
  readonly name: string
  /** The longest that a candle lasts, in the venue's unit of time. The venue's maintenance may cut one short. */
  readonly longest: number
}

// In milliseconds. A month has at most 31 days.
const units: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  M: 31 * 86_400_000
}

/** An interval by its name. Of one that is unknown here, a candle may have any length. */
export const make = (name: string, timeUnit: "millisecond" | "microsecond"): Interval => {
  const unit = units[name.slice(-1)]
  const count = Number.parseInt(name, 10)
  const millis = unit === undefined || !(count > 0) ? Number.POSITIVE_INFINITY : count * unit
  return { name, longest: timeUnit === "microsecond" ? millis * 1_000 : millis }
}
