import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as fc from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { Payloads, Protocol } from "holdfast/binance"
import type { Session } from "holdfast"
import { parseBatch } from "../../src/internal/parseBatch.ts"
import * as Validator from "../../src/internal/validator.ts"

const parsed: (text: string) => unknown = JSON.parse
const json = (value: unknown): unknown => parsed(JSON.stringify(value))

// ---------------------------------------------------------------------------------------------------------------------
// Validity

const payloads: ReadonlyArray<readonly [string, Schema.Schema.AnyNoContext]> = [
  ...Object.entries(Payloads).filter(([, schema]) => Schema.isSchema(schema)),
  ["PartialDepth of both markets", Schema.Union(Payloads.PartialDepth, Payloads.FuturesPartialDepth)]
]

// What a field may be instead: near misses of numbers, decimals and literals before all.
const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null, true, false, 0, -0, 1.5, -1, 2 ** 53, 2 ** 53 - 1, 1e308, "", "1", "-1.5", "1.", ".5", "1.5\n", "1e5", "+1",
    "trade", "１", [], {}, [[]], ["1", "2"], [["1", "2"]], [["1", "2", "3"]], [["1"]], { length: 2 }
  ),
  fc.jsonValue()
)

const paths = (value: unknown, at: ReadonlyArray<string> = []): ReadonlyArray<ReadonlyArray<string>> =>
  typeof value === "object" && value !== null
    ? [at, ...Object.entries(value).flatMap(([key, item]: readonly [string, unknown]) => paths(item, [...at, key]))]
    : [at]

const rebuilt = (value: unknown, path: ReadonlyArray<string>, change: (item: unknown) => unknown): unknown => {
  const [key, ...rest] = path
  if (key === undefined || typeof value !== "object" || value === null) return change(value)
  const entries: ReadonlyArray<readonly [string, unknown]> = Object.entries(value)
    .map(([name, item]) => [name, name === key ? rebuilt(item, rest, change) : item] as const)
    .filter(([, item]) => item !== undefined)
  return Array.isArray(value) ? entries.map(([, item]) => item) : Object.fromEntries(entries)
}

describe.each(payloads)("%s", (_, schema) => {
  const valid: fc.Arbitrary<unknown> = Arbitrary.make(schema).map(json)
  const decide = Schema.is(schema)
  const planned = Validator.planned(schema)
  const is = Validator.is(schema)

  it("has a plan that knows every valid payload, in any order of its fields, with any others between them", () => {
    assert(planned !== undefined)
    fc.assert(fc.property(valid, fc.dictionary(fc.string(), fc.jsonValue()), fc.infiniteStream(fc.nat()), (value, others, order) => {
      assert.isTrue(decide(value))
      assert.isTrue(planned(value))
      if (typeof value !== "object" || value === null || Array.isArray(value)) return
      const shuffled = Object.entries({ ...others, ...value })
        .map((entry) => ({ entry, at: Number(order.next().value) }))
        .sort((a, b) => a.at - b.at)
        .map(({ entry }) => entry)
      const all = json(Object.fromEntries(shuffled))
      assert.strictEqual(planned(all), decide(all))
    }), { numRuns: 200 })
  })

  it("is judged as its schema judges it, whatever was changed in it or left out of it", () => {
    assert(planned !== undefined)
    fc.assert(fc.property(valid, fc.nat(), fc.option(odd, { nil: undefined }), (value, where, instead) => {
      const all = paths(value)
      const changed = rebuilt(value, all[where % all.length] ?? [], () => instead)
      assert.strictEqual(planned(changed), decide(changed))
      assert.strictEqual(is(changed), decide(changed))
    }), { numRuns: 500 })
  })
})

describe("a schema without a plan", () => {
  const schemas: ReadonlyArray<Schema.Schema.AnyNoContext> = [
    Schema.Struct({ a: Schema.NumberFromString }),
    Schema.Struct({ a: Schema.String.pipe(Schema.minLength(2)) }),
    Schema.Struct({ a: Schema.String }).annotations({ parseOptions: { onExcessProperty: "error" } }),
    Schema.Record({ key: Schema.String, value: Schema.Number }),
    Schema.Struct({ a: Schema.String.pipe(Schema.pattern(/x/g)) }),
    Schema.Date
  ]
  it("decides itself", () => {
    for (const schema of schemas) {
      assert.isUndefined(Validator.planned(schema))
      for (const value of [{ a: "xx" }, { a: "x" }, { a: 1 }, { a: "xx", b: 1 }, {}, null, 1]) {
        assert.strictEqual(Validator.is(schema)(value), Schema.is(schema)(value))
      }
    }
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Parsing

const alone = (text: string): unknown => {
  try {
    return json(parsed(text))
  } catch {
    return undefined
  }
}

// Pieces that are whole, broken, or meant to be completed by a neighbour.
const piece = fc.oneof(
  fc.constantFrom(
    `{"a":[{}`, `{}]},{}`, `{}`, `{"a":1}`, `{"a":"}`, `{","b":1}`, `{","b":1},{}`, `{"a":1},{"b":2}`, `{"a":1},2`, `1},{`, `{"a":[1`,
    `2]}`, `]`, `[`, `{"a":1}]`, `[{"a":1}`, `{"\\u007b":"{"}`, `{"a":"\\"}`, `{"é":"日本"}`, ` {"a":1}`, `{"a":1} `, ``, `1`,
    `null`, `{"a":`, `1}`, `{1}`, `{"__proto__":{"a":1}}`, `{"__proto__":1}`, `{"a":1,"a":2}`, `{"a":[]}`, `{"a":[1,[2]]}`, `"}`, `{"`
  ),
  fc.jsonValue().map((value) => JSON.stringify(value)),
  fc.array(fc.constantFrom("{", "}", "[", "]", ",", `"`, ":", "1", "a", "\\", " "), { maxLength: 8 }).map((all) => all.join(""))
)

describe("texts that are parsed together", () => {
  it("come out as each by itself, however broken they are", () => {
    fc.assert(fc.property(fc.array(piece, { maxLength: 6 }), (texts) => {
      assert.deepStrictEqual(parseBatch(texts).map((value) => value === undefined ? undefined : json(value)), texts.map(alone))
    }), { numRuns: 20_000 })
  })

  it("do not complete each other", () => {
    for (const texts of [[`{"a":[{}`, `{}]},{}`], [`{"a":"}`, `{","b":1},{}`], [`{"a":[1`, `2]},{"b":1}`], [`{"a":1},{"b":1}`, `{"a":1`]]) {
      assert.deepStrictEqual(parseBatch(texts), texts.map(alone))
    }
  })
})

const each = (messages: ReadonlyArray<string | Uint8Array>) => messages.map(Protocol.parse)
const together = (messages: ReadonlyArray<string | Uint8Array>) => {
  const all: Array<Session.Incoming<unknown, Protocol.Notice>> = []
  const { parseAll } = Protocol.make(5)
  assert(parseAll !== undefined)
  // What it has learned from them does not change what they are.
  for (const round of [0, 1]) {
    parseAll(messages, (incoming) => {
      if (round === 1) all.push(incoming)
    }, (topic, batch) => {
      for (const data of batch) {
        if (round === 1) all.push({ _tag: "Data", topic, data })
      }
    })
  }
  return all
}

const frame = fc.oneof(
  fc.tuple(fc.constantFrom("a@trade", "b@depth", "é@trade", `x\\"y`, "!serverShutdown", "a\\", `a","data":`, "日本@trade"), piece)
    .map(([stream, data]) => `{"stream":"${stream}","data":${data}}`),
  fc.tuple(fc.constantFrom("a@trade", `q"q`), fc.jsonValue()).map(([stream, data]) => JSON.stringify({ stream, data })),
  fc.jsonValue().map((data) => JSON.stringify({ data, stream: "a@trade" })),
  fc.constantFrom(
    `{"stream":"a","z":"b","data":1}`, `{"stream":"a","f":{"x":"q","data":1},"data":{}}`, `{"stream":"a","data":{},"stream":"b","data":{}}`,
    `{"stream":"a","data":1,"id":1}`, `{"result":null,"id":1}`, `{"e":"serverShutdown","E":1}`, `{"code":2,"msg":"no","id":3}`, `{"stream":"a","data":}`,
    `{"stream":"a","data":{}}}`, `{"stream":"a","data":{}} `, `{"stream":"a","data":"${"x".repeat(2_000)}"}`, `{"stream":"a","data":${"[".repeat(600)}${"]".repeat(600)}}`
  ),
  piece
)

describe("messages of a combined connection that came at once", () => {
  it("are read as each by itself, in their order", () => {
    fc.assert(fc.property(fc.array(frame, { maxLength: 12 }), (messages) => {
      assert.deepStrictEqual(together(messages), each(messages))
    }), { numRuns: 5_000 })
  })

  it("may be many more than are parsed at once, with bytes between them", () => {
    const trade = (t: number) => `{"stream":"${t % 3}@trade","data":{"t":${t}}}`
    const messages = Array.from({ length: 200 }, (_, t) => t % 50 === 49 ? new TextEncoder().encode(trade(t)) : trade(t))
    assert.deepStrictEqual(together(messages), each(messages))
  })
})
