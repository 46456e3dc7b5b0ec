/**
 * The names and the kinds of Meridian's streams. The name of a stream is the name of its channel, `trades:BTC-USD`; its symbol is
 * the market, `BTC/USD`.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SessionProtocol } from "holdfast"
import type { MarketEvent, Venue } from "holdfast/market"
import { Continuity, Decoder } from "holdfast/market"
import * as Payloads from "./Payloads.ts"
import * as Protocol from "./Protocol.ts"
import * as Rest from "./Rest.ts"

export const source = "meridian"

/** Parses a name such as `candles.60:BTC-USD` into the channel, the seconds of its candles, and the code of its market. */
export const parse = (name: string) => {
  const [head = "", code = ""] = name.split(":", 2)
  const [channel = "", seconds = ""] = head.split(".", 2)
  return { head, channel, seconds, code: code.toUpperCase() }
}

export const codeOf = (market: string): string => market.replace("/", "-").toUpperCase()

export const stream = <A extends MarketEvent.MarketEvent>(name: string, kind: Venue.Kind<A>): Venue.Stream<A> => {
  const { code, head } = parse(name)
  return { name: `${head}:${code}`, symbol: code.replace("-", "/"), group: "all", kind }
}

interface Payload {
  readonly market: string
  readonly time?: number
}

const timeOf = ({ time }: Payload) => time === undefined ? undefined : Payloads.millis(time)

export const decoder = <const Type extends string, A extends Payload, I>(type: Type, schema: Schema.Schema<A, I>) =>
  Decoder.make({ source, type, schema, parse: Protocol.read, symbolOf: ({ market }) => market, timeOf })

/** Makes events of fetched data. */
export const fetched = <const Type extends string>(type: Type) => <A extends Payload>(all: ReadonlyArray<A>) =>
  all.map((data): MarketEvent.MarketEvent<A, Type> => ({
    source,
    symbol: data.market,
    type,
    data,
    timestamp: timeOf(data) ?? 0,
    via: "rest"
  }))

export type Trade = MarketEvent.MarketEvent<Payloads.Trade, "trade">
export const trades = (rest: Rest.Rest): Venue.Kind<Trade> => ({
  type: "trade",
  decoder: decoder("trade", Payloads.Trade),
  continuity: {
    _tag: "Sequence",
    idOf: ({ data }) => Payloads.numberOf(data),
    fetch: ({ name }, from) => Effect.map(rest.trades(parse(name).code, from), fetched("trade")),
    pageSize: Rest.pageSize
  }
})

export type Candle = MarketEvent.MarketEvent<Payloads.Candle, "candle">
const opensAt = ({ data }: Candle) => Payloads.millis(data.opens)
export const candles = (rest: Rest.Rest): Venue.Kind<Candle> => ({
  type: "candle",
  decoder: decoder("candle", Payloads.Candle),
  continuity: {
    _tag: "Candles",
    opensAt,
    closesAt: (event) => opensAt(event) + event.data.seconds * 1_000 - 1,
    isClosed: ({ data }) => data.final,
    fetch: ({ name }, from, to) => {
      const { code, seconds } = parse(name)
      return Effect.map(rest.candles(code, seconds, from, to), fetched("candle"))
    }
  }
})

export const book: Venue.Kind<MarketEvent.MarketEvent<Payloads.Update, "book">> = {
  type: "book",
  decoder: decoder("book", Payloads.Update),
  continuity: { _tag: "Diffs", positionOf: ({ data }) => data.seq, previousOf: ({ data }) => data.prev ?? data.seq }
}

export const top: Venue.Kind<MarketEvent.MarketEvent<Payloads.Top, "top">> = {
  type: "top",
  decoder: decoder("top", Payloads.Top),
  continuity: { _tag: "State", positionOf: ({ data }) => data.seq }
}

/** News, and kinds that this adapter does not know. */
export const other = (type: string): Venue.Kind => ({
  type,
  decoder: decoder(type, Schema.Struct({ market: Schema.String })),
  continuity: Continuity.unknown
})

const cadences = new Map<string, SessionProtocol.Cadence>([
  ["trades", "adaptive"],
  ["candles", "5 seconds"],
  ["book", "adaptive"],
  ["top", "adaptive"]
])

/** How often a channel is expected to have data. */
export const cadence = (name: string): SessionProtocol.Cadence => cadences.get(parse(name).channel) ?? "exempt"
