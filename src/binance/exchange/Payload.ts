/**
 * Writes the events of a market as Binance's payloads (https://developers.binance.com/docs/binance-spot-api-docs).
 *
 * @since 0.1.0
 */
import type { Candle } from "./Candles.ts"
import * as Decimal from "./Decimal.ts"
import type { AggTrade, Instrument, Market, Step, State, Trade } from "./Market.ts"
import type { Level } from "./OrderBook.ts"
import * as StreamName from "./StreamName.ts"

/**
 * The unit of times in payloads. Clients choose it with `timeUnit`.
 *
 * @since 0.1.0
 * @category models
 */
export type TimeUnit = "millisecond" | "microsecond"

/**
 * Converts milliseconds into a unit.
 *
 * @since 0.1.0
 * @category formatting
 */
export const timeIn = (unit: TimeUnit) => (millis: number) => unit === "microsecond" ? millis * 1_000 : millis

/**
 * Formats the prices, quantities and quote amounts of an instrument.
 *
 * @since 0.1.0
 * @category formatting
 */
export const formats = ({ priceDecimals, quantityDecimals }: Instrument) => ({
  price: (ticks: number) => Decimal.format(ticks, priceDecimals),
  quantity: (lots: number) => Decimal.format(lots, quantityDecimals),
  // Ticks times lots have the decimal places of both.
  quote: (product: bigint) => Decimal.format(product, priceDecimals + quantityDecimals)
})

/**
 * Formats the levels of a book or a diff.
 *
 * @since 0.1.0
 * @category formatting
 */
export const levels = (instrument: Instrument, list: ReadonlyArray<Level>): ReadonlyArray<readonly [string, string]> => {
  const { price, quantity } = formats(instrument)
  return list.map(([ticks, lots]) => [price(ticks), quantity(lots)])
}

const trade = (instrument: Instrument, { buyerIsMaker, id, price, quantity, time }: Trade, unit: TimeUnit) => {
  const format = formats(instrument)
  const at = timeIn(unit)(time)
  return {
    e: "trade",
    E: at,
    s: instrument.symbol,
    t: id,
    p: format.price(price),
    q: format.quantity(quantity),
    T: at,
    m: buyerIsMaker,
    M: true
  }
}

const aggTrade = (instrument: Instrument, aggregate: AggTrade, unit: TimeUnit) => {
  const format = formats(instrument)
  const at = timeIn(unit)(aggregate.time)
  return {
    e: "aggTrade",
    E: at,
    s: instrument.symbol,
    a: aggregate.id,
    p: format.price(aggregate.price),
    q: format.quantity(aggregate.quantity),
    f: aggregate.firstTrade,
    l: aggregate.lastTrade,
    T: at,
    m: aggregate.buyerIsMaker,
    M: true
  }
}

const kline = (instrument: Instrument, candle: Candle, time: number, closed: boolean, unit: TimeUnit) => {
  const { price, quantity, quote } = formats(instrument)
  const at = timeIn(unit)
  return {
    e: "kline",
    E: at(time),
    s: instrument.symbol,
    k: {
      t: at(candle.start),
      // The last time that belongs to the candle.
      T: at(candle.end) - 1,
      s: instrument.symbol,
      i: candle.interval,
      f: candle.firstTrade,
      L: candle.lastTrade,
      o: price(candle.open),
      c: price(candle.close),
      h: price(candle.high),
      l: price(candle.low),
      v: quantity(candle.volume),
      n: candle.trades,
      x: closed,
      q: quote(candle.quoteVolume),
      V: quantity(candle.takerBuyVolume),
      Q: quote(candle.takerBuyQuoteVolume),
      B: "0"
    }
  }
}

const miniTicker = (instrument: Instrument, { statistics: day }: State, time: number, unit: TimeUnit) => {
  const { price, quantity, quote } = formats(instrument)
  return {
    e: "24hrMiniTicker",
    E: timeIn(unit)(time),
    s: instrument.symbol,
    c: price(day.close),
    o: price(day.open),
    h: price(day.high),
    l: price(day.low),
    v: quantity(day.volume),
    q: quote(day.quoteVolume)
  }
}

const ticker = (
  instrument: Instrument,
  { lastQuantity, statistics: day, top: { ask, bid } }: State,
  time: number,
  unit: TimeUnit
) => {
  const { price, quantity, quote } = formats(instrument)
  const at = timeIn(unit)
  const change = day.close - day.open
  // In thousandths of a percent: Binance writes percentages with three places.
  const percent = Math.round((change / day.open) * 100_000)
  const weighted = day.volume === 0 ? BigInt(day.open) : day.quoteVolume / BigInt(day.volume)
  return {
    e: "24hrTicker",
    E: at(time),
    s: instrument.symbol,
    p: price(change),
    P: Decimal.format(percent, 3).slice(0, -5),
    w: Decimal.format(weighted, instrument.priceDecimals),
    x: price(day.open),
    c: price(day.close),
    Q: quantity(lastQuantity),
    b: price(bid[0]),
    B: quantity(bid[1]),
    a: price(ask[0]),
    A: quantity(ask[1]),
    o: price(day.open),
    h: price(day.high),
    l: price(day.low),
    v: quantity(day.volume),
    q: quote(day.quoteVolume),
    O: at(day.start),
    C: at(time),
    F: day.firstTrade,
    L: day.lastTrade,
    n: day.trades
  }
}

/**
 * The payloads that a stream sends for a step of its market, in order.
 *
 * @since 0.1.0
 * @category payloads
 */
export const ofStep = (
  { kind }: StreamName.StreamName,
  market: Market,
  step: Step,
  unit: TimeUnit
): ReadonlyArray<object> => {
  const { instrument } = market
  const { state, time } = step
  return StreamName.Kind.$match(kind, {
    Trade: (): ReadonlyArray<object> => step.trades.map((item) => trade(instrument, item, unit)),
    AggTrade: () => step.aggTrades.map((item) => aggTrade(instrument, item, unit)),
    Kline: ({ interval }) => {
      const closed = step.closed.filter((candle) => candle.interval === interval)
      const due = interval === "1s" || time % 2_000 === 0
      const open = due ? state?.candles.get(interval) : undefined
      return [
        ...closed.map((candle) => kline(instrument, candle, time, true, unit)),
        ...(open === undefined ? [] : [kline(instrument, open, time, false, unit)])
      ]
    },
    Ticker: () => state === undefined ? [] : [ticker(instrument, state, time, unit)],
    MiniTicker: () => state === undefined ? [] : [miniTicker(instrument, state, time, unit)],
    BookTicker: () => {
      const { price, quantity } = formats(instrument)
      return step.tops.map(({ id, top: { ask, bid } }) => ({
        u: id,
        s: instrument.symbol,
        b: price(bid[0]),
        B: quantity(bid[1]),
        a: price(ask[0]),
        A: quantity(ask[1])
      }))
    },
    Depth: ({ speed }) => {
      const diff = step.diff[speed]
      return diff === undefined ? [] : [{
        e: "depthUpdate",
        E: timeIn(unit)(time),
        s: instrument.symbol,
        U: diff.firstId,
        u: diff.lastId,
        b: levels(instrument, diff.bids),
        a: levels(instrument, diff.asks)
      }]
    },
    PartialDepth: ({ levels: limit, speed }) => step.diff[speed] === undefined ? [] : [depth(market, limit)]
  })
}

/**
 * A snapshot of the best `limit` levels of each side, as the REST interface and the partial depth streams send it.
 *
 * @since 0.1.0
 * @category payloads
 */
export const depth = ({ book, instrument }: Market, limit: number) => ({
  lastUpdateId: book.lastId(),
  bids: levels(instrument, book.levels("bids", limit)),
  asks: levels(instrument, book.levels("asks", limit))
})
