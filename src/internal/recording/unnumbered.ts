// Recordings of version 0.1.0: their lines say nothing about where each series stands, so they are searched from the end.
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { newline, read, textOf } from "./pages.ts"
import type { Event, Series } from "./series.ts"
import { parse, positionOf } from "./series.ts"

const pageSize = 4 * 1024 * 1024

/** The most bytes that are searched in all files together, so that recording begins soon. */
export const searchLimit = 64 * 1024 * 1024

const fields = /^\{"source":"[^"]*","symbol":"([^"]*)","type":"([^"]*)"/

/** The series that a search is for, and the positions that it has found. */
export interface Search {
  /** The series whose last positions are sought. */
  readonly sought: Set<string>
  readonly found: Map<string, number>
  /** The bytes that may still be read. */
  left: number
}

export const begin = (series: Iterable<string>): Search => ({ sought: new Set(series), found: new Map(), left: searchLimit })

// Parses only the lines of a symbol and type that are sought. A gap may be of any type.
const note = (search: Search, line: string, series: Series): void => {
  const [, symbol, type] = fields.exec(line) ?? []
  if (symbol === undefined || type === undefined) return
  const head = `${symbol} ${type}`
  const mayBeSought = type === "gap" || [...search.sought].some((each) => each === head || each.startsWith(`${head} `))
  const event = mayBeSought ? parse(line) : undefined
  const [name, position] = (event === undefined ? undefined : positionOf(series, event)) ?? []
  // The last one counts, even if it is not the greatest: a venue may begin its ids anew.
  if (name === undefined || position === undefined || !search.sought.delete(name)) return
  search.found.set(name, position)
}

/** Searches a file, back from its last whole line. Returns whether it was searched far enough. */
export const searchBack = (
  search: Search,
  file: FileSystem.File,
  whole: number,
  series: Series
): Effect.Effect<boolean, PlatformError> =>
  Effect.gen(function*() {
    let end = whole
    let length = pageSize
    while (search.sought.size > 0 && end > 0) {
      if (search.left <= 0) return false
      const offset = Math.max(0, end - length)
      const bytes = yield* read(file, offset, end - offset)
      if (bytes.length === 0) break
      search.left -= bytes.length
      const begin = offset === 0 ? 0 : bytes.indexOf(newline) + 1
      const isWithinLine = begin === bytes.length
      length = isWithinLine ? length * 2 : pageSize
      if (isWithinLine) continue
      const lines = textOf(bytes.subarray(begin)).split("\n")
      for (let i = lines.length - 1; i >= 0 && search.sought.size > 0; i--) note(search, lines[i] ?? "", series)
      end = offset + begin
    }
    return true
  })

// A venue's own clock does not go back, as the one that names the files may.
const timeOf = ({ data, timestamp }: Event): number => "E" in data && typeof data.E === "number" ? data.E : timestamp

/** Orders such files by the time of their last events, and by their positions where the times are the same. */
export const byLastEvent = (series: Series) => (a: Event, b: Event): number =>
  timeOf(a) - timeOf(b) || (positionOf(series, a)?.[1] ?? 0) - (positionOf(series, b)?.[1] ?? 0)
