// The table of Binance's streams against what Binance documents.
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import { StreamKind } from "holdfast/binance"
import { facts } from "../fixtures/binance-streams.ts"

const millis = (speed: string) =>
  speed === "real-time" ? 0 : speed.endsWith("ms") ? Number.parseInt(speed, 10) : Duration.toMillis(Duration.seconds(Number.parseInt(speed, 10)))

describe("the table of streams", () => {
  for (const [example, market, template, type, route, continuity, fastest] of facts) {
    it(`has ${template} of ${market}`, () => {
      const row = StreamKind.documented.find((row) => row.market === market && row.name === template)
      assert(row !== undefined)
      assert.strictEqual(row.kind.type, type)
      const { kind, symbol } = StreamKind.parse(example)
      assert.deepStrictEqual([kind.type, kind.route, kind.continuity], [type, route, continuity])
      assert.strictEqual(Math.min(...row.speeds.map(millis)), millis(fastest))
      assert.strictEqual(symbol, example.startsWith("!") || !example.includes("@") ? "" : example.split("@", 1)[0]?.toUpperCase())
    })
  }

  it("has no others, except those of an account", () => {
    const listed = new Set(facts.map(([, market, template]) => `${market} ${template}`))
    const others = StreamKind.documented.filter(({ market, name }) => !listed.has(`${market} ${name}`))
    assert.deepStrictEqual([...new Set(others.map(({ kind: { route, type }, name }) => [name, type, route].join(" ")))], [
      "<listenKey> userData private"
    ])
  })
})

describe("the kind of a name", () => {
  it("that is not documented is unknown, under its own name", () => {
    for (
      const [name, type] of [
        ["btcusdt@thing", "thing"],
        ["btcusdt@thing@100ms", "thing"],
        ["btcusdt@depthSnapshot", "depthSnapshot"],
        ["btcusdt@kline", "kline"],
        ["!thing@arr", "thing"],
        ["thing", "thing"]
      ] as const
    ) {
      const { kind } = StreamKind.parse(name)
      assert.strictEqual(kind.type, type)
      assert.strictEqual(kind.continuity, name === "btcusdt@kline" ? "candles" : "unknown")
    }
  })
})
