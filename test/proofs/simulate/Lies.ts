/** What a REST interface may answer in place of the truth. */
import * as Predicate from "effect/Predicate"

/** How an answer is wrong. */
export type Lie = typeof all[number]

export const all = [
  /** In no order, in the opposite order, or some items twice. */
  "shuffled",
  "reversed",
  "duplicated",
  /** Only the first third of a page. */
  "short",
  /** The text ends in the middle. */
  "cut",
  "html",
  "empty",
  /** As of a minute ago: older than what the sockets brought since. */
  "old",
  /** From before what was asked for. */
  "beside",
  /** By a clock that is an hour off. */
  "ahead",
  "behind"
] as const

const hour = 3_600_000

/** How far a clock is ahead, in milliseconds. */
export const clockAhead = (lie: Lie): number => lie === "ahead" ? hour : lie === "behind" ? -hour : 0

/** How old an answer is, in milliseconds. */
export const age = (lie: Lie): number => lie === "old" ? 60_000 : 0

/** Whether an answer is refused as it is, so that the client must ask again. */
export const isRefused = (lie: Lie): boolean => lie === "cut" || lie === "html" || lie === "beside"

/** Whether an answer may lack what was asked for, as one of an interface that lags does. Beside the question there may be nothing. */
export const lacks = (lie: Lie): boolean => lie === "empty" || lie === "old" || lie === "short" || lie === "beside"

const shifts: Readonly<Record<string, number>> = { fromId: 1_500, startTime: 2 * hour, endTime: 2 * hour }

/** The question that is answered. */
export const asked = (lie: Lie, url: URL): URL => {
  if (lie !== "beside") return url
  const other = new URL(url)
  for (const [name, by] of Object.entries(shifts)) {
    const value = other.searchParams.get(name)
    if (value !== null) other.searchParams.set(name, String(Math.max(0, Number(value) - by)))
  }
  return other
}

// The same disorder each time.
const shuffle = (items: ReadonlyArray<unknown>): ReadonlyArray<unknown> => {
  const shuffled: Array<unknown> = []
  for (const [i, item] of items.entries()) {
    if (i % 3 === 0) shuffled.unshift(item)
    else shuffled.splice((i * 7) % (shuffled.length + 1), 0, item)
  }
  return shuffled
}

const shiftTimes = (item: unknown, by: number): unknown =>
  Predicate.isReadonlyRecord(item)
    ? Object.fromEntries(Object.entries(item).map(([name, value]) => [name, (name === "T" || name === "time") && typeof value === "number" ? value + by : value]))
    : item

const list = (lie: Lie, items: ReadonlyArray<unknown>): ReadonlyArray<unknown> => {
  switch (lie) {
    case "shuffled":
      return shuffle(items)
    case "reversed":
      return [...items].reverse()
    case "duplicated":
      return items.flatMap((item, i) => i % 4 === 1 ? [item, item] : [item])
    case "short":
      return items.slice(0, Math.ceil(items.length / 3))
    case "empty":
      return []
    case "ahead":
    case "behind":
      return items.map((item) => shiftTimes(item, clockAhead(lie)))
    default:
      return items
  }
}

const sides = new Set(["bids", "asks"])

// The levels of a book may come in any order. One that lacks levels would be another book.
const bookOf = (lie: Lie, book: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(book).map(([name, value]) => {
    const isLevels = sides.has(name) && Array.isArray(value) && (lie === "shuffled" || lie === "reversed" || lie === "duplicated")
    return [name, isLevels ? list(lie, value) : value]
  }))

const told = (lie: Lie, json: unknown): unknown => {
  if (Array.isArray(json)) return list(lie, json)
  if (!Predicate.isReadonlyRecord(json)) return json
  return lie === "empty" && Array.isArray(json.symbols) ? { ...json, symbols: [] } : bookOf(lie, json)
}

/** The text that is told in place of the true one. It is the same where there is nothing to lie about. */
export const tell = (lie: Lie, text: string): string => {
  switch (lie) {
    case "html":
      return "<html>busy</html>"
    case "cut":
      return text.slice(0, Math.floor(text.length / 2))
    case "old":
    case "beside":
      return text
    default:
      return JSON.stringify(told(lie, JSON.parse(text)))
  }
}
