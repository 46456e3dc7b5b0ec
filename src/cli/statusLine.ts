// The status as one line that fits a terminal: of what has no room, the least important is left out.
import { fit, width } from "./width.ts"

export interface Status {
  readonly state: string
  /** Symbols with their prices. */
  readonly quotes: ReadonlyArray<string>
  /** The events since the last status. */
  readonly counts: ReadonlyArray<string>
}

const joined = (parts: ReadonlyArray<string>) => parts.filter((part) => part !== "").join("  ")

// The first of some parts, and the number of the others.
const firsts = (parts: ReadonlyArray<string>, count: number, separator: string): string =>
  count >= parts.length ? parts.join(separator) : [...parts.slice(0, count), `+${parts.length - count}`].join(separator)

/** The status in at most this many columns. */
export const statusLine = ({ counts, quotes, state }: Status, columns: number): string => {
  const shown = (quoteCount: number, typeCount: number) =>
    joined([state, firsts(quotes, quoteCount, "  "), counts.length === 0 ? "no data" : firsts(counts, typeCount, ", ")])
  for (let count = quotes.length; count >= Math.min(1, quotes.length); count--) {
    const line = shown(count, counts.length)
    if (width(line) <= columns) return line
  }
  for (let count = counts.length - 1; count >= 0; count--) {
    const line = shown(Math.min(1, quotes.length), count)
    if (width(line) <= columns) return line
  }
  const short = joined([state, firsts(quotes, Math.min(1, quotes.length), "  ")])
  return fit(width(short) <= columns ? short : joined([state, quotes[0] ?? ""]), columns)
}
