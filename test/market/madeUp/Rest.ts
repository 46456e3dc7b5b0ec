/** A client of Meridian's REST interface, for repairs. Meridian's lists are newest first. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { RestError } from "holdfast/market"
import * as Payloads from "./Payloads.ts"

/** The most trades that one request returns. */
export const pageSize = 50

const Trades = Schema.Struct({
  trades: Schema.Array(Payloads.Trade),
  /** The id of the oldest trade that Meridian still has. */
  oldest: Schema.String
})

const Candles = Schema.Struct({
  candles: Schema.Array(Payloads.Candle),
  /** The cursor of the next page, which has older candles. */
  next: Schema.NullOr(Schema.String)
})

type Query = Readonly<Record<string, string>>
type Fetch<A> = Effect.Effect<A, RestError.RestError>

export interface Rest {
  /** Fetches trades from a number on, oldest first. */
  readonly trades: (code: string, from: number) => Fetch<ReadonlyArray<Payloads.Trade>>
  /** Fetches the candles that open from one moment to another, both included, in milliseconds; oldest first. */
  readonly candles: (code: string, seconds: string, from: number, to: number) => Fetch<ReadonlyArray<Payloads.Candle>>
  /** Whether the market exists: false only if Meridian rejects the request. */
  readonly hasMarket: (code: string) => Effect.Effect<boolean>
}

// A feed does not fetch again what failed. So this client retries failures that may pass, for two minutes.
const retries = Schedule.exponential("250 millis").pipe(
  Schedule.union(Schedule.spaced("5 seconds")),
  Schedule.zipRight(Schedule.identity<RestError.RestError>()),
  Schedule.modifyDelay((error, delay) =>
    error._tag === "RestLimited" ? Duration.max(delay, error.retryAfter) : Duration.decode(delay)
  ),
  Schedule.upTo("2 minutes")
)

export const make = (url: string): Effect.Effect<Rest, never, HttpClient.HttpClient> =>
  Effect.map(HttpClient.HttpClient, (client) => {
    const once = Effect.fnUntraced(function*<A, I>(path: string, query: Query, schema: Schema.Schema<A, I>) {
      const response = yield* client.get(`${url}${path}`, { urlParams: query })
      const { headers, status } = response
      if (status === 429) {
        const retryAfter = Duration.seconds(Number(headers["retry-after"] ?? 1))
        return yield* new RestError.RestLimited({ path, status, retryAfter })
      }
      if (status >= 500) return yield* new RestError.RestUnavailable({ path, reason: `status ${status}` })
      if (status >= 300) return yield* new RestError.RestRejected({ path, status, reason: yield* response.text })
      return yield* HttpClientResponse.schemaBodyJson(schema)(response)
    })

    const get = <A, I>(path: string, query: Query, schema: Schema.Schema<A, I>): Fetch<A> =>
      once(path, query, schema).pipe(
        Effect.timeoutFail({
          duration: "10 seconds",
          onTimeout: () => new RestError.RestUnavailable({ path, reason: "no answer came in time" })
        }),
        Effect.catchTags({
          RequestError: ({ reason }) => new RestError.RestUnavailable({ path, reason }),
          ResponseError: ({ reason }) => new RestError.RestUnavailable({ path, reason }),
          ParseError: () => new RestError.RestUnavailable({ path, reason: "its answer makes no sense" })
        }),
        Effect.retry({ schedule: retries, while: ({ _tag }) => _tag !== "RestRejected" })
      )

    return {
      // Meridian returns the trades before an id. If it has pruned all of them, the next trades are the oldest that it has.
      trades: Effect.fnUntraced(function*(code, from) {
        const before = (end: number) => get(`/markets/${code}/trades`, { before: Payloads.idOf(end) }, Trades)
        let page = yield* before(from + pageSize)
        const oldest = Payloads.numberOf({ id: page.oldest })
        if (page.trades.length === 0 && oldest > from) page = yield* before(oldest + pageSize)
        return page.trades.filter((trade) => Payloads.numberOf(trade) >= from).reverse()
      }),
      // Pages are newest first, so the oldest candles come with the last page.
      candles: (code, seconds, from, to) =>
        Stream.paginateChunkEffect("", (cursor) =>
          Effect.map(
            get(`/markets/${code}/candles`, { seconds, from: String(from / 1_000), to: String(to / 1_000), cursor }, Candles),
            ({ candles, next }) => [Chunk.fromIterable(candles), Option.fromNullable(next)]
          )).pipe(Stream.runCollect, Effect.map((candles) => Chunk.toReadonlyArray(Chunk.reverse(candles)))),
      hasMarket: (code) =>
        get(`/markets/${code}`, {}, Schema.Unknown).pipe(
          Effect.as(true),
          Effect.catchAll(({ _tag }) => Effect.succeed(_tag !== "RestRejected"))
        )
    }
  })
