/**
 * Schemas of the data of Meridian's channels. Prices and sizes are decimal text, times are seconds with a fraction, and the ids of
 * trades are text.
 */
import * as Schema from "effect/Schema"

const Decimal = Schema.String.pipe(Schema.pattern(/^\d+(\.\d+)?$/))
const Level = Schema.Tuple(Decimal, Decimal)
const Levels = Schema.Array(Level)
const Seconds = Schema.Number

/** `trades:<market>`. Each id is ten more than the one before. */
export const Trade = Schema.Struct({
  market: Schema.String,
  id: Schema.String.pipe(Schema.pattern(/^\d+0$/)),
  price: Decimal,
  size: Decimal,
  time: Seconds
})
export type Trade = typeof Trade.Type

/** `candles.<seconds>:<market>`: the present state of a candle. `final`: it is closed. */
export const Candle = Schema.Struct({
  market: Schema.String,
  opens: Seconds,
  seconds: Schema.Int,
  ohlc: Schema.Tuple(Decimal, Decimal, Decimal, Decimal),
  volume: Decimal,
  trades: Schema.Int,
  final: Schema.Boolean,
  time: Seconds
})
export type Candle = typeof Candle.Type

/**
 * `book:<market>`: the levels that changed. `prev` is the `seq` of the update before; the numbers are not consecutive. The first
 * message after a subscription has the whole book, and no `prev`. `sum`: the checksum of the book after the update.
 */
export const Update = Schema.Struct({
  market: Schema.String,
  prev: Schema.NullOr(Schema.Int),
  seq: Schema.Int,
  bid: Levels,
  ask: Levels,
  sum: Schema.Int,
  time: Seconds
})
export type Update = typeof Update.Type

/** `top:<market>`: the best bid and ask after an update of the book. */
export const Top = Schema.Struct({ market: Schema.String, seq: Schema.Int, bid: Level, ask: Level, time: Seconds })
export type Top = typeof Top.Type

/** The checksum of a book: of the text of its ten best bids and asks. */
export const checksum = (bids: typeof Levels.Type, asks: typeof Levels.Type): number =>
  Array.from([...bids, ...asks].join(";")).reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 1_000_003, 7)

/** Converts seconds to milliseconds. */
export const millis = (seconds: number): number => Math.round(seconds * 1_000)

/** The number of a trade. Numbers grow by one, and ids by ten. */
export const numberOf = ({ id }: Pick<Trade, "id">): number => Number(id) / 10
/** The id of a trade, by its number. */
export const idOf = (number: number): string => String(Math.max(number, 0) * 10)
