// Generates malformed messages between valid ones, and has an oracle that tells them apart.
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { PCGRandom } from "effect/Utils"
import { isDeepStrictEqual } from "node:util"
import { ConnectionError, Transport } from "holdfast"
import { BinanceFeed, MarketEvent, Payloads, Venue } from "holdfast/binance"

type Message = Transport.Message

// ---------------------------------------------------------------------------------------------------------------------
// The oracle: slow, and independent of the code under test but for the schemas

const schemas: ReadonlyMap<string, Schema.Schema.AnyNoContext> = new Map<string, Schema.Schema.AnyNoContext>([
  ["trade", Payloads.Trade],
  ["aggTrade", Payloads.AggTrade],
  ["kline_1m", Payloads.Kline],
  ["miniTicker", Payloads.MiniTicker],
  ["ticker", Payloads.Ticker],
  ["bookTicker", Payloads.BookTicker],
  ["depth@100ms", Payloads.Depth]
])

const Combined = Schema.decodeUnknownOption(Schema.Struct({ stream: Schema.String, data: Schema.Unknown }))
const Answer = Schema.decodeUnknownOption(Schema.Union(
  Schema.Struct({ e: Schema.Literal("serverShutdown") }),
  Schema.Struct({ msg: Schema.String, error: Schema.optional(Schema.Union(
    Schema.Null,
    Schema.String,
    Schema.Number,
    Schema.Boolean,
    Schema.Array(Schema.Unknown)
  )) }),
  Schema.Struct({ error: Schema.Struct({ msg: Schema.String }) }),
  // A result may be null, but not absent.
  Schema.Struct({ result: Schema.NullOr(Schema.Union(Schema.Object, Schema.String, Schema.Number, Schema.Boolean)), id: Schema.Number })
))
const Symbolic = Schema.decodeUnknownOption(Schema.Struct({ s: Schema.String }))

export type Judgement =
  | { readonly _tag: "Events"; readonly stream: string; readonly data: ReadonlyArray<unknown> }
  /** An event of a stream that the oracle does not know. It may be decoded or not. */
  | { readonly _tag: "Unknown"; readonly stream: string }
  /** The message names a known stream, and its data is not an event of that stream. */
  | { readonly _tag: "Broken"; readonly stream: string }
  | { readonly _tag: "Answer" }
  /** A refusal that names no request. While none is under way, it is reported as invalid. */
  | { readonly _tag: "Refusal" }
  | { readonly _tag: "Invalid" }

const isRefusal = (json: unknown): boolean =>
  Predicate.hasProperty(json, "msg") || (Predicate.hasProperty(json, "error") && Predicate.hasProperty(json.error, "msg"))

// Deeper JSON is invalid here: recursive functions cannot write it. The depth is measured without recursion.
const deepest = 500

const depthOf = (json: unknown) => {
  let most = 0
  const left: Array<readonly [unknown, number]> = [[json, 1]]
  for (let top = left.pop(); top !== undefined; top = left.pop()) {
    const [value, depth] = top
    if (typeof value !== "object" || value === null) continue
    most = Math.max(most, depth)
    for (const item of Object.values(value)) left.push([item, depth + 1])
  }
  return most
}

export const judge = (message: Message): Judgement => {
  let json: unknown
  try {
    json = JSON.parse(typeof message === "string" ? message : new TextDecoder("utf-8", { fatal: true }).decode(message))
  } catch {
    return { _tag: "Invalid" }
  }
  if (depthOf(json) > deepest) return { _tag: "Invalid" }
  const combined = Option.getOrUndefined(Combined(json))
  // A message with both `stream` and `data` is an event.
  if (combined === undefined || !Predicate.hasProperty(json, "data")) {
    if (Option.isNone(Answer(json))) return { _tag: "Invalid" }
    return { _tag: isRefusal(json) && !(Predicate.hasProperty(json, "id") && typeof json.id === "number") ? "Refusal" : "Answer" }
  }
  const { data, stream } = combined
  if (stream === "!serverShutdown") return { _tag: "Answer" }
  const isOfAll = stream === "!miniTicker@arr"
  const at = stream.indexOf("@")
  const schema = schemas.get(isOfAll ? "miniTicker" : stream.slice(at + 1))
  // Streams of all symbols begin with "!".
  if (schema === undefined || (stream.startsWith("!") && !isOfAll) || (at < 0 && !isOfAll)) return { _tag: "Unknown", stream }
  if (Array.isArray(data) && !isOfAll) return { _tag: "Broken", stream }
  const items: ReadonlyArray<unknown> = Array.isArray(data) ? data : [data]
  const symbol = stream.slice(0, at).toUpperCase()
  const isGood = items.every((item) => {
    if (Option.isNone(Schema.decodeUnknownOption(schema)(item))) return false
    return isOfAll || Option.exists(Symbolic(item), ({ s }) => s === symbol)
  })
  return isGood ? { _tag: "Events", stream, data: items } : { _tag: "Broken", stream }
}

// ---------------------------------------------------------------------------------------------------------------------
// The messages

const hanzi = "币安人生"

/** The streams that the feed reads. */
export const streams: ReadonlyArray<string> = [
  "btcusdt@trade",
  `${hanzi}usdt@trade`,
  "btcusdt@aggTrade",
  "btcusdt@bookTicker",
  "btcusdt@depth@100ms"
]

type Fields = Readonly<Record<string, unknown>>

const level = ["65000.12000000", "0.50000000"]

const samples: Readonly<Record<string, (next: number) => Fields>> = {
  "btcusdt@trade": (t) => ({ e: "trade", E: t, s: "BTCUSDT", t, p: "65000.12000000", q: "0.10000000", T: t, m: true, M: true }),
  [`${hanzi}usdt@trade`]: (t) => ({ e: "trade", E: t, s: `${hanzi}USDT`, t, p: "0.12", q: "1", T: t, m: false, M: true }),
  "btcusdt@aggTrade": (a) => ({ e: "aggTrade", E: a, s: "BTCUSDT", a, p: "1.5", q: "2", f: a, l: a, T: a, m: true, M: true }),
  "btcusdt@bookTicker": (u) => ({ u, s: "BTCUSDT", b: "1", B: "2", a: "3", A: "4" }),
  "btcusdt@depth@100ms": (u) => ({ e: "depthUpdate", E: u, s: "BTCUSDT", U: u, u, b: [level], a: [level, level] }),
  "btcusdt@kline_1m": (t) => ({
    e: "kline",
    E: t,
    s: "BTCUSDT",
    k: { t, T: t, s: "BTCUSDT", i: "1m", f: 1, L: 2, o: "1", c: "1", h: "1", l: "1", v: "1", n: 2, x: true, q: "1", V: "1", Q: "1" }
  }),
  "btcusdt@miniTicker": (E) => ({ e: "24hrMiniTicker", E, s: "BTCUSDT", c: "1", o: "1", h: "1", l: "1", v: "1", q: "1" })
}

const names = Object.keys(samples)

// Numbers at the edge of what a double or a 64-bit integer can hold.
const edges = [
  "9223372036854775807",
  "-9223372036854775808",
  "9223372036854775808",
  "18446744073709551615",
  "9007199254740991",
  "9007199254740992",
  "9007199254740993",
  "1e400",
  "-1e400",
  "1e308",
  "1e-400",
  "-0",
  "0",
  "-1",
  "1.5",
  "7e0",
  `1${"0".repeat(400)}`
]

const oddities = [
  "null",
  "true",
  `""`,
  `" 1"`,
  `"1e5"`,
  `"NaN"`,
  `"0x10"`,
  `"-1"`,
  `"1."`,
  `"१"`,
  `"1\\n"`,
  `"\\ud800"`,
  "[]",
  "{}",
  `{"valueOf":1}`,
  `[["1","2"]]`,
  `[["1"]]`
]

const oddKeys = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf", "length", "then", "data", "_tag"]

const oddStreams = [
  "",
  "@",
  "btcusdt",
  "btcusdt@",
  "BTCUSDT@trade",
  "btcusdt@trade ",
  "nobody@trade",
  "btcusdt@kline_7m",
  "__proto__",
  "constructor@trade",
  "btcusdt@__proto__",
  "btcusdt@constructor",
  "!miniTicker@arr",
  "btcusdt@trade@trade"
]

const oddMessages = ["", " ", "\0", "null", "true", "0", `""`, "[]", "{}", "{", "}", "[{}]", "\ufeff{}", "{\"stream\":1}", "NaN"]

/** A generator of messages with a seed. `next` gives the id that is due on a stream. */
export const wire = (seed: number, next: (stream: string) => number) => {
  const random = new PCGRandom(seed)
  const below = (n: number) => random.integer(n)
  const pick = <A>(from: ReadonlyArray<A>): A => {
    const picked = from[below(from.length)]
    if (picked === undefined) throw new Error("There is nothing to pick from.")
    return picked
  }
  const encode = (text: string) => new TextEncoder().encode(text)
  const envelope = (stream: string, data: string) => `{"stream":${JSON.stringify(stream)},"data":${data}}`
  const sample = (stream: string): Fields => samples[stream]?.(next(stream)) ?? {}
  const write = (fields: ReadonlyArray<readonly [string, string]>) =>
    `{${fields.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(",")}}`
  const fieldsOf = (stream: string) =>
    Object.entries(sample(stream)).map(([key, value]) => [key, JSON.stringify(value)] as const)
  const nested = (depth: number) =>
    pick([
      "[".repeat(depth) + "]".repeat(depth),
      `${`{"a":`.repeat(depth)}1${"}".repeat(depth)}`
    ])
  const depth = () => pick([50, 500, 5_000])
  const valid = (stream: string) => envelope(stream, JSON.stringify(sample(stream)))

  const withValue = (stream: string, value: string) => {
    const fields = fieldsOf(stream)
    const at = below(fields.length)
    return envelope(stream, write(fields.map(([key, old], i) => [key, i === at ? value : old])))
  }

  // The second message of a pair, which comes next.
  let second: Message | undefined

  // Two halves, each invalid, that would be valid if they were joined by a comma.
  const torn = (joined: string, wrap: (half: string) => string): Message => {
    const commas = [...joined.matchAll(/,/g)].map(({ index }) => index)
    const at = pick(commas)
    second = wrap(joined.slice(at + 1))
    return wrap(joined.slice(0, at))
  }

  const answerId = () => pick([...edges, ...oddities, "1", "2", "-7", `"1"`, `"${"x".repeat(500)}"`])

  const mutations: ReadonlyArray<(stream: string) => Message> = [
    // Cut short.
    (stream) => {
      const text = valid(stream)
      return text.slice(0, below(text.length))
    },
    (stream) => torn(`${valid(stream)},${valid(stream)}`, (half) => half),
    (stream) => torn(`${JSON.stringify(sample(stream))},${JSON.stringify(sample(stream))}`, (half) => envelope(stream, half)),
    (stream) => torn(`{"Z":[{},{}]},{"Z":"},{"}`, (half) => envelope(stream, half)),
    // A byte changed, added or removed. As bytes, since the result may not be UTF-8.
    (stream) => {
      const bytes = encode(valid(stream))
      bytes[below(bytes.length)] = below(256)
      return bytes
    },
    (stream) => {
      const bytes = encode(valid(stream))
      const at = below(bytes.length)
      return Uint8Array.from([...bytes.subarray(0, at), below(256), ...bytes.subarray(at)])
    },
    (stream) => {
      const bytes = encode(valid(stream))
      const at = below(bytes.length)
      return Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 1)])
    },
    // Bytes that are not UTF-8, in an unknown field.
    (stream) => {
      const bytes = encode(envelope(stream, write([...fieldsOf(stream), ["Z", `"????"`]])))
      const at = bytes.indexOf(0x3f)
      const bad = pick([[0xff, 0xfe, 0x41, 0x41], [0xc0, 0x80, 0x41, 0x41], [0xed, 0xa0, 0x80, 0x41], [0xf0, 0x9f, 0x98, 0x41]])
      bytes.set(bad, at)
      return bytes
    },
    // Valid UTF-8 bytes.
    (stream) => encode(valid(stream)),
    // Noise.
    () => Uint8Array.from({ length: below(64) }, () => below(256)),
    () => pick(oddMessages),
    () => encode(pick(oddMessages)),
    // Wrong values.
    (stream) => withValue(stream, pick(edges)),
    (stream) => withValue(stream, pick(oddities)),
    (stream) => below(50) === 0 ? withValue(stream, nested(depth())) : withValue(stream, nested(50)),
    (stream) => withValue(stream, `"${"9".repeat(below(2_000))}"`),
    // Fields that are missing, appear twice, or have odd names.
    (stream) => {
      const fields = fieldsOf(stream)
      const at = below(fields.length)
      return envelope(stream, write(fields.filter((_, i) => i !== at)))
    },
    (stream) => {
      const fields = fieldsOf(stream)
      const [key] = pick(fields)
      return envelope(stream, write([...fields, [key, pick([...edges, ...oddities])]]))
    },
    (stream) => envelope(stream, write([...fieldsOf(stream), [pick(oddKeys), pick([...edges, ...oddities])]])),
    (stream) => envelope(stream, write([[pick(oddKeys), write(fieldsOf(stream))]])),
    (stream) => `{"__proto__":${valid(stream)}}`,
    (stream) => envelope(stream, write([...fieldsOf(stream), ["s", `"${pick(["ETHUSDT", "btcusdt", "", "BTCUSDT "])}"`]])),
    (stream) => envelope(stream, write([...fieldsOf(stream), ["e", `"${pick(["trade", "aggTrade", "Trade", "kline", ""])}"`]])),
    // Data of another type.
    (stream) => envelope(stream, `[${JSON.stringify(sample(stream))}]`),
    (stream) => envelope(stream, JSON.stringify(JSON.stringify(sample(stream)))),
    (stream) => envelope(stream, pick([...edges.slice(0, 5), ...oddities])),
    (stream) => envelope(stream, JSON.stringify(sample(pick(names)))),
    (stream) => below(50) === 0 ? envelope(stream, nested(depth())) : envelope(stream, nested(50)),
    () => below(50) === 0 ? nested(depth()) : nested(50),
    (stream) => `{"stream":${pick(oddities)},"data":${JSON.stringify(sample(stream))}}`,
    (stream) => `{"stream":${JSON.stringify(stream)}}`,
    (stream) => `[${valid(stream)}]`,
    (stream) => `${valid(stream)}${pick([" ", ",", valid(stream), "\0", "}"])}`,
    // Streams that are not read, or that do not exist.
    (stream) => envelope(pick(oddStreams), JSON.stringify(sample(stream))),
    () => envelope("!miniTicker@arr", `[${JSON.stringify(sample("btcusdt@miniTicker"))},${pick(oddities)}]`),
    () => envelope("!miniTicker@arr", `[${JSON.stringify(sample("btcusdt@miniTicker"))}]`),
    // Answers without a request.
    () => `{"result":${pick([...oddities, "[\"btcusdt@trade\"]"])},"id":${answerId()}}`,
    () => `{"id":${answerId()}}`,
    () => `{"result":null}`,
    () => `{"code":2,"msg":${pick([`"Invalid request"`, `"${"x".repeat(5_000)}"`, "1", "null"])},"id":${answerId()}}`,
    () => `{"error":{"code":4,"msg":"Too many subscriptions"},"id":${answerId()}}`,
    () => `{"error":${pick(oddities)},"id":${answerId()}}`
  ]

  return (): Message => {
    const other = second
    second = undefined
    if (other !== undefined) return other
    const stream = pick(names)
    return below(3) === 0 ? valid(stream) : pick(mutations)(stream)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Through the decoder

export interface Options {
  readonly messages: number
  readonly seed: number
  /** Called now and then with the number of messages so far. */
  readonly onProgress?: ((messages: number) => void) | undefined
}

// The most complaints that are kept.
const kept = 20

const progressEvery = 20_000

export interface Result {
  readonly messages: number
  readonly valid: number
  readonly invalid: number
  readonly wrong: ReadonlyArray<string>
}

// Compares key by key, in order, and tells 0 from -0.
const same = (a: unknown, b: unknown): boolean =>
  Object.is(a, b) || (
    typeof a === "object" && typeof b === "object" && a !== null && b !== null &&
    Object.getPrototypeOf(a) === Object.getPrototypeOf(b) &&
    isDeepStrictEqual(Object.keys(a), Object.keys(b)) && isDeepStrictEqual(a, b)
  )

const show = (message: Message) => (typeof message === "string" ? message : `bytes ${Buffer.from(message).toString("latin1")}`).slice(0, 300)

/** Decodes each message, and compares the result with the oracle's. */
export const decodeAll = ({ messages, onProgress, seed }: Options): Result => {
  const counts = { valid: 0, invalid: 0 }
  const wrong: Array<string> = []
  const complain = (what: string, message: Message) => {
    if (wrong.length < kept) wrong.push(`${what}: ${show(message)}`)
  }
  let id = 0
  const nextMessage = wire(seed, () => id)
  const decoders = new Map(streams.map((stream) => [stream, MarketEvent.fromStream(stream)]))
  for (let i = 0; i < messages; i++) {
    id++
    const message = nextMessage()
    const truth = judge(message)
    if (i % progressEvery === 0) onProgress?.(i)
    try {
      const decoded = MarketEvent.decode(message, id)
      // The decoder of a feed, which remembers the messages before.
      const decoder = truth._tag === "Events" || truth._tag === "Broken" ? decoders.get(truth.stream) : undefined
      const again = decoder?.all([message], id, () => undefined)
      if (again !== undefined && !same(again, Either.getOrElse(decoded, () => []))) complain("decoded differently by a feed", message)
      if (Either.isLeft(decoded)) {
        counts.invalid++
        if (truth._tag === "Events" || truth._tag === "Answer" || truth._tag === "Refusal") complain("rejected, but valid", message)
        continue
      }
      const events = decoded.right
      counts.valid += events.length
      if (truth._tag === "Events") {
        const good = events.length === truth.data.length &&
          events.every((event, n) => event.via === "ws" && same(event.data, truth.data[n]))
        if (!good) complain("not the event that was sent", message)
      } else if (truth._tag !== "Unknown" && events.length > 0) {
        complain("an event, but none was sent", message)
      } else if (truth._tag === "Invalid" || truth._tag === "Broken") {
        complain("decoded, but invalid", message)
      }
    } catch (error) {
      complain(`threw ${String(error)}`, message)
    }
  }
  onProgress?.(messages)
  if (Object.getOwnPropertyNames(Object.prototype).length !== prototypeKeys) wrong.push("Object.prototype has changed")
  return { messages, ...counts, wrong }
}

const prototypeKeys = Object.getOwnPropertyNames(Object.prototype).length

// ---------------------------------------------------------------------------------------------------------------------
// Through connection, session and feed

const Request = Schema.decodeUnknownSync(Schema.parseJson(Schema.Struct({
  method: Schema.String,
  params: Schema.Array(Schema.String),
  id: Schema.Number
})))

export interface FeedResult extends Result {
  readonly received: number
  readonly connections: number
  /** Messages that the feed reported as invalid, and the number that it should have reported. */
  readonly reported: number
  readonly reportable: number
  /** Messages that were not sent, because a feed would take them for a jump of the ids. */
  readonly leftOut: number
}

// The socket is cut after this many messages.
const cutAfter = 5_000
const batchSize = 64
const unreadAtMost = 500

// Follows the ids of a stream: the id that is due, and whether valid data is an event, old, no real event, or a jump.
interface IdTracker {
  readonly due: () => number
  readonly classify: (data: unknown) => "event" | "old" | "nothing" | "jump"
}

const numberIn = (data: unknown, field: string) =>
  Option.getOrThrow(Schema.decodeUnknownOption(Schema.Struct({ [field]: Schema.Number }))(data))[field] ?? 0

const trackIds = (field: string, isReal: (data: unknown) => boolean): IdTracker => {
  let next = 1
  return {
    due: () => next,
    classify: (data) => {
      const id = numberIn(data, field)
      if (id !== next) return id < next ? "old" : "jump"
      next++
      return isReal(data) ? "event" : "nothing"
    }
  }
}

const trackUpdates = (fromField: string): IdTracker => {
  let last = 0
  return {
    due: () => last + 1,
    classify: (data) => {
      const to = numberIn(data, "u")
      if (to <= last) return "old"
      if (numberIn(data, fromField) > last + 1 || to > last + 1) return "jump"
      last = to
      return "event"
    }
  }
}

const priced = (data: unknown) =>
  Number(Option.getOrThrow(Schema.decodeUnknownOption(Schema.Struct({ p: Schema.String }))(data)).p) !== 0

/** Sends the messages over a transport in memory that is cut now and then, and compares the events of each stream. */
export const feedAll = ({ messages: total, onProgress, seed }: Options): Effect.Effect<FeedResult, unknown, Scope.Scope> =>
  Effect.gen(function*() {
    const wrong: Array<string> = []
    const complain = (what: string) => {
      if (wrong.length < kept) wrong.push(what)
    }
    const counts = { valid: 0, invalid: 0, received: 0, connections: 0, reported: 0, reportable: 0, leftOut: 0 }
    const trackers = new Map<string, IdTracker>([
      ["btcusdt@trade", trackIds("t", priced)],
      [`${hanzi}usdt@trade`, trackIds("t", priced)],
      ["btcusdt@aggTrade", trackIds("a", () => true)],
      ["btcusdt@bookTicker", trackUpdates("u")],
      ["btcusdt@depth@100ms", trackUpdates("U")]
    ])
    const expected = new Map<string, Array<unknown>>(streams.map((stream) => [stream, []]))
    const unread = () => [...expected.values()].reduce((sum, { length }) => sum + length, 0)
    const nextMessage = wire(seed, (stream) => trackers.get(stream)?.due() ?? 1)
    let sent = 0
    // The first event of every stream, from which its ids are followed.
    const beginnings = streams.map((stream): Message => JSON.stringify({ stream, data: samples[stream]?.(1) }))

    // Records what the feed should make of a message. Returns whether the message may be sent.
    const expect = (message: Message): boolean => {
      const truth = judge(message)
      const queue = truth._tag === "Events" || truth._tag === "Broken" ? expected.get(truth.stream) : undefined
      if (truth._tag === "Events" && queue !== undefined) {
        const [data] = truth.data
        const outcome = trackers.get(truth.stream)?.classify(data)
        if (outcome === "jump") {
          counts.leftOut++
          return false
        }
        if (outcome === "event") queue.push(data)
        counts.valid++
      } else if (truth._tag === "Invalid" || (truth._tag === "Broken" && queue !== undefined)) {
        counts.invalid++
        counts.reportable++
      } else if (truth._tag === "Refusal") {
        counts.reportable++
      }
      // Not a shutdown notice: the feed would renew the connection.
      return (truth._tag !== "Answer" && truth._tag !== "Refusal") || !String(message).includes("erverShutdown")
    }

    const nextBatch = (): ReadonlyArray<Message> => {
      const batch: Array<Message> = []
      while (batch.length < batchSize && sent + batch.length < total) {
        const message = beginnings.shift() ?? nextMessage()
        if (expect(message)) batch.push(message)
      }
      if (Math.floor((sent + batch.length) / progressEvery) > Math.floor(sent / progressEvery)) onProgress?.(sent)
      sent += batch.length
      return batch
    }

    const room = Effect.unsafeMakeLatch(true)

    const dial: Transport.Transport["dial"] = () =>
      Effect.sync(() => {
        counts.connections++
        const begun = sent
        let answers: Array<Message> = []
        const subscribed = new Set<string>()
        const asked = Effect.unsafeMakeLatch(false)
        const next: Effect.Effect<NonEmptyReadonlyArray<Message>, Transport.SocketError> = Effect.suspend(() => {
          const [first, ...others] = answers
          answers = []
          if (first !== undefined) return Effect.succeed([first, ...others] as const)
          if (subscribed.size < streams.length) {
            asked.unsafeClose()
            return Effect.zipRight(asked.await, next)
          }
          if (sent - begun >= cutAfter && sent < total) {
            return new ConnectionError.ConnectionClosed({ code: 1006, reason: "", openFor: Duration.seconds(10) })
          }
          if (unread() > unreadAtMost) {
            room.unsafeClose()
            return Effect.zipRight(room.await, next)
          }
          const [head, ...tail] = nextBatch()
          if (head === undefined) return Effect.never
          return Effect.succeed([head, ...tail] as const)
        })
        return {
          protocol: "",
          headers: {},
          progress: () => ({ received: 0, control: 0, sent: 0, unsent: 0 }),
          receive: (handler) => Effect.forever(Effect.flatMap(next, (batch) => handler(batch) ?? Effect.void)),
          send: (message) =>
            Effect.sync(() => {
              const { id, method, params } = Request(message)
              // Wrong answers come before the right one.
              const ids = [String(id + 1), `"${id}"`, "null", String(2 ** 53), `[${id}]`, "1e400"]
              answers.push(...ids.map((other) => `{"result":null,"id":${other}}`), JSON.stringify({ result: null, id }))
              counts.reportable += 3
              if (method === "SUBSCRIBE") for (const stream of params) subscribed.add(stream)
              asked.unsafeOpen()
            }),
          ping: Effect.void,
          close: () => Effect.void,
          terminate: Effect.void
        }
      })

    let asked = 0
    const rest = HttpClient.make((request) =>
      Effect.sync(() => {
        asked++
        return HttpClientResponse.fromWeb(request, new Response("", { status: 500 }))
      }))

    const feed = yield* BinanceFeed.make({
      venue: Venue.make({ ws: "ws://fuzz", rest: "http://fuzz" }),
      connection: {
        reconnect: { initialDelay: "1 millis", maxDelay: "1 millis", maxRetries: "unlimited", stableAfter: 0 },
        messageTimeout: Duration.infinity,
        pingInterval: Duration.infinity
      }
    }).pipe(Effect.provide(Layer.mergeAll(
      Layer.succeed(Transport.Transport, {
        capabilities: { ping: true, pause: true, terminate: true, handshake: true, headers: true },
        dial
      }),
      Layer.succeed(HttpClient.HttpClient, rest)
    )))

    yield* Effect.forkScoped(Stream.runForEach(feed.events, (event) =>
      Effect.sync(() => {
        if (event._tag === "InvalidMessage") counts.reported++
        if (event._tag === "EventsDropped") counts.reported += event.count
        if (event._tag === "Gap" || event._tag === "Repaired") complain(`${event._tag} on ${JSON.stringify(event)}`)
        if (event._tag === "Session" && event.event._tag === "Refused" && Option.isNone(event.event.retry)) complain(event.event.error.message)
        if (event._tag === "Session" && event.event._tag === "Unanswered") complain("a request was taken for unanswered")
      })))

    const read = (stream: string) =>
      Stream.runForEach(feed.raw(stream), (event) =>
        Effect.sync(() => {
          const due = expected.get(stream)?.shift()
          if (MarketEvent.isGap(event)) complain(`a gap on ${stream}`)
          else if (due === undefined) complain(`an event that was not sent, on ${stream}: ${show(JSON.stringify(event.data))}`)
          else if (!same(due, event.data)) complain(`not the event that was sent, on ${stream}: ${show(JSON.stringify(event.data))}`)
          counts.received++
          room.unsafeOpen()
        }))
    const reading = yield* Effect.forEach(streams, (stream) => Effect.fork(read(stream)))

    // All messages were sent, all events read, and all invalid messages reported.
    const isOver = () =>
      sent >= total && unread() === 0 && counts.reported >= counts.reportable
    yield* Effect.repeat(Effect.sync(isOver), { until: (over) => over, schedule: Schedule.spaced("10 millis") }).pipe(
      // The streams do not end by themselves.
      Effect.raceFirst(Effect.forEach(reading, Fiber.join, { concurrency: "unbounded" })),
      Effect.catchAllCause((cause) => Effect.sync(() => complain(`a stream failed: ${Cause.pretty(cause)}`))),
      Effect.timeoutOption(Duration.seconds(30 + total / 1_000)),
      Effect.tap(Option.match({
        onNone: () => Effect.sync(() => complain("the run did not end in time")),
        onSome: () => Effect.void
      }))
    )
    if (unread() > 0) complain(`${unread()} events were not read`)
    if (counts.reported !== counts.reportable) complain(`${counts.reported} invalid messages were reported, of ${counts.reportable}`)
    if (asked > 0) complain(`${asked} REST requests were made`)
    onProgress?.(total)
    return { messages: total, ...counts, wrong }
  })
