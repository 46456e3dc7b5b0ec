// The positions of Binance's events in a recording.
import * as Predicate from "effect/Predicate"
import type { Range, Series } from "../../internal/recording/series.ts"
import * as StreamKind from "../StreamKind.ts"

const hour = 3_600_000
const day = 24 * hour
const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: hour }

// A candle does not name its time zone. The offset of its start within its interval, or within its day, shows it.
const phaseOf = (interval: string, begins: number): number => {
  const unit = units[interval.slice(-1)]
  const length = unit === undefined ? day : Number.parseInt(interval, 10) * unit
  return (begins % length + length) % length
}

const candlesOf = (symbol: string, interval: string, begins: number) => `${symbol} kline ${interval} ${phaseOf(interval, begins)}`

const ofStream = (stream: string): string | undefined => {
  const { kind: { continuity, type }, symbol } = StreamKind.parse(stream)
  if (continuity === "state" || continuity === "unknown") return undefined
  const [, interval, sign = "", hours = "0", minutes = "0"] = /@kline_([^@]+)(?:@([+-]?)(\d+):(\d+))?/.exec(stream) ?? []
  if (interval === undefined) return `${symbol} ${type}`
  const ahead = Number(hours) * hour + Number(minutes) * 60_000
  return candlesOf(symbol, interval, sign === "-" ? ahead : -ahead)
}

const numberAt = (data: unknown, field: string): number | undefined =>
  Predicate.hasProperty(data, field) && typeof data[field] === "number" ? data[field] : undefined

type Bounds = readonly [from: number, to: number]

const single = (data: object, field: string): Bounds | undefined => {
  const id = numberAt(data, field)
  return id === undefined ? undefined : [id, id]
}

// The positions that an event covers, by its type.
const bounds: Readonly<Partial<Record<string, (data: object) => Bounds | undefined>>> = {
  trade: (data) => single(data, "t"),
  aggTrade: (data) => single(data, "a"),
  blockTrade: (data) => single(data, "t"),
  depth: (data) => {
    const first = numberAt(data, "U")
    const last = numberAt(data, "u")
    const previous = numberAt(data, "pu")
    return first === undefined || last === undefined ? undefined : [previous === undefined ? first : previous + 1, last]
  }
}

const ofCandle = (symbol: string, candle: unknown): Range | undefined => {
  const begins = numberAt(candle, "t")
  const ends = numberAt(candle, "T")
  const isCandle = Predicate.hasProperty(candle, "i") && typeof candle.i === "string" && Predicate.hasProperty(candle, "x")
  if (begins === undefined || ends === undefined || !isCandle) return undefined
  // While a candle is open, those before it have closed.
  return { _tag: "Events", series: candlesOf(symbol, String(candle.i), begins), from: begins, to: candle.x === true ? ends : begins - 1 }
}

const ofGap = (data: object): Range | undefined => {
  const series = "stream" in data && typeof data.stream === "string" ? ofStream(data.stream) : undefined
  return series === undefined ? undefined : { _tag: "Gap", series, to: numberAt(data, "to") }
}

/**
 * The series of Binance: trades by their ids, books by their update ids, candles by their last moments. Candles of one interval
 * in several time zones are several series.
 */
export const series: Series = {
  ofStream,
  rangeOf: ({ data, symbol, type }) => {
    if (type === "gap") return ofGap(data)
    if (type === "kline") return "k" in data ? ofCandle(symbol, data.k) : undefined
    const covered = bounds[type]?.(data)
    return covered && { _tag: "Events", series: `${symbol} ${type}`, from: covered[0], to: covered[1] }
  }
}
