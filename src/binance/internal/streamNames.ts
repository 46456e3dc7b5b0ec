// The names of streams: finds the kind of a name, tells whether a market documents it, and what is near to one that it does not.
import { distance } from "./distance.ts"
import type { Documented, Market } from "./kindTable.ts"
import { documented } from "./kindTable.ts"

const minutesAndMore = ["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"] as const

/** The intervals of candles. Futures have no candles of a second, except those of a continuous contract. */
export const intervals = ["1s", ...minutesAndMore] as const
const windows = ["1h", "4h", "1d"]
const levels = ["5", "10", "20"]
const contracts = ["perpetual", "current_quarter", "next_quarter", "tradifi_perpetual"]

const oneOf = (values: ReadonlyArray<string>) => `(?:${values.join("|")})`

const intervalsOf = ({ market, type }: Pick<Documented, "market" | "type">): ReadonlyArray<string> =>
  market === "spot" || (market === "usd-m" && type === "continuousKline") ? intervals : minutesAndMore

/** The intervals of candles that a market has. */
export const intervalsOn = (market: Market): ReadonlyArray<string> => intervalsOf({ market, type: "kline" })

// ---------------------------------------------------------------------------------------------------------------------
// The kind of a name

// Names with the same keyword: what comes after the first `@`, or after the `!`, or the whole name, up to the first character
// that is no letter.
const keywordOf = (name: string): string => {
  const at = name.indexOf("@")
  if (name.startsWith("!")) return /^![A-Za-z]*/.exec(name)?.[0] ?? ""
  return at === -1 ? name.replace(/^[A-Za-z0-9]{64}$/, "<listenKey>") : /^@[A-Za-z]*/.exec(name.slice(at))?.[0] ?? ""
}

const subject = "[^@!]+"

// Any value of a placeholder: what a venue may add later is still of the same kind.
const anyValue: Readonly<Record<string, string>> = { interval: "[^@]+", window: "[^@]+", levels: oneOf(levels), offset: ".+", expiry: "[^@]+", listenKey: ".+" }

const patternOf = (name: string, valueOf: (placeholder: string) => string | undefined): string =>
  name.replace(/<(\w+)>/g, (_, placeholder: string) => valueOf(placeholder) ?? subject)

interface Pattern {
  readonly form: Documented
  readonly pattern: RegExp
}

type Patterns = ReadonlyMap<string, ReadonlyArray<Pattern>>

const byKeyword = (patternFor: (form: Documented) => RegExp): Patterns => {
  const patterns = new Map<string, Array<Pattern>>()
  for (const form of documented) {
    const keyword = keywordOf(form.name)
    const same = patterns.get(keyword) ?? []
    patterns.set(keyword, same)
    same.push({ form, pattern: patternFor(form) })
  }
  return patterns
}

const matching = (patterns: Patterns, name: string): ReadonlyArray<Documented> =>
  (patterns.get(keywordOf(name)) ?? []).filter(({ pattern }) => pattern.test(name)).map(({ form }) => form)

const lenient = byKeyword(({ name }) =>
  new RegExp(`^${patternOf(name, (placeholder) => anyValue[placeholder])}(?:@.*)?$`, "u"))

/** The type of the kind of a stream. Undefined: no documented kind has such names. */
export const typeOf = (name: string): string | undefined => matching(lenient, name)[0]?.type

/** The part of a name that says its kind, if the kind is not documented. */
export const kindPart = (name: string): string => {
  const tail = name.startsWith("!") ? name.slice(1) : name.slice(name.indexOf("@") + 1)
  const end = tail.indexOf("@")
  return end === -1 ? tail : tail.slice(0, end)
}

/** The symbol that a name begins with, in upper case; `""` if it begins with none. */
export const symbolOf = (name: string): string => {
  const at = name.indexOf("@")
  return at === -1 || name.startsWith("!") ? "" : name.slice(0, at).toUpperCase()
}

/**
 * The name as Binance writes it: it does not know a symbol in upper case, such as `BTCUSDT@aggTrade`. A name without `@` has no
 * symbol.
 */
export const normalise = (name: string): string => {
  const at = name.indexOf("@")
  return at === -1 || name.startsWith("!") ? name : name.slice(0, at).toLowerCase() + name.slice(at)
}

// ---------------------------------------------------------------------------------------------------------------------
// The documented streams of a market

// The sockets of USD-M futures serve options, and since 2026-06-30 COIN-M futures too (Binance docs, change log).
const served: Readonly<Record<Exclude<Market, "options">, ReadonlyArray<Market>>> = {
  spot: ["spot"],
  "usd-m": ["usd-m", "coin-m", "options"],
  "coin-m": ["coin-m"]
}

export type Served = keyof typeof served

const letters = "[\\p{Letter}\\p{Number}_.-]+"

const valuesOf = (form: Documented, placeholder: string): ReadonlyArray<string> | undefined => {
  switch (placeholder) {
    case "interval":
      return intervalsOf(form)
    case "window":
      return windows
    case "levels":
      return levels
    case "contract":
      return contracts
    default:
      return undefined
  }
}

const exactValue: Readonly<Record<string, string>> = { offset: "[+-]\\d\\d:\\d\\d", expiry: "\\d{6}", listenKey: "[A-Za-z0-9]{64}" }

// The endings of a name that choose its speed. Spot also documents the usual speed as an ending.
const endingsOf = ({ market, speeds: [usual, ...others] }: Documented): ReadonlyArray<string> =>
  others.length === 0 ? [] : (market === "spot" ? [usual, ...others] : others).map((speed) => `@${speed}`)

const exactOf = (form: Documented): RegExp => {
  const endings = endingsOf(form)
  const name = patternOf(form.name, (placeholder) => {
    const values = valuesOf(form, placeholder)
    return values === undefined ? exactValue[placeholder] ?? letters : oneOf(values)
  })
  return new RegExp(`^${name}${endings.length === 0 ? "" : `${oneOf(endings)}?`}$`, "u")
}

const exact = byKeyword(exactOf)

/** Whether the sockets of a market serve streams with this name. Whether they know its symbol is another question. */
export const isServed = (market: Served, name: string): boolean =>
  matching(exact, name).some((form) => served[market].includes(form.market))

/** The speeds of a stream by its name without one. None: no such stream is served. */
export const speedsOf = (market: Served, name: string): ReadonlyArray<string> =>
  matching(exact, name).find((form) => served[market].includes(form.market))?.speeds ?? []

// ---------------------------------------------------------------------------------------------------------------------
// The names that are near

// The ends of all documented names, after the symbol: `@kline_1m`, `@depth20@100ms`.
const endsOf = (form: Documented): ReadonlyArray<string> => {
  const tail = form.name.replace(/^<[^@]+(?=@)/, "")
  const expand = (text: string): ReadonlyArray<string> => {
    const placeholder = /<(\w+)>/.exec(text)?.[1]
    if (placeholder === undefined) return [text]
    return (valuesOf(form, placeholder) ?? []).flatMap((value) => expand(text.replace(`<${placeholder}>`, value)))
  }
  return expand(tail).flatMap((text) => [text, ...endingsOf(form).map((ending) => text + ending)])
}

const nearAtMost = 3

/** The nearest of some texts, at most three, if they are near at all. */
export const nearest = (text: string, candidates: Iterable<string>): ReadonlyArray<string> => {
  const most = Math.max(1, Math.min(3, Math.floor(text.length / 3)))
  const near: Array<{ readonly candidate: string; readonly far: number }> = []
  for (const candidate of candidates) {
    const far = distance(text.toLowerCase(), candidate.toLowerCase(), most)
    if (far <= most) near.push({ candidate, far })
  }
  const least = Math.min(...near.map(({ far }) => far))
  return near.filter(({ far }) => far === least).slice(0, nearAtMost).map(({ candidate }) => candidate)
}

/** Documented names that are near to one that is not. */
export const near = (market: Served, name: string): ReadonlyArray<string> => {
  const at = name.indexOf("@")
  const hasSymbol = at > 0 && !name.startsWith("!")
  const head = hasSymbol ? name.slice(0, at) : ""
  const ends = new Set(
    documented.filter((form) => served[market].includes(form.market) && form.name.startsWith("<") === hasSymbol).flatMap(endsOf)
  )
  const tail = name.slice(head.length)
  const similar = nearest(tail, ends)
  const found = similar.length > 0 ? similar : [...ends].filter((end) => tail.length > 1 && end.startsWith(tail)).slice(0, nearAtMost)
  return found.map((end) => head + end)
}
