/**
 * A plan of a run of many symbols, most of which are quiet: what each of them does, and what the venue does with their names,
 * ids and subscriptions. All times are in milliseconds.
 */
import * as fc from "fast-check"
import type { LocalFault, RestFault, Step, Target } from "./Plan.ts"
import * as Plan from "./Plan.ts"

export type SymbolKind = "trade" | "aggTrade" | "kline_1m" | "miniTicker"

/** A symbol that speaks for some time and is quiet for some time, again and again. */
export interface SpeakingSymbol {
  readonly kind: SymbolKind
  /** The time between two of its trades. */
  readonly pace: number
  readonly speaks: number
  /** 0: it is never quiet. */
  readonly quiet: number
}

/** Names that the venue does not have: of no kind, of no symbol, of no interval, of a symbol that it does not list, and of a new kind. */
export const wrongNames = ["s0usdt@trad", "s/0usdt@trade", "s0usdt@kline_7m", "nopeusdt@trade", "s0usdt@newKind"] as const

export type WrongName = typeof wrongNames[number]

/** The faults of single streams. `symbol` is the index of one that speaks, modulo their number. */
export type StreamFault =
  /** Its connection is reset. Its next subscription dies after so many messages, until it is made again, or until the socket ends. */
  | { readonly do: "dieYoung"; readonly symbol: number; readonly messages: number; readonly until: "resubscribed" | "gone" }
  /** Its ids begin anew with this one, or go on so much later. */
  | { readonly do: "renumber"; readonly symbol: number; readonly from: number }
  | { readonly do: "leap"; readonly symbol: number; readonly by: number }
  /** One message has an id that is none: so much higher than the latest. */
  | { readonly do: "rogueId"; readonly symbol: number; readonly by: number }
  /** The latest trade is said again. */
  | { readonly do: "sayAgain"; readonly symbol: number }
  /** The venue has it no more. Subscriptions go on without a word, until connections are lost. */
  | { readonly do: "delist"; readonly symbol: number; readonly loses: boolean }
  /** The venue ends its subscription. */
  | { readonly do: "dropTopic"; readonly symbol: number }

export type SymbolsAction =
  | StreamFault
  | { readonly do: "reset" | "drop" | "silence" | "vanish"; readonly on: Target }
  | { readonly do: "repeat" | "skip"; readonly on: Target; readonly count: number }
  | { readonly do: "rest"; readonly times: number; readonly fault: RestFault }
  | { readonly do: "restDown"; readonly lasts: number; readonly fault: RestFault }
  | LocalFault

export interface SymbolsPlan {
  readonly seed: number
  readonly streamsPerConnection: number
  readonly symbols: ReadonlyArray<SpeakingSymbol>
  /** The number of symbols beside them that never speak. */
  readonly crowd: number
  readonly wrong: ReadonlyArray<WrongName>
  /** Whether the venue refuses a request with a wrong name, or acknowledges it and stays silent. */
  readonly refusesWrong: boolean
  /** Whether one reader reads all streams as one. */
  readonly joint: boolean
  readonly steps: ReadonlyArray<Step<SymbolsAction>>
  /** The time after the last step. */
  readonly lasts: number
}

const minute = 60_000
const millis = (least: number, most: number) => fc.integer({ min: least, max: most })

const speaking: fc.Arbitrary<SpeakingSymbol> = fc.record({
  kind: fc.constantFrom("trade", "trade", "aggTrade", "kline_1m", "miniTicker"),
  pace: fc.constantFrom(500, 1_000, 5_000),
  speaks: millis(1_000, 2 * minute),
  quiet: fc.oneof(
    { weight: 2, arbitrary: fc.constant(0) },
    { weight: 2, arbitrary: millis(minute, 3 * minute) },
    { weight: 1, arbitrary: millis(3 * minute, 60 * minute) }
  )
})

const symbol = fc.nat(5)
const stream = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("dieYoung" as const),
      symbol,
      messages: fc.integer({ min: 0, max: 20 }),
      until: fc.constantFrom("resubscribed" as const, "resubscribed" as const, "gone" as const)
    })
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("renumber" as const), symbol, from: fc.constantFrom(1, 2, 50) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("leap" as const), symbol, by: fc.constantFrom(10, 900, 50_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("rogueId" as const), symbol, by: fc.constantFrom(20, 5_000, Number.MAX_SAFE_INTEGER - 1_000_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("sayAgain" as const), symbol }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("delist" as const), symbol, loses: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("dropTopic" as const), symbol }) }
)

const socket = fc.oneof(
  fc.record({ do: fc.constantFrom("reset" as const, "drop" as const, "silence" as const, "vanish" as const), on: Plan.target }),
  fc.record({ do: fc.constantFrom("repeat" as const, "skip" as const), on: Plan.target, count: fc.integer({ min: 1, max: 20 }) })
)

const action: fc.Arbitrary<SymbolsAction> = fc.oneof(
  { weight: 5, arbitrary: stream },
  { weight: 3, arbitrary: socket },
  {
    weight: 3,
    arbitrary: fc.oneof(
      fc.record({ do: fc.constant("rest" as const), times: fc.integer({ min: 1, max: 6 }), fault: fc.oneof(Plan.lies, Plan.restFault) }),
      fc.record({ do: fc.constant("restDown" as const), lasts: millis(3_000, minute), fault: fc.oneof(Plan.lies, Plan.restFault) })
    )
  },
  { weight: 1, arbitrary: Plan.local }
)

const pause = fc.oneof(millis(0, 2_000), millis(0, 30_000), millis(0, 2 * minute))

const steps = fc.oneof(
  fc.array(fc.record({ after: pause, action }), { minLength: 0, maxLength: 8 }),
  // What is lost is fetched from an interface that lies.
  fc.array(
    fc.tuple(
      fc.record({ after: pause, action: fc.record({ do: fc.constant("restDown" as const), lasts: millis(3_000, 20_000), fault: Plan.lies }) }),
      fc.record({ after: millis(0, 1_000), action: fc.oneof<Array<fc.Arbitrary<SymbolsAction>>>(stream, socket) })
    ),
    { minLength: 1, maxLength: 4 }
  ).map((pairs): ReadonlyArray<Step<SymbolsAction>> => pairs.flat())
)

export const symbolsPlan: fc.Arbitrary<SymbolsPlan> = fc.record({
  seed: fc.nat(),
  streamsPerConnection: fc.constantFrom(1_024, 20, 8, 3),
  symbols: fc.array(speaking, { minLength: 1, maxLength: 6 }),
  crowd: fc.constantFrom(0, 3, 30),
  wrong: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.uniqueArray(fc.constantFrom(...wrongNames), { minLength: 1, maxLength: 3 }) }),
  refusesWrong: fc.boolean(),
  joint: fc.boolean(),
  steps,
  lasts: fc.oneof({ weight: 19, arbitrary: millis(30_000, 4 * minute) }, { weight: 1, arbitrary: millis(5 * minute, 60 * minute) })
})
