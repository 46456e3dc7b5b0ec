import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as FiberId from "effect/FiberId"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { MarketEvent, OrderBook, Payloads, Protocol } from "holdfast/binance"
import * as Shape from "../../src/internal/json/compiledReader.ts"
import * as Validator from "../../src/internal/json/validator.ts"
import * as Desired from "../../src/internal/session/desired.ts"
import * as Dispatcher from "../../src/internal/session/dispatcher.ts"
import { Redactor } from "../../src/internal/transport/redactor.ts"
import { collectGarbage } from "../proofs/fuzz/garbage.ts"

const parsed: (text: string) => unknown = JSON.parse
const json = (value: unknown): unknown => parsed(JSON.stringify(value))

// ---------------------------------------------------------------------------------------------------------------------
// Validity

const payloads: ReadonlyArray<readonly [string, Schema.Schema.AnyNoContext]> = [
  ...Object.entries(Payloads).filter(([, schema]) => Schema.isSchema(schema)),
  ["PartialDepth of both markets", Schema.Union(Payloads.PartialDepth, Payloads.FuturesPartialDepth)]
]

// Other values for a field: above all, near misses of numbers, decimals and literals.
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

  it("has a plan that accepts every valid payload, with its fields in any order and other fields between them", () => {
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

  it("is valid exactly when its schema accepts it, whatever field is changed or left out", () => {
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
  it("validates by itself", () => {
    for (const schema of schemas) {
      assert.isUndefined(Validator.planned(schema))
      for (const value of [{ a: "xx" }, { a: "x" }, { a: 1 }, { a: "xx", b: 1 }, {}, null, 1]) {
        assert.strictEqual(Validator.is(schema)(value), Schema.is(schema)(value))
      }
    }
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Reading by shape

const alone = (text: string): unknown => {
  try {
    return parsed(text)
  } catch {
    return undefined
  }
}

const start = `{"stream":"a@b","data":`
const whole = (data: string) => `${start}${data}}`

// Damage to a text: a piece of it is removed or replaced.
const damage = fc.record({
  at: fc.nat(),
  length: fc.nat({ max: 4 }),
  instead: fc.oneof(
    fc.constantFrom(
      "", " ", `"`, "\\", "\\u0041", "{", "}", "[", "]", ",", ":", "-", "0", "00", "1", "9007199254740993", ".", "1.5", "e5", "\n",
      "\u2028", "é", "\ud800", "null", "true", "false", `"__proto__":1,`, `"s":"X",`, `["1","2"],`, `,["1","2"]`
    ),
    fc.string({ maxLength: 3 })
  )
})
const record = (value: unknown): Readonly<Record<string, unknown>> => Predicate.isReadonlyRecord(value) ? value : {}
// Without escapes, and without numbers of more than fifteen digits.
const simple = (_: string, value: unknown) =>
  typeof value === "number" ? value % 1e15 : typeof value === "string" ? value.replaceAll(/[^ !#-[\]-~é日]/g, "") : value
const damaged = (text: string, { at, instead, length }: { readonly at: number; readonly instead: string; readonly length: number }) => {
  const from = at % (text.length + 1)
  return text.slice(0, from) + instead + text.slice(from + length)
}

describe.each(payloads.filter(([name]) => name !== "Decimal"))("a text of %s", (_, schema) => {
  const valid: fc.Arbitrary<unknown> = Arbitrary.make(schema).map(json)
  const decide = Schema.is(schema)

  // Data that is read equals the result of JSON.parse, and the schema accepts it.
  const check = (shapes: Shape.Shapes<unknown>, text: string) => {
    const read = shapes.read(whole(text), start)
    if (read === undefined) return false
    assert.deepStrictEqual(read, alone(text))
    assert.strictEqual(JSON.stringify(read), JSON.stringify(alone(text)))
    assert.isTrue(decide(read))
    return true
  }

  it("is read as JSON.parse reads it, or not at all, however it is damaged", () => {
    fc.assert(fc.property(valid, valid, fc.array(damage, { maxLength: 3 }), fc.dictionary(fc.string(), fc.jsonValue()), (value, other, damages, more) => {
      const shapes: Shape.Shapes<unknown> = Shape.make(schema)
      for (const known of [value, { ...record(value), ...more }, { ...more, ...record(value) }]) {
        if (decide(json(known))) shapes.learn(whole(JSON.stringify(known)), start, json(known))
      }
      for (const text of [value, other, { ...record(value), ...more }].map((each) => JSON.stringify(each))) {
        check(shapes, text)
        check(shapes, damages.reduce(damaged, text))
      }
    }), { numRuns: 300 })
  })

  it("is read as JSON.parse reads it with white space too", () => {
    fc.assert(fc.property(valid, valid, fc.array(damage, { maxLength: 3 }), fc.constantFrom(1, "\t", " \n"), (value, other, damages, space) => {
      const shapes: Shape.Shapes<unknown> = Shape.make(schema)
      const written = (each: unknown) => JSON.stringify(each, undefined, space)
      if (decide(value)) shapes.learn(whole(written(value)), start, value)
      for (const text of [value, other].map(written)) {
        check(shapes, text)
        check(shapes, damages.reduce(damaged, text))
      }
    }), { numRuns: 100 })
  })

  it("is read after one like it was learned, with its fields in any order and with unknown fields", () => {
    fc.assert(fc.property(valid, fc.boolean(), fc.constantFrom<unknown>(true, "x", null, 7), (value, backwards, unknown) => {
      const entries = Object.entries({ ...record(value), Z9: unknown })
      const text = JSON.stringify(Object.fromEntries(backwards ? entries.reverse() : entries), simple)
      const shapes: Shape.Shapes<unknown> = Shape.make(schema)
      assert.isFalse(check(shapes, text))
      shapes.learn(whole(text), start, parsed(text))
      assert.isTrue(check(shapes, text), text)
    }), { numRuns: 100 })
  })
})

describe("a learned shape", () => {
  const trade = { e: "trade", E: 1, s: "BTCUSDT", t: 7, p: "1.0", q: "2.0", T: 1, m: true } as const

  it("reads only safe numbers and valid decimals", () => {
    const shapes = Shape.make(Payloads.Trade)
    shapes.learn(whole(JSON.stringify(trade)), start, trade)
    const read = (from: string, to: string) => shapes.read(whole(JSON.stringify(trade).replace(from, to)), start)
    for (const id of ["0", "1", "-1", "999999999999999"]) assert.strictEqual(read(`"t":7`, `"t":${id}`)?.t, Number(id))
    for (const id of ["00", "07", "9007199254740992", "9007199254740993", "99999999999999999", "1.0", "1e3", "", "-", `"7"`, "null"]) {
      assert.isUndefined(read(`"t":7`, `"t":${id}`), id)
    }
    for (const price of ["0", "00.10", "-1.5", "123456789012345678901234567890.123456789"]) assert.strictEqual(read("1.0", price)?.p, price)
    for (const price of ["", ".5", "1.", "1e5", "+1", "1,5", "１", " 1", "NaN", "--1"]) assert.isUndefined(read("1.0", price), price)
  })

  const texts = (names: ReadonlyArray<string>) => names.map((name) => JSON.stringify({ ...trade, [name]: "x" }))

  it("reads only messages that end as the learned one", () => {
    const shapes = Shape.make(Payloads.Trade)
    shapes.learn(whole(JSON.stringify(trade)), start, trade)
    const text = whole(JSON.stringify(trade))
    assert.isDefined(shapes.read(text, start))
    for (const more of ["}", " ", "\n", ",", `,"x":1}`, "x"]) assert.isUndefined(shapes.read(text + more, start), more)
    assert.isUndefined(shapes.read(text.slice(0, -1), start))
  })

  it("reads texts with white space where the learned one has it, and no others", () => {
    const kline: typeof Payloads.Kline.Type & { readonly k: { readonly B: string } } = {
      e: "kline",
      E: 1,
      s: "BTCUSDT",
      k: { t: 1, T: 2, s: "BTCUSDT", i: "1m", f: 1, L: 2, o: "1", c: "1", h: "1", l: "1", v: "1", n: 1, x: true, q: "1", V: "1", Q: "1", B: "a b" }
    }
    const spaced = JSON.stringify(kline).replace(`"k":{`, `"k": {`).replace(/("\w"):(?=[^{]*\}\})/g, "$1: ").replace(/,(?=[^{]*\}\})/g, ", ")
    const ways = [spaced, JSON.stringify(kline, undefined, 2), JSON.stringify(kline, undefined, "\t"), JSON.stringify(kline).replace("}}", " }\r\n}")]
    for (const way of ways) {
      const shapes = Shape.make(Payloads.Kline)
      shapes.learn(whole(way), start, kline)
      const read = shapes.read(whole(way.replace(`"BTCUSDT"`, `"ETHUSDT"`).replace(/"n": ?1/, (text) => text.replace("1", "77"))), start)
      assert.deepStrictEqual(read && json(read), { ...kline, s: "ETHUSDT", k: { ...kline.k, n: 77 } })
      for (const other of [JSON.stringify(kline), way.replace("{", "{ "), `${way} `]) {
        assert.isUndefined(shapes.read(whole(other), start), other)
      }
    }
  })

  it("does not take white space within a text for white space around it", () => {
    const shapes = Shape.make(Payloads.Trade)
    const text = JSON.stringify(trade).replace(`"e":"trade"`, `"e":" trade"`)
    shapes.learn(whole(text), start, trade)
    assert.isUndefined(shapes.read(whole(text), start))
  })

  it("does not run code in the name of a field", () => {
    const names = [`a: globalThis.broken = 1, b`, "a-b", "", "1", "__proto__", `"`, "a b", "é", "a".repeat(100), "${1}", "\\u0041"]
    for (const text of texts(names)) {
      const shapes = Shape.make(Payloads.Trade)
      const value = parsed(text)
      assert(Schema.is(Payloads.Trade)(value))
      shapes.learn(whole(JSON.stringify(value)), start, value)
      assert.isUndefined(shapes.read(whole(text), start))
    }
    assert.notProperty(globalThis, "broken")
  })

  // Setting such a field would set the property of all objects.
  it("has no field with a name that every object has", () => {
    for (const text of texts(["constructor", "toString", "hasOwnProperty"])) {
      const shapes = Shape.make(Payloads.Trade)
      const value = parsed(text)
      assert(Schema.is(Payloads.Trade)(value))
      shapes.learn(whole(JSON.stringify(value)), start, value)
      assert.isUndefined(shapes.read(whole(text), start))
    }
  })

  it("may have fields with the names of keywords, and of variables in its code", () => {
    for (const text of texts(["class", "return", "this", "captures", "levels", "Shape0", "prototype"])) {
      const shapes = Shape.make(Payloads.Trade)
      const value = parsed(text)
      assert(Schema.is(Payloads.Trade)(value))
      shapes.learn(whole(JSON.stringify(value)), start, value)
      const read = shapes.read(whole(text), start)
      assert(read !== undefined)
      assert.deepStrictEqual(Object.entries(read), Object.entries(value))
      assert.strictEqual(Object.getPrototypeOf(read), Object.prototype)
    }
  })

  it("has every required field, even if the data it was learned from inherited the field", () => {
    const decoder = MarketEvent.fromStream("a@trade")
    decoder.decode(Object.create({ ...trade, s: "A" }), 0)
    const wrong: Array<string> = []
    const events = decoder.all([`{"stream":"a@trade","data":{}}`], 0, (error) => wrong.push(error.reason))
    assert.deepStrictEqual(events, [])
    assert.lengthOf(wrong, 1)
  })

  it("may have hundreds of fields; thousands are not learned, and do not spoil later shapes", () => {
    const shapes = Shape.make(Payloads.Trade)
    const wide = (count: number) => {
      const value = { ...trade, ...Object.fromEntries(Array.from({ length: count }, (_, i) => [`Z${i}`, 1])) }
      const text = whole(JSON.stringify(value))
      shapes.learn(text, start, value)
      return shapes.read(text, start)
    }
    assert.isDefined(wide(200))
    assert.isUndefined(wide(10_000))
    shapes.learn(whole(JSON.stringify(trade)), start, trade)
    assert.deepStrictEqual(shapes.read(whole(JSON.stringify(trade)), start), trade)
    assert.isUndefined(shapes.read(whole(JSON.stringify({ ...trade, X: 1 })), start))
  })

  it("is learned again after many others, in place of an old one", () => {
    const shapes = Shape.make(Payloads.Trade)
    const ways = texts(Array.from({ length: 100 }, (_, i) => `Z${i}`))
    // Shapes are learned only now and then, so each comes often.
    for (const way of ways) {
      const value = parsed(way)
      assert(Schema.is(Payloads.Trade)(value))
      for (let i = 0; i < 1_024; i++) shapes.learn(whole(way), start, value)
    }
    assert.isDefined(shapes.read(whole(ways.at(-1) ?? ""), start))
    assert.isUndefined(shapes.read(whole(ways[0] ?? ""), start))
  })
})

describe("levels of a book", () => {
  it("do not keep their messages in memory", () => {
    const decoder = MarketEvent.decoders.depth("a@depth")
    const bytes = new TextDecoder()
    const gone = Array.from({ length: 40 }, () => ["1.00", "0.00"])
    const messageOf = (i: number) => {
      const b = [[(117_000 + i / 100).toFixed(8), (10_000 + i).toFixed(8)], ...gone]
      const text = JSON.stringify({ stream: "a@depth", data: { e: "depthUpdate", E: 1, s: "A", U: 1, u: 2, b, a: [] } })
      // A flat string, as from a socket.
      return bytes.decode(new TextEncoder().encode(text))
    }
    const heap = () => {
      collectGarbage()
      return process.memoryUsage().heapUsed
    }
    const count = 2_000
    const ladder = OrderBook.makeLadder("bids", [])
    const before = heap()
    for (let i = 0; i < count; i++) {
      for (const { data } of decoder.all([messageOf(i)], 0, (error) => assert.fail(error.message))) data.b.forEach(ladder.set)
    }
    const grown = heap() - before
    assert.strictEqual(ladder.size(), count)
    assert.isBelow(grown, messageOf(0).length * count / 2)
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Messages

const piece = fc.oneof(
  fc.constantFrom(
    `{}`, `{"a":1}`, `{"a":"}`, `1},{`, `]`, `{"a":1}]`, `{"\\u007b":"{"}`, `{"é":"日本"}`, ` {"a":1}`, ``, `1`, `null`, `{"a":`, `"}`, `{"`,
    `{"__proto__":{"a":1}}`, `{"a":1,"a":2}`, `{"e":"trade","E":1,"s":"A","t":7,"p":"1.0","q":"2.0","T":1,"m":true}`,
    `{"e":"trade","E":1,"s":"B","t":7,"p":"1.0","q":"2.0","T":1,"m":true}`, `{"e":"trade","E":1,"s":"A","t":7,"p":"1","q":"2","T":1,"m":true,"M":true}`,
    `{"e":"trade","E":1,"s":"A","t":7,"p":"1","q":"2","T":1,"m":true,"s":"B"}`, `{"e":"trade","E":1.5,"s":"A","t":7,"p":"1","q":"2","T":1,"m":true}`
  ),
  fc.jsonValue().map((value) => JSON.stringify(value))
)

// The topics and events of the messages, and their other contents, as `Protocol.parse` reads each message by itself.
const expectedOf = (messages: ReadonlyArray<string | Uint8Array>) =>
  messages.flatMap((message): ReadonlyArray<unknown> => {
    const content = Protocol.parse(message)
    if (content._tag !== "Data") return [content._tag === "Invalid" ? "Invalid" : content]
    return Either.match(MarketEvent.fromStream(content.topic).decode(content.data, 0), {
      onLeft: () => ["Invalid"],
      onRight: (events) => events.map((event) => ({ topic: content.topic, event }))
    })
  })

// Reads the messages of one connection, one after another. These topics have subscribers.
const reading = (
  subscribed: Iterable<string>,
  onData: (topic: string, message: string | Uint8Array) => void,
  onElse: (other: unknown) => void
) => {
  const protocol = Protocol.make(5)
  const now = () => 0
  const desired = Desired.make<string | Uint8Array>({
    cadence: () => "exempt",
    moment: now,
    fiberId: FiberId.none,
    onChange: () => undefined,
    onThrown: onElse
  })
  for (const topic of subscribed) {
    desired.add(topic).listeners = [{
      data: (messages) => {
        for (const message of messages) onData(topic, message)
      },
      gap: () => undefined,
      end: () => undefined
    }]
  }
  const { receive } = Dispatcher.make({
    redactor: new Redactor(),
    protocol,
    topics: desired.topics,
    now,
    moment: now,
    record: ({ _tag }) => {
      if (_tag === "Invalid") onElse("Invalid")
    },
    onAnswer: onElse,
    onLive: () => undefined,
    onDropped: onElse,
    isAnswer: undefined,
    onHeartbeat: () => undefined,
    onNotice: (notice) => {
      onElse({ _tag: "Notice", notice })
    },
    onGap: () => undefined
  })
  return (message: string | Uint8Array) => {
    receive([message])
  }
}

const topicsOf = (messages: ReadonlyArray<string | Uint8Array>) =>
  messages.flatMap((message) => {
    const content = Protocol.parse(message)
    return content._tag === "Data" ? [content.topic] : []
  })

const together = (messages: ReadonlyArray<string | Uint8Array>) => {
  const decoders = new Map<string, MarketEvent.Decoder<MarketEvent.MarketEvent>>()
  let all: Array<unknown> = []
  const read = reading(["a@trade", ...topicsOf(messages)], (topic, message) => {
    const decoder = decoders.get(topic) ?? MarketEvent.fromStream(topic)
    decoders.set(topic, decoder)
    const events = decoder.all([message], 0, () => all.push("Invalid"))
    for (const event of events) all.push({ topic, event })
  }, (other) => all.push(other))
  // Repeated, since what it learns from the messages must not change how it reads them.
  return [0, 1, 2].map(() => {
    all = []
    for (const message of messages) read(message)
    return all
  })
}

const anyMessage = fc.oneof(
  fc.tuple(fc.constantFrom("a@trade", "a@trade", "b@depth", "é@trade", `x\\"y`, "!serverShutdown", "a\\", `a","data":`, "日本@trade"), piece)
    .map(([stream, data]) => `{"stream":"${stream}","data":${data}}`),
  fc.tuple(fc.constantFrom("a@trade", `q"q`), fc.jsonValue()).map(([stream, data]) => JSON.stringify({ stream, data })),
  fc.jsonValue().map((data) => JSON.stringify({ data, stream: "a@trade" })),
  fc.constantFrom(
    `{"stream":"a","z":"b","data":1}`, `{"stream":"a","f":{"x":"q","data":1},"data":{}}`,
    `{"stream":"a","data":1,"id":1}`, `{"result":null,"id":1}`, `{"e":"serverShutdown","E":1}`, `{"code":2,"msg":"no","id":3}`, `{"stream":"a","data":}`,
    `{"stream":"a","data":{}}}`, `{"stream":"a","data":{}} `, `{"stream":"a","data":"${"x".repeat(2_000)}"}`, `{"stream":"a","data":${"[".repeat(600)}${"]".repeat(600)}}`
  ),
  piece
)

describe("a batch of combined messages", () => {
  it("is read as each message by itself, in order within a topic", () => {
    fc.assert(fc.property(fc.array(anyMessage, { maxLength: 12 }), (messages) => {
      for (const all of together(messages)) assert.deepStrictEqual(all, expectedOf(messages))
    }), { numRuns: 5_000 })
  })

  it("is invalid where a message names two topics", () => {
    const both = `{"stream":"a@trade","data":{},"stream":"b@trade","data":{}}`
    for (const all of together([both])) assert.deepStrictEqual(all, ["Invalid"])
  })

  it("may have any characters in the names of topics, as JSON writes them", () => {
    const data = `{"e":"trade","E":1,"s":"A","t":7,"p":"1","q":"2","T":1,"m":true,"Z":"z"}`
    const all = `[${data}]`
    const names = [
      `kline_","data":1,"stream":"q`, `!ticker_","data":0,"stream":"q@arr`, "a@kline_\t", "a@kline_\\", `a@kline_"`, "a@kline_\ud800", "a@kline_\n",
      `a","data":1,"stream":"b`, "é@trade", "日本@trade", "a@trade\\", "a@trade\n", "\u2028@trade"
    ]
    for (const name of names) {
      const messages = [data, all, data].map((each) => `{"stream":${JSON.stringify(name)},"data":${each}}`)
      for (const read of together(messages)) assert.deepStrictEqual(read, expectedOf(messages), name)
    }
  })

  it("has no events for a decoder if the JSON names another stream, or none", () => {
    const ticker = (e: string) => JSON.stringify({
      e, E: 1, s: "A", p: "1", P: "1", w: "1", o: "1", h: "1", l: "1", c: "1", v: "1", q: "1", O: 1, C: 1, F: 1, L: 1, n: 1
    })
    for (const name of [`!ticker_","data":0,"stream":"q@arr`, "!ticker_\t@arr"]) {
      const decoder = MarketEvent.fromStream(name)
      for (const message of [JSON.stringify({ stream: name, data: 1 }).replace(":1}", `:${ticker("1hTicker")}}`), `{"stream":"${name}","data":${ticker("1hTicker")}}`]) {
        const wrong: Array<unknown> = []
        const events = decoder.all([message, message], 0, (error) => wrong.push(error))
        const content = Protocol.parse(message)
        assert.lengthOf(events, content._tag === "Data" && content.topic === name ? 2 : 0)
        assert.lengthOf(wrong, 2 - events.length)
      }
    }
  })

  it("does not stay in memory when the topics are very long and have no subscribers", () => {
    const read = reading([], () => undefined, () => undefined)
    const size = 100_000
    const count = 100
    const heap = () => {
      collectGarbage()
      return process.memoryUsage().heapUsed
    }
    const before = heap()
    for (let i = 0; i < count; i++) {
      read(`{"stream":"${i}${"x".repeat(size)}","data":1}`)
    }
    const grown = heap() - before
    read(`{"stream":"a","data":1}`)
    assert.isBelow(grown, size * count / 10)
  })

  it("may have many messages, some of them bytes", () => {
    const trade = (t: number) => `{"stream":"${t % 3}@trade","data":{"e":"trade","E":1,"s":"${t % 3}","t":${t},"p":"1","q":"2","T":1,"m":true}}`
    const messages = Array.from({ length: 200 }, (_, t) => t % 50 === 49 ? new TextEncoder().encode(trade(t)) : trade(t))
    for (const all of together(messages)) assert.deepStrictEqual(all, expectedOf(messages))
  })
})
