// What is shown on a terminal: widths, the status line, market events, order books and help.
import { assert, describe, it } from "@effect/vitest"
import type { MarketEvent } from "holdfast/market"
import { bar, bookBlock, bookLines, spreadOf } from "../../src/cli/bookLines.ts"
import { commandNames } from "../../src/cli/commandLine.ts"
import * as CommandLine from "../../src/cli/commandLine.ts"
import { eventLine } from "../../src/cli/eventLine.ts"
import { help, paperOf } from "../../src/cli/help.ts"
import * as Region from "../../src/cli/region.ts"
import { statusLine } from "../../src/cli/statusLine.ts"
import { columnsOf, matches } from "../../src/cli/symbolList.ts"
import { fit, hang, padEnd, padStart, width, wrap } from "../../src/cli/width.ts"

describe("the width of a text", () => {
  for (
    const [text, columns] of [
      ["", 0],
      ["abc", 3],
      ["é", 1],
      ["e\u0301", 1],
      ["币安人生USDT", 12],
      ["ｆｕｌｌ", 8],
      ["한국", 4],
      ["🚀", 2],
      ["👨‍👩‍👧", 2],
      ["…█▏", 3]
    ] as const
  ) {
    it(`of ${JSON.stringify(text)} is ${columns}`, () => {
      assert.strictEqual(width(text), columns)
    })
  }

  it("is never above the one that it is cut to", () => {
    assert.deepStrictEqual([5, 4, 3, 2, 1, 0].map((columns) => fit("abcd", columns)), ["abcd", "abcd", "ab…", "a…", "…", ""])
    assert.deepStrictEqual([8, 7, 4, 3, 2].map((columns) => fit("币安人生", columns)), ["币安人生", "币安人…", "币…", "币…", "…"])
  })

  it("counts in columns", () => {
    assert.deepStrictEqual([padEnd("币", 4), padStart("币", 4), padEnd("long", 2)], ["币  ", "  币", "long"])
    assert.deepStrictEqual(wrap("one two three", 7), ["one two", "three"])
    assert.deepStrictEqual(wrap("币安 币安", 6), ["币安", "币安"])
    assert.strictEqual(hang("one two three four five six", 2, 22), "one two three four\n  five six")
    // In so little room, text is not broken.
    assert.strictEqual(hang("one two three four five six", 2, 21), "one two three four five six")
  })
})

describe("the status line", () => {
  const status = {
    state: "connected",
    quotes: ["BTCUSDT 65000.01", "ETHUSDT 3400.10", "币安人生USDT 0.25"],
    counts: ["1 kline", "1 ticker", "13 trade"]
  }
  const shown: Readonly<Record<number, string>> = {
    200: "connected  BTCUSDT 65000.01  ETHUSDT 3400.10  币安人生USDT 0.25  1 kline, 1 ticker, 13 trade",
    80: "connected  BTCUSDT 65000.01  ETHUSDT 3400.10  +1  1 kline, 1 ticker, 13 trade",
    60: "connected  BTCUSDT 65000.01  +2  1 kline, 1 ticker, 13 trade",
    40: "connected  BTCUSDT 65000.01  +2  +3",
    30: "connected  BTCUSDT 65000.01",
    12: "connected  …"
  }
  for (const [columns, line] of Object.entries(shown)) {
    it(`fits ${columns} columns`, () => {
      assert.strictEqual(statusLine(status, Number(columns)), line)
    })
  }

  it("is never wider than the terminal", () => {
    for (let columns = 1; columns <= 200; columns++) assert.isAtMost(width(statusLine(status, columns)), columns)
  })

  it("says that there is no data", () => {
    assert.strictEqual(statusLine({ state: "dialling", quotes: [], counts: [] }, 40), "dialling  no data")
  })
})

describe("the last lines of a terminal", () => {
  const terminal = (columns: number, rows = 24) => {
    const size = { columns, rows }
    let written = ""
    const region = Region.make((text) => {
      written += text
    }, () => size, false)
    const took = () => {
      const text = written
      written = ""
      return text
    }
    return { region, took, size }
  }

  it("are drawn over, and other lines go above them", () => {
    const { region, took } = terminal(10)
    region.draw([[{ text: "one" }], [{ text: "two" }]])
    assert.strictEqual(took(), "one\ntwo")
    region.above("news\n")
    assert.strictEqual(took(), "\r\u001b[1A\u001b[Jnews\none\ntwo")
    region.draw([[{ text: "three" }]])
    assert.strictEqual(took(), "\r\u001b[1A\u001b[Jthree")
    region.clear()
    assert.strictEqual(took(), "\r\u001b[J")
    region.above("last\n")
    assert.strictEqual(took(), "last\n")
  })

  it("fit it, and are not more than it has", () => {
    const { region, took } = terminal(6, 2)
    region.draw([[{ text: "123" }, { text: "456" }], [{ text: "币安人" }], [{ text: "x" }]])
    assert.strictEqual(took(), "1234…\n币安…")
  })

  it("are removed when they were broken by a narrower terminal", () => {
    const { region, size, took } = terminal(21)
    region.draw([[{ text: "12345678901234567890" }]])
    took()
    size.columns = 10
    region.clear()
    assert.strictEqual(took(), "\r\u001b[1A\u001b[J")
  })

  it("have the colour of each part, also where it is cut", () => {
    const line = [{ text: "ab", colour: 31 }, { text: "cd" }, { text: "ef", colour: 32 }]
    assert.strictEqual(Region.textOf(line, 5, true), "\u001b[31mab\u001b[0mcd\u001b[32m…\u001b[0m")
    assert.strictEqual(Region.textOf(line, 5, false), "abcd…")
  })
})

describe("market events", () => {
  const event = (type: string, data: object, more: Partial<MarketEvent.MarketEvent> = {}) =>
    eventLine({ source: "binance", symbol: "BTCUSDT", type, data, timestamp: 1_000, via: "ws", ...more })

  it("stand below each other, in columns", () => {
    assert.deepStrictEqual([
      event("trade", { t: 7, p: "65000.01000000", q: "0.00221000", m: false }),
      event("trade", { t: 8, p: "3.1", q: "12.5", m: true }, { symbol: "币安人生USDT", via: "rest" }),
      event("kline", { k: { o: "1.00", c: "2.50", h: "3.00", l: "0.50", i: "1m", x: true } }),
      event("bookTicker", { b: "1.00", B: "2.00", a: "3.00", A: "4.00" }),
      event("depth", { U: 1, u: 4, b: [["1", "2"]], a: [] }),
      event("whatever", { x: 1 })
    ], [
      "00:00:01.000  BTCUSDT     trade        65000.01   0.00221  buy   7",
      "00:00:01.000  币安人生USDT  trade             3.1      12.5  sell  8  fetched",
      "00:00:01.000  BTCUSDT     kline            2.50  open      1.00  high      3.00  low      0.50  1m closed",
      "00:00:01.000  BTCUSDT     bookTicker       1.00      2.00 |      3.00      4.00",
      "00:00:01.000  BTCUSDT     depth       1 bids and 0 asks changed  1 to 4",
      `00:00:01.000  BTCUSDT     whatever    {"x":1}`
    ])
  })

  it("fit the terminal: with one space between the fields where there is little room", () => {
    const trade = { t: 7, p: "65000.01000000", q: "0.00221000", m: false }
    const at = (columns: number) => eventLine({ source: "binance", symbol: "BTCUSDT", type: "trade", data: trade, timestamp: 1_000, via: "ws" }, columns)
    assert.strictEqual(at(40), "00:00:01 BTCUSDT trade 65000.01 0.00221…")
    assert.strictEqual(at(60), "00:00:01.000  BTCUSDT     trade        65000.01   0.00221  …")
  })

  it("have the same time in microseconds", () => {
    assert.isTrue(event("trade", {}, { timestamp: 1.7e15 + 123_456 }).startsWith("22:13:20.123  "))
  })
})

describe("an order book", () => {
  const top = {
    lastUpdateId: 42,
    asks: [["100.50", "2.00000"], ["101.00", "1.00000"]],
    bids: [["100.00", "4.00000"], ["99.50", "0.50000"]]
  } as const
  const drawn = (columns: number, rows: number, stale?: string) =>
    bookLines({ symbol: "BTCUSDT", venue: "demo", top, stale }, { columns, rows }).map((line) => Region.textOf(line, columns - 1, false))

  it("has its sides, the spread, and bars of the quantities", () => {
    assert.deepStrictEqual(drawn(40, 24), [
      "BTCUSDT at demo",
      "ask  101.00  1.00  █████",
      "ask  100.50  2.00  ██████████",
      "---  spread 0.50 (0.5 %)  update 42",
      "bid  100.00  4.00  ████████████████████",
      "bid   99.50  0.50  ██▌"
    ])
  })

  it("shows that it is stale, and what it was", () => {
    const [title, ...levels] = drawn(80, 24, "an update is missing")
    assert.strictEqual(title, "BTCUSDT at demo  STALE: an update is missing")
    assert.lengthOf(levels, 5)
    assert.deepStrictEqual(
      bookLines({ symbol: "X", venue: "demo", top: undefined, stale: "no snapshot yet" }, { columns: 80, rows: 24 }).length,
      1
    )
  })

  it("has only the best levels where there are few rows, and no bars where there are few columns", () => {
    assert.deepStrictEqual(drawn(22, 4), ["BTCUSDT at demo", "ask  100.50  2.00  ", "---  spread 0.50 (0.…", "bid  100.00  4.00  "])
    for (const columns of [10, 40, 80, 200]) for (const line of drawn(columns, 24)) assert.isBelow(width(line), columns)
  })

  it("has no spread without both sides", () => {
    assert.isUndefined(spreadOf({ asks: [], bids: top.bids }))
    assert.strictEqual(spreadOf({ asks: [["65001.82", "1"]], bids: [["65001.80", "1"]] }), "0.02 (0.000031 %)")
    assert.include(bookBlock(top), "--- 42 spread 0.50 (0.5 %) ")
  })

  it("has bars in eighths of a column", () => {
    assert.deepStrictEqual([0, 0.25, 0.5, 1, 2].map((share) => bar(share, 2)), ["", "▌", "█", "██", "██"])
  })
})

describe("symbols", () => {
  it("match a pattern as a whole, or contain a text", () => {
    const all = ["BTCUSDT", "ETHUSDT", "ETHBTC", "BTCUSD_PERP"]
    const found = (pattern: string) => all.filter(matches(pattern))
    assert.deepStrictEqual(found("btc"), ["BTCUSDT", "ETHBTC", "BTCUSD_PERP"])
    assert.deepStrictEqual(found("btc*"), ["BTCUSDT", "BTCUSD_PERP"])
    assert.deepStrictEqual(found("???usdt"), ["BTCUSDT", "ETHUSDT"])
    assert.deepStrictEqual(found("*"), all)
  })

  it("stand in columns, from top to bottom", () => {
    assert.deepStrictEqual(columnsOf(["A", "BB", "C", "D", "E"], 12), ["A   C   E", "BB  D"])
    assert.deepStrictEqual(columnsOf(["A", "BB"], 1), ["A", "BB"])
  })
})

describe("help", () => {
  for (const columns of [40, 80, 100]) {
    it(`fits ${columns} columns, but for the lines of commands`, () => {
      for (const command of [undefined, ...commandNames]) {
        const text = help(command, paperOf(columns, false))
        for (const line of text.split("\n")) {
          if (!/^ {2}(?:holdfast|echo|-|[a-zA-Z]+\[| {4}--)|^ {6}--/.test(line)) assert.isAtMost(width(line), columns, line)
        }
      }
    })
  }

  it("has a command line that works for each command", () => {
    for (const command of [undefined, ...commandNames]) {
      const { examples } = CommandLine.usageOf(command)
      assert.isAbove(examples.length, 0)
      for (const [line] of examples) {
        const args = [...line.replace(/^.*?holdfast ?/, "").matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? "")
        assert.strictEqual(CommandLine.read(args)._tag, "Right", line)
        assert.include(help(command), line)
      }
    }
  })

  it("has colours only where they are wanted", () => {
    assert.include(help("watch", paperOf(80, true)), "\u001b[1mUSAGE\u001b[0m")
    assert.notInclude(help("watch", paperOf(80, false)), "\u001b")
  })
})
