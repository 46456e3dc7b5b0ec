/**
 * Parses the names of streams: `btcusdt@trade`, `ethusdt@kline_1m`, `!miniTicker@arr`.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Option from "effect/Option"
import type { Interval } from "./Candles.ts"
import { isInterval } from "./Candles.ts"

/**
 * The kind of a stream. `speed` is the interval of its updates, `levels` the number of levels on each side.
 *
 * @since 0.1.0
 * @category models
 */
export type Kind = Data.TaggedEnum<{
  readonly Trade: object
  readonly AggTrade: object
  readonly Kline: { readonly interval: Interval }
  readonly Ticker: object
  readonly MiniTicker: object
  readonly BookTicker: object
  readonly Depth: { readonly speed: "100ms" | "1000ms" }
  readonly PartialDepth: { readonly levels: number; readonly speed: "100ms" | "1000ms" }
}>

/**
 * Constructors, matchers and guards of {@link Kind}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Kind = Data.taggedEnum<Kind>()

/**
 * A parsed name. The symbol is in upper case; it is undefined for a stream of all symbols.
 *
 * @since 0.1.0
 * @category models
 */
export interface StreamName {
  readonly symbol: string | undefined
  readonly kind: Kind
}

const plain: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ["trade", Kind.Trade()],
  ["aggTrade", Kind.AggTrade()],
  ["ticker", Kind.Ticker()],
  ["miniTicker", Kind.MiniTicker()],
  ["bookTicker", Kind.BookTicker()]
])

const parseKind = (text: string): Option.Option<Kind> => {
  const known = plain.get(text)
  if (known !== undefined) return Option.some(known)
  const kline = /^kline_(\w+)$/.exec(text)?.[1]
  if (kline !== undefined) return isInterval(kline) ? Option.some(Kind.Kline({ interval: kline })) : Option.none()
  const depth = /^depth(5|10|20)?(?:@(100ms|1000ms))?$/.exec(text)
  if (depth === null) return Option.none()
  const speed = depth[2] === "100ms" ? "100ms" : "1000ms"
  return Option.some(
    depth[1] === undefined ? Kind.Depth({ speed }) : Kind.PartialDepth({ levels: Number(depth[1]), speed })
  )
}

/**
 * Parses a name. Returns none if no such stream exists: Binance acknowledges a subscription to it, but sends nothing.
 *
 * @since 0.1.0
 * @category parsing
 * @example
 * ```ts
 * import * as Option from "effect/Option"
 * import { StreamName } from "holdfast/binance/exchange"
 *
 * console.log(Option.isSome(StreamName.parse("btcusdt@kline_1m"))) // true
 * console.log(Option.isSome(StreamName.parse("btcusdt@kline_7m"))) // false
 * ```
 */
export const parse = (name: string): Option.Option<StreamName> => {
  if (name === "!miniTicker@arr") return Option.some({ symbol: undefined, kind: Kind.MiniTicker() })
  if (name === "!ticker@arr") return Option.some({ symbol: undefined, kind: Kind.Ticker() })
  const at = name.indexOf("@")
  const symbol = name.slice(0, at)
  // A symbol in a stream name must be in lower case.
  if (at <= 0 || symbol !== symbol.toLowerCase()) return Option.none()
  return Option.map(parseKind(name.slice(at + 1)), (kind) => ({ symbol: symbol.toUpperCase(), kind }))
}
