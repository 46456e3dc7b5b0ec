// Tests how the benchmarks evaluate their figures, and the frames of their load.
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Page from "../../bench/page.ts"
import * as Frames from "../../bench/speed/frames.ts"
import { losses, unrecorded } from "../../bench/speed/guard.ts"
import type { Result } from "../../bench/speed/harness.ts"
import * as Harness from "../../bench/speed/harness.ts"
import * as Report from "../../bench/speed/report.ts"
import * as Stats from "../../bench/speed/stats.ts"

describe("statistics", () => {
  it("the median is the middle value, or the mean of the two middle values", () => {
    assert.strictEqual(Stats.median([9, 1, 5]), 5)
    assert.strictEqual(Stats.median([4, 1, 3, 2]), 2.5)
    assert.isNaN(Stats.median([]))
  })

  it("quantiles grow, and lie between the smallest and the largest value", () => {
    fc.assert(fc.property(
      fc.array(fc.integer({ min: -1_000, max: 1_000 }), { minLength: 1 }),
      fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })),
      (values, [p, q]) => {
        const [low, high] = [Stats.quantile(values, Math.min(p, q)), Stats.quantile(values, Math.max(p, q))]
        assert.isAtLeast(low, Math.min(...values))
        assert.isAtMost(low, high)
        assert.isAtMost(high, Math.max(...values))
      }
    ))
    assert.strictEqual(Stats.quantile([10, 20, 30, 40, 50], 0.25), 20)
    assert.strictEqual(Stats.quantile([0, 10], 0.99), 9.9)
  })

  it("ratios compare figures of the same round, in which a slow machine slows both down", () => {
    const rounds = [
      { ws: { cpu: 1, none: 0 }, holdfast: { cpu: 2, none: 1 } },
      { ws: { cpu: 100, none: 0 }, holdfast: { cpu: 150, none: 1 } },
      { ws: { cpu: 10, none: 0 }, holdfast: { cpu: 11, none: 1 } }
    ]
    assert.deepStrictEqual(Stats.ratios(rounds, "holdfast", "ws"), { cpu: 1.5 })
    assert.deepStrictEqual(Stats.summary(rounds, "holdfast"), { cpu: 11, none: 1 })
    assert.deepStrictEqual(Stats.summary(rounds, "holdfast", ["cpu"]), { cpu: 150, none: 1 })
  })
})

describe("the interval of a median", () => {
  it("is bounded by order statistics: for 15 values, by the fourth from either end", () => {
    const values = [7, 1, 15, 3, 12, 9, 4, 11, 2, 14, 6, 10, 5, 13, 8]
    assert.deepStrictEqual(Stats.medianInterval(values), { median: 8, low: 4, high: 12 })
  })

  it("covers all values if there are fewer than six, and narrows with more", () => {
    assert.deepStrictEqual(Stats.medianInterval([3, 1, 2]), { median: 2, low: 1, high: 3 })
    const hundred = Array.from({ length: 100 }, (_, i) => i + 1)
    // Tables of the binomial distribution give the ranks 40 and 61 for 100 values.
    assert.deepStrictEqual(Stats.medianInterval(hundred), { median: 50.5, low: 40, high: 61 })
  })
})

describe("frames", () => {
  interface Trade {
    readonly t: number
    readonly T: number
    readonly s: string
  }
  const parse: (text: string) => Trade = JSON.parse

  const textsOf = (bytes: Buffer): ReadonlyArray<string> => {
    const texts: Array<string> = []
    for (let at = 0; at < bytes.length;) {
      assert.strictEqual(bytes[at], 0x81)
      const short = bytes.readUInt8(at + 1)
      const head = short === 126 ? 4 : 2
      const length = short === 126 ? bytes.readUInt16BE(at + 2) : short
      texts.push(bytes.subarray(at + head, at + head + length).toString())
      at += head + length
    }
    return texts
  }

  it("ids are consecutive for each symbol, also from chunk to chunk", () => {
    const supply = Frames.supply(Frames.trades(3, false), 4)
    assert.strictEqual(supply.messagesPerChunk, 6)
    const trades = [supply.chunk(), supply.chunk()].flatMap(textsOf).map(parse)
    assert.deepStrictEqual(
      trades.map(({ s, t }) => `${s} ${t - Frames.firstId}`),
      [0, 1, 2, 3].flatMap((id) => [`BTCUSDT ${id}`, `S1USDT ${id}`, `S2USDT ${id}`])
    )
  })

  it("single frames have the same ids, and the time of sending", () => {
    const supply = Frames.supply(Frames.trades(2, false), 2)
    const trades = Array.from({ length: 5 }, () => textsOf(supply.next(true)).map(parse)[0])
    assert.deepStrictEqual(trades.map((trade) => (trade?.t ?? 0) - Frames.firstId), [0, 0, 1, 1, 2])
    for (const trade of trades) assert.isBelow(Frames.sinceStamp(trade?.T ?? 0, Frames.micros()), 60e6)
  })

  it("updates of a book continue its snapshot, and never make it cross", () => {
    interface Update {
      readonly U: number
      readonly u: number
      readonly b: ReadonlyArray<readonly [string, string]>
      readonly a: ReadonlyArray<readonly [string, string]>
    }
    const parseUpdate: (text: string) => Update = JSON.parse
    const parseSnapshot: (text: string) => { readonly lastUpdateId: number } = JSON.parse
    const updates = textsOf(Frames.supply(Frames.depth(false), 1).chunk()).map(parseUpdate)
    let last = parseSnapshot(Frames.snapshot(100)).lastUpdateId
    for (const { U, a, b, u } of updates) {
      assert.strictEqual(U, last + 1)
      last = u
      assert.isBelow(Math.max(...b.map(([price]) => Number(price))), Math.min(...a.map(([price]) => Number(price))))
    }
  })
})

const resultOf = (ratio: number, growth: number): Result => ({
  name: "text",
  what: "",
  units: { cpu: "µs of CPU", growth: "×" },
  runs: 5,
  rows: [
    { contestant: "ws", against: undefined, figures: { cpu: 1 }, ratios: {}, goals: [] },
    {
      contestant: "holdfast",
      against: "ws",
      figures: { cpu: ratio, growth },
      ratios: { cpu: ratio, growth: 1 },
      goals: [
        { contestant: "holdfast", figure: "cpu", of: "ratio", atMost: 1.15, value: ratio, met: ratio <= 1.15 },
        { contestant: "holdfast", figure: "growth", of: "value", atMost: 1.1, value: growth, met: growth <= 1.1 }
      ]
    }
  ]
})

describe("the guard", () => {
  it("reports a figure of at least twice the recorded one, and none below", () => {
    const recorded = [resultOf(1.1, 1)]
    assert.deepStrictEqual(losses(recorded, [resultOf(2.19, 1.9)]), [])
    assert.deepStrictEqual(losses(recorded, [resultOf(2.2, 1)]), [
      { benchmark: "text", contestant: "holdfast", figure: "cpu", recorded: 1.1, now: 2.2 }
    ])
    assert.deepStrictEqual(losses(recorded, [resultOf(1, 2)]).map(({ figure }) => figure), ["growth"])
    assert.deepStrictEqual(losses([], [resultOf(100, 100)]), [])
  })
})

describe("a guard without a record", () => {
  it("names the benchmarks that are not recorded", () => {
    assert.deepStrictEqual(unrecorded([], [resultOf(1, 1)]), ["text"])
    assert.deepStrictEqual(unrecorded([resultOf(1, 1)], [resultOf(1, 1)]), [])
  })
})

describe("the table", () => {
  it("marks goals that are not met", () => {
    const rows = Report.table([resultOf(2.5, 1.05)]).split("\n")
    assert.strictEqual(rows.at(-1), "|  | holdfast | 2.5 µs of CPU, 1.05 × | 2.5× | ≤ 1.15×: **not met**; ≤ 1.1 (×): met |")
    assert.strictEqual(Report.shown(1_234_567), "1,230,000")
    assert.strictEqual(Report.shown(0), "0")
  })

  it("takes its place in the text", () => {
    const text = "a\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nb\n"
    assert.strictEqual(Page.insert(text, "bench", "new"), "a\n<!-- bench:begin -->\nnew\n<!-- bench:end -->\nb\n")
    assert.throws(() => Page.insert("no marks", "bench", "new"), /has no/)
  })
})

describe("a benchmark", () => {
  const figures: Readonly<Record<string, ReadonlyArray<number>>> = { ws: [1, 10], other: [4, 40], holdfast: [2, 30] }
  const contestant = (name: string, fullOnly = false) => {
    let round = 0
    return { name, fullOnly, run: () => Promise.resolve({ cpu: figures[name]?.[round++] ?? Number.NaN }) }
  }
  const benchmark = () => ({
    name: "text",
    what: "",
    figures: { cpu: "µs" },
    contestants: [contestant("ws"), contestant("holdfast"), contestant("other", true)],
    goals: [
      { contestant: "holdfast", figure: "cpu", of: "ratio", atMost: 2.5 } as const,
      { contestant: "holdfast", figure: "cpu", of: "ratio", against: "other", atMost: 0.5 } as const
    ]
  })

  it("runs its contestants in turn, and judges their ratios", async () => {
    const turns: Array<string> = []
    const result = await Harness.run(benchmark(), {
      size: Harness.full,
      runs: 2,
      onRun: (name, round) => turns.push(`${name} ${round}`)
    })
    assert.deepStrictEqual(turns, ["ws 0", "holdfast 0", "other 0", "ws 1", "holdfast 1", "other 1"])
    const [ws, holdfast] = result.rows
    assert.deepStrictEqual(ws?.ratios, {})
    assert.deepStrictEqual(holdfast?.ratios, { cpu: 2.5 })
    assert.deepStrictEqual(holdfast?.goals.map(({ met, value }) => [value, met]), [[2.5, true], [0.625, false]])
  })

  it("leaves out contestants for full runs only, and the goals that compare with them", async () => {
    const result = await Harness.run(benchmark(), { size: Harness.small, runs: 1, onRun: () => undefined })
    assert.deepStrictEqual(result.rows.map(({ contestant }) => contestant), ["ws", "holdfast"])
    assert.deepStrictEqual(result.rows[1]?.goals.map(({ value }) => value), [2])
  })
})
