import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { MarketEvent } from "holdfast/market"
import { Decoder, Json } from "holdfast/market"

const Trade = Schema.Struct({ market: Schema.optional(Schema.String), id: Schema.Int })
const isData = Schema.is(Schema.Struct({ channel: Schema.String, payload: Schema.Unknown }))

let parsed = 0
const parse: Decoder.Options<string, object, object>["parse"] = (message) => {
  parsed++
  const json = Json.parse(message)
  if (Either.isLeft(json)) return json.left
  return isData(json.right)
    ? { _tag: "Data", topic: json.right.channel, data: json.right.payload }
    : Json.invalid(message, "it is not data of a channel")
}

const facts = { source: "example", type: "trade", schema: Trade, parse, symbolOf: ({ market }: typeof Trade.Type) => market } as const

const message = (payload: unknown, more = `,"v":1}`, channel = "trades:A") =>
  `{"channel":"${channel}","payload":${JSON.stringify(payload)}${more}`

const decoded = (decoder: Decoder.Decoder<MarketEvent.MarketEvent>, ...messages: ReadonlyArray<string>) => {
  const wrong: Array<string> = []
  const events = decoder.all(messages, 5, ({ reason }) => wrong.push(reason))
  return { events: events.map((event) => ({ ...event })), wrong }
}

describe("a decoder", () => {
  it("makes events with the venue's time, or else with the time of arrival", () => {
    const timed = Decoder.make({ ...facts, timeOf: ({ id }) => id > 1 ? id * 10 : undefined })("trades:A", "A")
    const event = { source: "example", type: "trade", symbol: "A", via: "ws" } as const
    assert.deepStrictEqual(decoded(timed, message({ id: 1 }), message({ id: 2, market: "A" })), {
      events: [{ ...event, data: { id: 1 }, timestamp: 5 }, { ...event, data: { id: 2, market: "A" }, timestamp: 20 }],
      wrong: []
    })
  })

  it("parses the first message in the envelope, reads the next ones without parsing, and parses all that end otherwise", () => {
    const envelope = { start: (stream: string) => `{"channel":"${stream}","payload":`, end: `,"v":1}` }
    const decoder = Decoder.make({ ...facts, envelope })("trades:A", "A")
    parsed = 0
    const ids = (...messages: ReadonlyArray<string>) => decoded(decoder, ...messages).events.map(({ data }) => data)
    assert.deepStrictEqual(ids(message({ id: 1 }), message({ id: 2 }), message({ id: 3 })), [{ id: 1 }, { id: 2 }, { id: 3 }])
    assert.strictEqual(parsed, 1)
    assert.deepStrictEqual(ids(message({ id: 4 }, "}"), message({ id: 5 }, `,"v":1}}`), message({ id: 6 })), [{ id: 4 }, { id: 6 }])
    assert.strictEqual(parsed, 3)
  })

  it("rejects lists and other symbols in a stream of one symbol, unless an option allows them", () => {
    const list = message([{ id: 1 }, { id: 2 }])
    const other = message({ id: 1, market: "B" })
    const counts = (options: { readonly lists?: boolean; readonly anySymbol?: boolean }, symbol = "A") => {
      const decoder = Decoder.make({ ...facts, ...options })("trades:A", symbol)
      return [list, other].map((each) => decoded(decoder, each).events.length)
    }
    assert.deepStrictEqual(counts({}), [0, 0])
    assert.deepStrictEqual(counts({ lists: true }), [2, 0])
    assert.deepStrictEqual(counts({ anySymbol: true }), [0, 1])
    assert.deepStrictEqual(counts({}, ""), [2, 1])
  })

  it("leaves out invalid messages and reports why", () => {
    const decoder = Decoder.make(facts)("trades:A", "A")
    const { events, wrong } = decoded(decoder, "{", message({ id: "x" }), message({ id: 1 }, "}", "trades:B"), message({ id: 1 }))
    assert.strictEqual(events.length, 1)
    assert.deepStrictEqual(wrong, ["it is not JSON", `Expected number, actual "x"`, "it is not data of its stream"])
  })
})
