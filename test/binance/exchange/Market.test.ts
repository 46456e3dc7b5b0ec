import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { Candles, Decimal, Market, Payload, StreamName } from "holdfast/binance/exchange"

const [btc] = Market.instruments
if (btc === undefined) throw new Error("there is no instrument")

const run = (seed: number, millis: number) => {
  const market = Market.make({ instrument: btc, seed, start: 1_700_000_000_000, tradesPerSecond: 20 })
  return { market, steps: market.advance(1_700_000_000_000 + millis) }
}

describe("a market", () => {
  it("is the same for the same seed, however it is advanced", () => {
    fc.assert(fc.property(fc.nat(), fc.array(fc.nat(5_000), { minLength: 1, maxLength: 10 }), (seed, advances) => {
      const at = (millis: number) => 1_700_000_000_000 + millis
      const sum = advances.reduce((a, b) => a + b, 0)
      const whole = run(seed, sum)
      const parts = Market.make({ instrument: btc, seed, start: at(0), tradesPerSecond: 20 })
      let millis = 0
      const steps = advances.flatMap((advance) => parts.advance(at(millis += advance)))
      assert.deepStrictEqual(steps, [...whole.steps])
    }), { numRuns: 20 })
  })

  it("writes the payloads of each step the same, however late it is advanced", () => {
    const start = 1_700_000_000_000
    const payloadsOf = (advanceMillis: number) => {
      const market = Market.make({ instrument: btc, seed: 5, start, tradesPerSecond: 20 })
      const names = ["btcusdt@kline_1s", "btcusdt@kline_1m", "btcusdt@ticker", "btcusdt@miniTicker"]
      const streams = names.flatMap((name) => Option.toArray(StreamName.parse(name)))
      const payloads: Array<object> = []
      for (let millis = advanceMillis; millis <= 10_000; millis += advanceMillis) {
        for (const step of market.advance(start + millis)) {
          for (const stream of streams) payloads.push(...Payload.ofStep(stream, market, step, "millisecond"))
        }
      }
      return payloads
    }
    assert.strictEqual(payloadsOf(50).length, 10 + 10 + 5 + 10 + 10)
    assert.deepStrictEqual(payloadsOf(10_000), payloadsOf(50))
  })

  it("has tickers that sum up its trades", () => {
    const { market, steps } = run(4, 60_000)
    const trades = market.trades.all()
    const prices = trades.map(({ price }) => price)
    const [first] = prices
    const volume = trades.reduce((sum, { quantity }) => sum + quantity, 0)
    const stream = Option.getOrThrow(StreamName.parse("btcusdt@ticker"))
    const last = steps.flatMap((step) => Payload.ofStep(stream, market, step, "millisecond")).at(-1)
    const { ask, bid } = market.book.top()
    const price = (ticks: number) => Decimal.format(ticks, btc.priceDecimals)
    const quantity = (lots: number) => Decimal.format(lots, btc.quantityDecimals)
    assert.deepInclude(last, {
      o: price(first ?? 0),
      c: price(prices.at(-1) ?? 0),
      h: price(Math.max(...prices)),
      l: price(Math.min(...prices)),
      p: price((prices.at(-1) ?? 0) - (first ?? 0)),
      v: quantity(volume),
      n: trades.length,
      F: 1,
      L: trades.length,
      b: price(bid[0]),
      B: quantity(bid[1]),
      a: price(ask[0]),
      A: quantity(ask[1])
    })
  })

  it("differs for a different seed", () => {
    assert.notDeepEqual(run(1, 10_000).steps, run(2, 10_000).steps)
  })

  it("numbers trades and aggregate trades consecutively, and aggregates combine their trades", () => {
    fc.assert(fc.property(fc.nat(), (seed) => {
      const { market } = run(seed, 60_000)
      const trades = market.trades.all()
      assert.isAbove(trades.length, 100)
      trades.forEach(({ id }, i) => {
        assert.strictEqual(id, i + 1)
      })
      let next = 1
      market.aggTrades.all().forEach((aggregate, i) => {
        assert.strictEqual(aggregate.id, i + 1)
        assert.strictEqual(aggregate.firstTrade, next)
        const parts = trades.slice(aggregate.firstTrade - 1, aggregate.lastTrade)
        assert.strictEqual(parts.reduce((sum, { quantity }) => sum + quantity, 0), aggregate.quantity)
        for (const part of parts) {
          assert.deepStrictEqual([part.price, part.time, part.buyerIsMaker], [
            aggregate.price,
            aggregate.time,
            aggregate.buyerIsMaker
          ])
          assert.isAbove(part.quantity, 0)
        }
        next = aggregate.lastTrade + 1
      })
      assert.strictEqual(next, trades.length + 1)
    }), { numRuns: 10 })
  })

  it("has a book with consecutive ids that its diffs rebuild and that never crosses", () => {
    fc.assert(fc.property(fc.nat(), (seed) => {
      const market = Market.make({ instrument: btc, seed, start: 0, tradesPerSecond: 20 })
      const copy = {
        bids: new Map(market.book.levels("bids", 1_000)),
        asks: new Map(market.book.levels("asks", 1_000))
      }
      let id = market.book.lastId()
      for (let now = 50; now <= 30_000; now += 50) {
        for (const step of market.advance(now)) {
          for (const { top } of step.tops) assert.isBelow(top.bid[0], top.ask[0])
          const diff = step.diff["100ms"]
          if (diff === undefined) continue
          assert.strictEqual(diff.firstId, id + 1)
          id = diff.lastId
          for (const side of ["bids", "asks"] as const) {
            for (const [price, quantity] of diff[side]) {
              if (quantity === 0) copy[side].delete(price)
              else copy[side].set(price, quantity)
            }
            assert.deepStrictEqual(new Map(market.book.levels(side, 1_000)), new Map([...copy[side]]))
          }
        }
      }
      assert.isAbove(id, 1_000)
    }), { numRuns: 5 })
  })

  it("has klines that sum up their trades", () => {
    const { market } = run(3, 10 * 60_000)
    for (const interval of ["1s", "1m", "3m"] as const) {
      const candles = [...market.candles(interval).all(), market.candle(interval)]
      assert.isAbove(candles.length, 2)
      candles.forEach((candle, i) => {
        const trades = market.trades.all().filter(({ time }) => time >= candle.start && time < candle.end)
        const prices = trades.map(({ price }) => price)
        assert.strictEqual(candle.trades, trades.length)
        assert.strictEqual(candle.volume, trades.reduce((sum, { quantity }) => sum + quantity, 0))
        if (trades.length > 0) {
          assert.deepStrictEqual(
            [candle.open, candle.high, candle.low, candle.close, candle.firstTrade, candle.lastTrade],
            [prices[0], Math.max(...prices), Math.min(...prices), prices.at(-1), trades[0]?.id, trades.at(-1)?.id]
          )
        }
        const before = candles[i - 1]
        if (before !== undefined) assert.strictEqual(candle.start, before.end)
      })
    }
  })

  it("forgets trades that are older than its history", () => {
    const market = Market.make({ instrument: btc, seed: 1, start: 0, tradesPerSecond: 20, history: 100 })
    market.advance(600_000)
    assert.isAtMost(market.trades.all().length, 150)
    assert.isAtLeast(market.trades.all().length, 100)
    assert.isAtLeast(market.candles("1s").all().length, 100)
  })

  it("keeps fewer candles than trades on request", () => {
    const market = Market.make({ instrument: btc, seed: 1, start: 0, tradesPerSecond: 20, history: 1_000, candles: 60 })
    market.advance(600_000)
    assert.isAtLeast(market.trades.all().length, 1_000)
    assert.isAtMost(market.candles("1s").all().length, 90)
    assert.deepStrictEqual(market.candles("1s").last(60).map(({ start }) => start / 1_000), Array.from({ length: 60 }, (_, i) => 540 + i))
  })
})

describe("the bounds of candles", () => {
  const utc = (text: string) => Date.parse(`${text}Z`)
  const bounds = (interval: Candles.Interval, text: string) =>
    Candles.bounds(interval, utc(text)).map((at) => new Date(at).toISOString().slice(0, 19))

  it("follow minutes, weeks that begin on Monday, and months", () => {
    assert.deepStrictEqual(bounds("5m", "2026-11-23T22:13:20"), ["2026-11-23T22:10:00", "2026-11-23T22:15:00"])
    assert.deepStrictEqual(bounds("1w", "2026-11-25T22:13:20"), ["2026-11-23T00:00:00", "2026-11-30T00:00:00"])
    assert.deepStrictEqual(bounds("1M", "2026-12-25T22:13:20"), ["2026-12-01T00:00:00", "2027-01-01T00:00:00"])
  })
})

describe("decimals", () => {
  it("have eight decimal places", () => {
    assert.strictEqual(Decimal.format(5_000_123, 2), "50001.23000000")
    assert.strictEqual(Decimal.format(7, 5), "0.00007000")
    assert.strictEqual(Decimal.format(-150, 2), "-1.50000000")
    assert.strictEqual(Decimal.format(12_345_678_901n, 7), "1234.56789010")
  })
})
