// Finds out what a file is, and where the recording in it stands. Reads only its beginning and its end.
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { follows, isIntact } from "./chain.ts"
import type { Header, OwnLine } from "./format.ts"
import { headerOpening, isOwn, ownLine, version } from "./format.ts"
import type { Chain, Link } from "./link.ts"
import { split } from "./link.ts"
import { newline, read, textOf } from "./pages.ts"
import type { Event, Series } from "./series.ts"
import { parse, positionOf } from "./series.ts"

/** The part of a file up to its last whole line, and what a crash has left after it. Both in bytes. */
export interface Extent {
  readonly whole: number
  readonly torn: number
}

/** A recording, up to its last line. */
export interface Numbered extends Extent {
  readonly _tag: "Numbered"
  readonly chain: Chain
  /** When the file began, as Unix time in milliseconds. */
  readonly since: number
  readonly streams: ReadonlyArray<string>
  readonly positions: ReadonlyMap<string, number>
}

/** The kind of a file. */
export type Found =
  /** Nothing, or the beginning of a first line. */
  | Extent & { readonly _tag: "Empty" }
  | Numbered
  /** A recording of version 0.1.0, whose lines have no numbers. */
  | Extent & { readonly _tag: "Unnumbered"; readonly last: Event }
  /** Not a recording, or not one up to its end. */
  | { readonly _tag: "Foreign"; readonly reason: string }

const foreign = (reason: string): Found => ({ _tag: "Foreign", reason })
const otherContent = "it is no recording, and is left as it is"

const opening = `{"source":"`
// The tokens of an event's first fields, with a text after each.
const tokens = [opening, `","symbol":"`, `","type":"`, `","data":{`]

// Whether a text without a newline is the beginning of a line of ours. After a power failure, zeros may stand for its rest.
const isTorn = (whole: string): boolean => {
  const text = whole.replace(/\0+$/, "")
  if (headerOpening.startsWith(text) || text.startsWith(headerOpening)) return true
  let at = 0
  for (const token of tokens) {
    const rest = text.slice(at)
    if (token.startsWith(rest)) return true
    if (!rest.startsWith(token)) return false
    const end = text.indexOf(`"`, at + token.length)
    if (end < 0) return /^[\p{Letter}\p{Number}_\-\uFFFD]*$/u.test(rest.slice(token.length))
    at = end
  }
  return true
}

const pageSize = 256 * 1024
// No line is longer.
const longestLine = 64 * 1024 * 1024

// Whether what follows the last newline may be cut off.
const isTornAt = (file: FileSystem.File, { torn, whole }: Extent) =>
  torn > longestLine ? Effect.succeed(false) : Effect.map(read(file, whole, torn), (bytes) => isTorn(textOf(bytes)))

const firstLine = (file: FileSystem.File, size: number): Effect.Effect<string | undefined, PlatformError> => {
  const attempt = (length: number): Effect.Effect<string | undefined, PlatformError> =>
    Effect.flatMap(read(file, 0, Math.min(length, size)), (bytes) => {
      const end = bytes.indexOf(newline)
      if (end >= 0) return Effect.succeed(textOf(bytes.subarray(0, end)))
      return length >= size || length >= longestLine ? Effect.succeed(undefined) : attempt(length * 8)
    })
  return attempt(pageSize)
}

interface Tail extends Extent {
  /** The last lines. The first of them is the first of the file if `isAll`. */
  readonly lines: ReadonlyArray<string>
  readonly isAll: boolean
}

// Reads further back until the lines suffice.
const tailOf = (
  file: FileSystem.File,
  size: number,
  suffices: (lines: ReadonlyArray<string>) => boolean
): Effect.Effect<Tail | undefined, PlatformError> => {
  const attempt = (length: number): Effect.Effect<Tail | undefined, PlatformError> =>
    Effect.flatMap(read(file, Math.max(0, size - length), Math.min(length, size)), (bytes) => {
      const isAll = length >= size
      const end = bytes.lastIndexOf(newline) + 1
      const begin = isAll ? 0 : bytes.indexOf(newline) + 1
      const lines = begin < end ? textOf(bytes.subarray(begin, end - 1)).split("\n") : []
      const torn = bytes.length - end
      if (isAll || (lines.length > 0 && suffices(lines))) return Effect.succeed({ lines, isAll, whole: size - torn, torn })
      return length >= longestLine ? Effect.succeed(undefined) : attempt(length * 4)
    })
  return attempt(pageSize)
}

const statusIn = (line: string): { readonly link: Link; readonly own: OwnLine } | undefined => {
  const link = isOwn(line) ? split(line) : undefined
  const own = link === undefined ? undefined : ownLine(link.json)
  return link === undefined || own === undefined ? undefined : { link, own }
}

// The line before is needed too, for its checksum.
const lastStatus = (lines: ReadonlyArray<string>) => lines.findLastIndex((line, i) => i > 0 && statusIn(line) !== undefined)

// The chain up to the line before the first of these.
const before = (lines: ReadonlyArray<string>, first: number, header: Header): Chain | undefined =>
  first === 0 ? { line: (split(lines[0] ?? "")?.line ?? 0) - 1, sum: header.data.after } : split(lines[first - 1] ?? "")

const numbered = (tail: Tail, header: Header, series: Series): Found => {
  const { isAll, lines } = tail
  const last = lastStatus(lines)
  const first = last > 0 ? last : 0
  const status = statusIn(lines[first] ?? "")?.own
  let chain = last > 0 || isAll ? before(lines, first, header) : undefined
  if (chain === undefined || status === undefined) return foreign("its end is not a recording's")
  const positions = new Map(Object.entries(status.data.positions))
  for (const line of lines.slice(first)) {
    const link = split(line)
    if (link === undefined || !follows(link, chain)) return foreign(`the line after its line ${chain.line} is not as it was written`)
    chain = { line: link.line, sum: link.sum }
    const event = parse(link.json)
    const position = event === undefined ? undefined : positionOf(series, event)
    if (position !== undefined) positions.set(...position)
  }
  const { torn, whole } = tail
  return { _tag: "Numbered", chain, since: header.timestamp, streams: status.data.streams, positions, whole, torn }
}

const inspectLines = (file: FileSystem.File, size: number, series: Series): Effect.Effect<Found, PlatformError> =>
  Effect.gen(function*() {
    if (size === 0) return { _tag: "Empty", whole: 0, torn: 0 }
    const start = textOf(yield* read(file, 0, Math.min(size, opening.length)))
    if (!start.startsWith(opening.slice(0, size))) return foreign(otherContent)
    const first = yield* firstLine(file, size)
    if (first === undefined) return { _tag: "Empty", whole: 0, torn: size }
    const status = statusIn(first)
    if (status === undefined) {
      if (isOwn(first)) return foreign("its first line is not as it was written")
      const tail = yield* tailOf(file, size, () => true)
      const last = parse(tail?.lines.at(-1) ?? "")
      if (tail === undefined || parse(first) === undefined) return foreign(otherContent)
      if (last === undefined) return foreign("its last line is not a recording's")
      return { _tag: "Unnumbered", whole: tail.whole, torn: tail.torn, last }
    }
    const { link, own } = status
    if (own.type !== "header" || !isIntact(link, own.data.after)) return foreign("its first line is not as it was written")
    if (own.data.version > version) return foreign(`a later version wrote it, in the format ${own.data.version}`)
    const tail = yield* tailOf(file, size, (lines) => lastStatus(lines) > 0)
    return tail === undefined ? foreign("its end is not a recording's") : numbered(tail, own, series)
  })

/** Finds out what a file is. `series` tells the positions of the events after the last line that has them all. */
export const inspect = (file: FileSystem.File, size: number, series: Series): Effect.Effect<Found, PlatformError> =>
  Effect.gen(function*() {
    const found = yield* inspectLines(file, size, series)
    if (found._tag === "Foreign" || (yield* isTornAt(file, found))) return found
    return foreign(found.whole === 0 ? otherContent : "what follows its last line is not the beginning of another")
  })
