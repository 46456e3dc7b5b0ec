// Checks what the REST interface returned against what was asked for, and puts it in order. A page that answers another question
// is no page: the client asks again.
import * as Either from "effect/Either"
import type { Interval } from "./interval.ts"

/** Says why a page is not what was asked for: a clause that follows a colon. */
export type Checked<A> = Either.Either<A, string>

/** A list, and the bounds that were asked for. */
export interface Asked<A> {
  /** The position of an item: its id, or the moment at which it opens. */
  readonly positionOf: (item: A) => number
  readonly from: number
  readonly to: number
  readonly limit: number
  /** The name of the items, in the plural. */
  readonly items: string
}

const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other)

/** Orders a list by position and drops repeated items. Fails if two items with one position differ, or one was not asked for. */
export const inOrder = <A>(page: ReadonlyArray<A>, { from, items, limit, positionOf, to }: Asked<A>): Checked<ReadonlyArray<A>> => {
  if (page.length > limit) return Either.left(`its answer has ${page.length} ${items}, and ${limit} were asked for`)
  const ordered: Array<A> = []
  for (const item of [...page].sort((a, b) => positionOf(a) - positionOf(b))) {
    const position = positionOf(item)
    if (!(position >= from && position <= to)) return Either.left(`its answer has ${items} that were not asked for`)
    const last = ordered.at(-1)
    if (last === undefined || positionOf(last) !== position) ordered.push(item)
    else if (!isSame(last, item)) return Either.left(`its answer has two different ${items} with one position`)
  }
  return Either.right(ordered)
}

/** A candle by its first and its last moment. */
export interface Span {
  readonly opens: number
  readonly closes: number
}

/** Checks that candles in order do not overlap, and are no longer than their interval. */
export const areOfInterval = (candles: ReadonlyArray<Span>, interval: Interval): string | undefined => {
  let earliest = Number.NEGATIVE_INFINITY
  for (const { closes, opens } of candles) {
    const length = closes + 1 - opens
    if (length <= 0 || length > interval.longest) return `its answer has candles that are not of ${interval.name}`
    if (opens < earliest) return "its answer has candles that overlap"
    earliest = closes + 1
  }
  return undefined
}

/** The levels of one side of a book. */
export type Levels = ReadonlyArray<readonly [price: string, quantity: string]>

/** Orders the levels of one side, the best first. Fails if they are more than was asked for, or a price comes twice. */
export const inPriceOrder = (levels: Levels, limit: number, side: "bids" | "asks"): Checked<Levels> => {
  if (levels.length > limit) return Either.left(`its answer has ${levels.length} ${side}, and ${limit} were asked for`)
  const sign = side === "bids" ? -1 : 1
  const prices = new Map(levels.map((level) => [Number(level[0]), level]))
  if (prices.size < levels.length) return Either.left(`its answer has two ${side} at one price`)
  return Either.right([...prices].sort(([a], [b]) => sign * (a - b)).map(([, level]) => level))
}
