/** The adapter of Meridian, a venue that does not exist. It uses public modules only. */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import type { OrderBook, Venue } from "holdfast/market"
import * as Payloads from "./Payloads.ts"
import * as Protocol from "./Protocol.ts"
import * as Rest from "./Rest.ts"
import * as Streams from "./Streams.ts"

/** The venue, and the kinds of its streams that need the REST interface. */
export interface Meridian {
  readonly venue: Venue.Venue
  readonly trades: Venue.Kind<Streams.Trade>
  readonly candles: Venue.Kind<Streams.Candle>
}

const rules: OrderBook.Rules<Payloads.Update> = {
  idOf: ({ seq }) => seq,
  follows: ({ prev }, id) => prev !== null && prev <= id,
  levelsOf: ({ ask, bid }, side) => side === "bids" ? bid : ask,
  timeOf: ({ time }) => Payloads.millis(time),
  snapshotOf: ({ ask, bid, prev, seq }) =>
    prev === null ? { snapshot: { lastUpdateId: seq, bids: bid, asks: ask }, limit: Number.POSITIVE_INFINITY } : undefined,
  agrees: ({ sum }, book) => {
    const { asks, bids } = book.top(10)
    return Payloads.checksum(bids, asks) === sum
  }
}

const books: Venue.Books<Payloads.Update> = {
  stream: (symbol) => Streams.stream(`book:${Streams.codeOf(symbol)}`, Streams.book),
  rules,
  levels: (requested) => requested
}

export const make = (urls: {
  readonly ws: string
  readonly rest: string
}): Effect.Effect<Meridian, never, HttpClient.HttpClient> =>
  Effect.map(Rest.make(urls.rest), (rest) => {
    const trades = Streams.trades(rest)
    const candles = Streams.candles(rest)
    const kinds = new Map<string, Venue.Kind>(Object.entries({ trades, candles, book: Streams.book, top: Streams.top }))
    return {
      trades,
      candles,
      venue: {
        name: Streams.source,
        protocol: Protocol.make(Streams.cadence),
        endpoint: () => ({ url: urls.ws }),
        stream: (name) => {
          const { channel } = Streams.parse(name)
          return Streams.stream(name, kinds.get(channel) ?? Streams.other(channel))
        },
        isKnown: ({ symbol }) => rest.hasMarket(Streams.codeOf(symbol)),
        // The farewell is the only notice.
        isEnding: () => true,
        books,
        limits: { topicsPerConnection: 50, dials: { limit: 60, window: "1 minute" } }
      }
    }
  })
