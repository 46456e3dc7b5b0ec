// Says why a name is no stream of a venue, and which names are near.
import * as Effect from "effect/Effect"
import { StreamUnknown } from "../../market/FeedError.ts"
import type { RestError } from "../../market/RestError.ts"
import type { Stream } from "../../market/Venue.ts"
import { monotonic } from "../../internal/time/monotonic.ts"
import type { Served } from "./streamNames.ts"
import * as Names from "./streamNames.ts"

/** Whether a text has only characters of symbols. */
export const isSymbol = (text: string): boolean => /^[\p{Letter}\p{Number}_.-]+$/u.test(text)

const withoutOthers = (text: string) => text.replace(/[^\p{Letter}\p{Number}_.-]/gu, "")

const reasonOf = (market: Served, name: string): string => {
  const at = name.indexOf("@")
  if (at === -1 && !name.startsWith("!")) return "a name has a symbol and a kind, such as btcusdt@trade"
  const symbol = name.slice(0, Math.max(at, 0))
  if (!name.startsWith("!") && !isSymbol(symbol)) return symbol === "" ? "it has no symbol" : `${symbol} is no symbol`
  const interval = /@\w*[kK]line_([^@]*)/.exec(name)?.[1]
  if (interval !== undefined && Names.typeOf(name) !== undefined) {
    const known = Names.intervalsOn(market)
    if (!known.includes(interval)) return `${interval === "" ? "it has no interval" : `${interval} is no interval`}. The intervals are ${known.join(", ")}`
  }
  const [, shorter, speed] = /^(.*)@(\d+m?s)$/.exec(name) ?? []
  const speeds = shorter === undefined ? [] : Names.speedsOf(market, shorter)
  if (speed !== undefined && speeds.length > 0) return `it has no speed ${speed}. The speeds are ${speeds.join(", ")}`
  return Names.typeOf(name) === undefined
    ? `the venue has no kind ${Names.kindPart(name)}`
    : "the venue does not document this form of its kind"
}

/** Why a market has no stream of this name, as far as the name tells. */
export const byName = (market: Served, name: string): StreamUnknown | undefined => {
  if (Names.isServed(market, name)) return undefined
  const at = name.indexOf("@")
  const head = name.slice(0, Math.max(at, 0))
  const repaired = withoutOthers(head) + name.slice(Math.max(at, 0))
  const near = at > 0 && !isSymbol(head) && Names.isServed(market, repaired) ? [repaired] : Names.near(market, name)
  return new StreamUnknown({ stream: name, reason: reasonOf(market, name), near })
}

// A symbol that is missing in a list of this age may have been listed since, in milliseconds.
const stale = 60_000

// The sockets of USD-M futures also have the contracts and pairs of COIN-M, and options, which its REST interface does not list.
// None lists the names of continuous contracts, such as BTCUSD_PERPETUAL.
const isListedElsewhere = (market: Served, symbol: string) =>
  (market === "usd-m" && /USD$|[_-]/.test(symbol)) || (market === "coin-m" && /_(?:PERPETUAL|QUARTER)$/.test(symbol))

/** Looks symbols up in the venue's list, which is fetched once and kept. */
export const bySymbol = (market: Served, fetch: Effect.Effect<ReadonlySet<string>, RestError>) => {
  const lock = Effect.unsafeMakeSemaphore(1)
  let latest: { readonly at: number; readonly symbols: ReadonlySet<string> } | undefined
  // One request for all that ask at once.
  const list = (symbol: string) =>
    Effect.gen(function*() {
      const now = yield* monotonic
      if (latest !== undefined && (latest.symbols.has(symbol) || now - latest.at < stale)) return latest.symbols
      const symbols = yield* fetch
      latest = { at: now, symbols }
      return symbols
    }).pipe(lock.withPermits(1))

  return ({ name, symbol }: Stream): Effect.Effect<StreamUnknown | undefined, RestError> =>
    symbol === "" || isListedElsewhere(market, symbol) ? Effect.succeed(undefined) : Effect.map(list(symbol), (symbols) => {
      // A list without symbols tells nothing.
      if (symbols.size === 0 || symbols.has(symbol)) return undefined
      const rest = name.slice(name.indexOf("@"))
      const near = Names.nearest(symbol, symbols).map((each) => each.toLowerCase() + rest)
      return new StreamUnknown({ stream: name, reason: `the venue does not list the symbol ${symbol}`, near })
    })
}
