/**
 * Schemas of the data of Binance's market streams
 * (https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams).
 *
 * Prices and quantities stay decimal text, so that no digit is lost to a float. Times are integers, in milliseconds unless the
 * feed uses microseconds. Binance adds fields without notice, so unknown fields are valid and kept. The schemas are for the spot
 * market and for USD-M futures; fields that only one of them sends are optional.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Decimal text, such as `"65000.12000000"`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Decimal = Schema.String.pipe(Schema.pattern(/^-?\d+(\.\d+)?$/))

const Integer = Schema.Int
const Levels = Schema.Array(Schema.Tuple(Decimal, Decimal))

/**
 * `<symbol>@trade`. `t` is sequential per symbol.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Trade = Schema.Struct({
  e: Schema.Literal("trade"),
  E: Integer,
  s: Schema.String,
  t: Integer,
  p: Decimal,
  q: Decimal,
  T: Integer,
  m: Schema.Boolean,
  /** Futures: the type of the trade. */
  X: Schema.optional(Schema.String)
})

/**
 * `<symbol>@aggTrade`. `a` is sequential per symbol; `f` and `l` are the ids of its first and last trade.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AggTrade = Schema.Struct({
  e: Schema.Literal("aggTrade"),
  E: Integer,
  s: Schema.String,
  a: Integer,
  p: Decimal,
  q: Decimal,
  f: Integer,
  l: Integer,
  T: Integer,
  m: Schema.Boolean,
  /** Futures: the quantity without hidden orders. */
  nq: Schema.optional(Decimal)
})

/**
 * `<symbol>@kline_<interval>`. `k.x` says whether the candle is closed.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Kline = Schema.Struct({
  e: Schema.Literal("kline"),
  E: Integer,
  s: Schema.String,
  k: Schema.Struct({
    t: Integer,
    T: Integer,
    s: Schema.String,
    i: Schema.String,
    f: Integer,
    L: Integer,
    o: Decimal,
    c: Decimal,
    h: Decimal,
    l: Decimal,
    v: Decimal,
    n: Integer,
    x: Schema.Boolean,
    q: Decimal,
    V: Decimal,
    Q: Decimal
  })
})

/**
 * `<symbol>@ticker`: statistics of the last 24 hours.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Ticker = Schema.Struct({
  e: Schema.Literal("24hrTicker"),
  E: Integer,
  s: Schema.String,
  p: Decimal,
  P: Decimal,
  w: Decimal,
  x: Schema.optional(Decimal),
  c: Decimal,
  Q: Decimal,
  b: Schema.optional(Decimal),
  B: Schema.optional(Decimal),
  a: Schema.optional(Decimal),
  A: Schema.optional(Decimal),
  o: Decimal,
  h: Decimal,
  l: Decimal,
  v: Decimal,
  q: Decimal,
  O: Integer,
  C: Integer,
  F: Integer,
  L: Integer,
  n: Integer
})

/**
 * `<symbol>@miniTicker`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const MiniTicker = Schema.Struct({
  e: Schema.Literal("24hrMiniTicker"),
  E: Integer,
  s: Schema.String,
  c: Decimal,
  o: Decimal,
  h: Decimal,
  l: Decimal,
  v: Decimal,
  q: Decimal
})

/**
 * `<symbol>@bookTicker`: the best bid and ask. The data has no field for its kind.
 *
 * @since 0.1.0
 * @category schemas
 */
export const BookTicker = Schema.Struct({
  u: Integer,
  s: Schema.String,
  b: Decimal,
  B: Decimal,
  a: Decimal,
  A: Decimal
})

/**
 * `<symbol>@depth`: the levels that changed from the update id `U` to `u`. Quantities are absolute. On futures, `pu` is the id of
 * the update that this one follows.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Depth = Schema.Struct({
  e: Schema.Literal("depthUpdate"),
  E: Integer,
  s: Schema.String,
  U: Integer,
  u: Integer,
  pu: Schema.optional(Integer),
  b: Levels,
  a: Levels
})

/**
 * `<symbol>@depth<levels>` of the spot market: the best levels of the book. The data has no fields for its kind and symbol.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PartialDepth = Schema.Struct({
  lastUpdateId: Integer,
  bids: Levels,
  asks: Levels
})

/**
 * `<symbol>@depth<levels>` of USD-M futures: the best levels of the book. The data has the form of an update.
 *
 * @since 0.1.0
 * @category schemas
 */
export const FuturesPartialDepth = Schema.Struct({
  e: Schema.Literal("depthUpdate"),
  E: Integer,
  T: Integer,
  s: Schema.String,
  U: Integer,
  u: Integer,
  pu: Integer,
  b: Levels,
  a: Levels
})

/**
 * `<symbol>@ticker_<1h|4h|1d>`: statistics of a rolling window.
 *
 * @since 0.1.0
 * @category schemas
 */
export const WindowTicker = Schema.Struct({
  e: Schema.Literal("1hTicker", "4hTicker", "1dTicker"),
  E: Integer,
  s: Schema.String,
  p: Decimal,
  P: Decimal,
  w: Decimal,
  o: Decimal,
  h: Decimal,
  l: Decimal,
  c: Decimal,
  v: Decimal,
  q: Decimal,
  O: Integer,
  C: Integer,
  F: Integer,
  L: Integer,
  n: Integer
})

/**
 * `<symbol>@avgPrice`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AveragePrice = Schema.Struct({
  e: Schema.Literal("avgPrice"),
  E: Integer,
  s: Schema.String,
  i: Schema.String,
  w: Decimal,
  T: Integer
})

/**
 * `<symbol>@referencePrice`. `r` is null if there is no reference price.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ReferencePrice = Schema.Struct({
  e: Schema.Literal("referencePrice"),
  s: Schema.String,
  r: Schema.NullOr(Decimal),
  t: Integer
})

/**
 * `<symbol>@blockTrade` of the spot market. `t` is the id of the block trade, which grows per symbol.
 *
 * @since 0.1.0
 * @category schemas
 */
export const BlockTrade = Schema.Struct({
  e: Schema.Literal("blockTrade"),
  E: Integer,
  s: Schema.String,
  t: Integer,
  p: Decimal,
  q: Decimal,
  T: Integer,
  m: Schema.Boolean
})

/**
 * `<symbol>@markPrice` of futures. COIN-M sent no `i` for years.
 *
 * @since 0.1.0
 * @category schemas
 */
export const MarkPrice = Schema.Struct({
  e: Schema.Literal("markPriceUpdate"),
  E: Integer,
  s: Schema.String,
  p: Decimal,
  i: Schema.optional(Decimal),
  P: Decimal,
  // Empty for contracts without funding.
  r: Schema.String,
  T: Integer,
  ap: Schema.optional(Decimal)
})

/**
 * `<symbol>@forceOrder` of USD-M futures: a liquidation. Binance sends only the latest of each second.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ForceOrder = Schema.Struct({
  e: Schema.Literal("forceOrder"),
  E: Integer,
  o: Schema.Struct({
    s: Schema.String,
    S: Schema.Literal("BUY", "SELL"),
    o: Schema.String,
    f: Schema.String,
    q: Decimal,
    p: Decimal,
    ap: Decimal,
    X: Schema.String,
    l: Decimal,
    z: Decimal,
    T: Integer
  })
})

/**
 * The open interest of a futures contract, which only REST has. COIN-M has the pair and the type of the contract too.
 *
 * @since 0.1.0
 * @category schemas
 */
export const OpenInterest = Schema.Struct({
  symbol: Schema.String,
  openInterest: Decimal,
  time: Integer,
  pair: Schema.optional(Schema.String),
  contractType: Schema.optional(Schema.String)
})

/**
 * `serverShutdown`: Binance is about to close the connection.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ServerShutdown = Schema.Struct({
  e: Schema.Literal("serverShutdown"),
  E: Integer
})
