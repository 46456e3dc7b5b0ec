// Where the market is, and which streams it has.
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Venue } from "holdfast/binance"
import * as VenueChoice from "../../src/cli/VenueChoice.ts"

const none = { venue: Option.none(), ws: Option.none(), rest: Option.none() }

describe("the venue", () => {
  const resolved = (where: Partial<VenueChoice.Where>, mode?: string) =>
    VenueChoice.resolve({ ...none, ...where }).pipe(
      Effect.map(({ isMadeUp, rest, venue }) => ({ isMadeUp, hasKeyOption: rest !== undefined, ws: venue.ws, rest: venue.rest })),
      Effect.scoped,
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map(mode === undefined ? [] : [["TRADING_MODE", mode]])))
    )
  const real = ({ rest, ws }: Venue.Venue) => ({ isMadeUp: false, hasKeyOption: true, ws, rest })
  const custom = (host: string, scheme = "") => ({ isMadeUp: false, hasKeyOption: false, ws: `ws${scheme}://${host}`, rest: `http${scheme}://${host}` })

  for (
    const [name, venue] of [
      ["spot", Venue.spot],
      ["LIVE", Venue.spot],
      ["testnet", Venue.testnet],
      ["paper", Venue.testnet],
      ["us", Venue.us],
      ["futures", Venue.futures],
      ["coin-m", Venue.coinFutures]
    ] as const
  ) {
    it.effect(`is ${name}, by an option or by TRADING_MODE`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* resolved({ venue: Option.some(name) }), real(venue))
        assert.deepStrictEqual(yield* resolved({ venue: Option.some(name) }, "us"), real(venue))
        assert.deepStrictEqual(yield* resolved({}, name), real(venue))
      }))
  }

  it.live("is made up by default, and says so", () =>
    Effect.gen(function*() {
      assert.isTrue((yield* resolved({})).isMadeUp)
      assert.isTrue((yield* resolved({ venue: Option.some("demo") }, "live")).isMadeUp)
    }))

  it.effect("is at a URL: that of its streams, or that of its REST interface", () =>
    Effect.gen(function*() {
      for (const venue of ["ws://host:1", "http://host:1/"]) {
        assert.deepStrictEqual(yield* resolved({ venue: Option.some(venue) }), custom("host:1"))
      }
      assert.deepStrictEqual(yield* resolved({ venue: Option.some("https://host") }), custom("host", "s"))
      assert.deepStrictEqual(
        yield* resolved({ venue: Option.some("wss://host"), rest: Option.some("https://other") }),
        { ...custom("host", "s"), rest: "https://other" }
      )
    }))

  it.effect("is no URL with a secret, and shows none", () =>
    Effect.gen(function*() {
      const refused = yield* Effect.flip(resolved({ venue: Option.some("ws://me:secret@host/?key=secret") }))
      assert.strictEqual(
        refused.message,
        `--venue must be a URL such as ws://127.0.0.1:9443, without a user or a query, but is "ws://…@host/…".`
      )
      assert.match((yield* Effect.flip(resolved({ venue: Option.some("spot"), rest: Option.some("http://host") }))).message, /^--rest gives/)
    }))
})

describe("the streams of a venue", () => {
  const refusal = (venue: Venue.Venue, names: ReadonlyArray<string>) =>
    Effect.map(Effect.either(VenueChoice.check(venue, names)), (result) => result._tag === "Left" ? result.left.message : "")

  for (
    const [stream, why] of [
      ["btcusdt@tarde", "the venue has no kind tarde. Did you mean btcusdt@trade?"],
      ["btcusdt@Trade", "the venue has no kind Trade. Did you mean btcusdt@trade?"],
      ["btcusdt@depth7", "the venue has no kind depth7. Did you mean btcusdt@depth or btcusdt@depth5?"],
      ["!ticcer@arr", "the venue has no kind ticcer."],
      ["!tarde", "the venue has no kind tarde."],
      ["btcusdt@kline", "the venue has no kind kline. Did you mean btcusdt@kline_1s, btcusdt@kline_1m or btcusdt@kline_3m?"]
    ] as const
  ) {
    it.effect(`are without ${stream}`, () =>
      Effect.gen(function*() {
        assert.strictEqual(
          yield* refusal(Venue.spot, ["btcusdt@trade", stream]),
          `There is no stream ${stream}: ${why} --unchecked asks for it all the same.`
        )
      }))
  }

  it.effect("differ from venue to venue", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* refusal(Venue.futures, ["btcusdt@markPrice", "btcusdt@trade"]), "")
      assert.match(yield* refusal(Venue.spot, ["btcusdt@markPrice"]), /^There is no stream btcusdt@markPrice/)
      assert.strictEqual(yield* refusal(Venue.coinFutures, ["btcusd@indexPriceKline_1m"]), "")
      assert.match(yield* refusal(Venue.futures, ["btcusdt@avgPrice"]), /^There is no stream/)
    }))

  it.effect("show no secret of a URL in the place of a name", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* refusal(Venue.spot, ["x@ws://me:secret@host"]),
        "There is no stream …: a name has a symbol and a kind, such as btcusdt@trade. --unchecked asks for it all the same."
      )
    }))
})
