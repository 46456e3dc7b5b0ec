// Verifies a recording: whether its lines are those that were written, and whether each series is whole.
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { follows } from "./chain.ts"
import { decompress } from "./compress.ts"
import { isOwn, ownLine } from "./format.ts"
import type { Chain, Link } from "./link.ts"
import { split } from "./link.ts"
import * as Lines from "./lines.ts"
import type { Event, Series } from "./series.ts"
import { parse } from "./series.ts"

/** Something that is wrong in a file, in a sentence. */
export interface Problem {
  readonly file: string
  /** The number of the line in the file, from 1. */
  readonly at: number
  readonly message: string
}

/** The part of a series that a recording has. */
export interface Coverage {
  /** The first and the last position. */
  readonly from: number | undefined
  readonly to: number | undefined
  readonly count: number
  /** The events whose position had come right before. */
  readonly repeated: number
  /** The events whose position is lower than that of the event before. */
  readonly outOfOrder: number
  /** Where events are missing, and no gap says so. */
  readonly undeclared: number
  /** The gaps that the recording declares. */
  readonly gaps: number
  /** Whether several streams were recorded that have the same events. Their order cannot be told then. */
  readonly isShared: boolean
}

export interface Report {
  readonly lines: number
  readonly problems: ReadonlyArray<Problem>
  readonly series: ReadonlyMap<string, Coverage>
}

// The most problems that are kept: a file of another kind has one in each line.
const most = 1_000

const none: Coverage = {
  from: undefined,
  to: undefined,
  count: 0,
  repeated: 0,
  outOfOrder: 0,
  undeclared: 0,
  gaps: 0,
  isShared: false
}

// Where a series stands. The position is undefined where any may be next.
interface Standing {
  readonly coverage: Coverage
  readonly position: number | undefined
}

const isWrong = ({ outOfOrder, repeated, undeclared }: Coverage): boolean => repeated + outOfOrder + undeclared > 0

/** Whether nothing is wrong. A gap that is declared is not wrong. */
export const isClean = ({ problems, series }: Report): boolean => problems.length === 0 && ![...series.values()].some(isWrong)

const advance = ({ coverage, position }: Standing, from: number, to: number): Standing => {
  const first = coverage.from ?? from
  // The state of a candle that is still open: it shows only that those before it have closed.
  const isOpen = to < from
  const count = coverage.count + 1
  if (coverage.isShared) {
    const latest = Math.max(to, position ?? to)
    return { coverage: { ...coverage, from: Math.min(first, from), to: latest, count }, position: latest }
  }
  if (position !== undefined && !isOpen && to <= position) {
    const error = to === position ? { repeated: coverage.repeated + 1 } : { outOfOrder: coverage.outOfOrder + 1 }
    return { coverage: { ...coverage, count, ...error }, position }
  }
  const undeclared = coverage.undeclared + (position !== undefined && from > position + 1 ? 1 : 0)
  const latest = Math.max(to, position ?? to)
  return { coverage: { ...coverage, from: first, to: latest, count, undeclared }, position: latest }
}

/** Verifies the lines of files one after the other. */
export class Verifier {
  readonly #series: Series
  readonly #problems: Array<Problem> = []
  readonly #standings = new Map<string, Standing>()
  readonly #shared = new Set<string>()
  #chain: Chain | undefined
  #lines = 0
  #file = ""
  #at = 0
  #isNumbered = false
  #isClosed = false
  // Nothing more is said of a file of another kind.
  #isForeign = false

  constructor(series: Series) {
    this.#series = series
  }

  get report(): Report {
    const series = new Map([...this.#standings].map(([name, { coverage }]) => [name, coverage]))
    return { lines: this.#lines, problems: this.#problems, series }
  }

  begin(file: string): void {
    this.#file = file
    this.#at = 0
    this.#isNumbered = false
    this.#isClosed = false
    this.#isForeign = false
  }

  line(text: string): void {
    this.#at++
    this.#lines++
    const link = split(text)
    // Only files of version 0.1.0 have no numbers, and those are older than all others.
    if (this.#at === 1) this.#isNumbered = link !== undefined || this.#chain !== undefined || isOwn(text)
    if (this.#isForeign) return
    if (link !== undefined) this.#linked(link)
    else if (this.#isNumbered) this.#problem("It is no line of a recording.")
    const event = parse(link?.json ?? text)
    if (event !== undefined) this.#event(event)
    else if (!this.#isNumbered && this.#at === 1) {
      this.#isForeign = true
      this.#problem("The file is no recording.")
    } else if (!this.#isNumbered) this.#problem("It is no line of a recording.")
  }

  /** Ends a file. `torn` is what follows its last newline; `isOpen` says that a recorder has not closed it. */
  end(torn: string, isOpen: boolean): void {
    if (this.#isForeign) return
    if (torn !== "") {
      this.#at++
      if (!isOpen) this.#problem("It is torn: it has no end.")
    } else if (this.#at === 0 && !isOpen) {
      this.#problem("The file is empty.")
    } else if (this.#isNumbered && !this.#isClosed && !isOpen) {
      this.#problem("Lines are missing after it: the file was not closed, or its end was cut off.")
    }
  }

  #problem(message: string): void {
    if (this.#problems.length < most) this.#problems.push({ file: this.#file, at: this.#at, message })
  }

  #linked(link: Link): void {
    const own = ownLine(link.json)
    if (this.#at === 1 ? own?.type !== "header" : !this.#isNumbered) this.#problem("The header is missing before it: every file begins with one.")
    this.#isNumbered = true
    // The header says which line it follows. Files before it may have been deleted.
    const chain = this.#chain ?? (own?.type === "header" ? { line: link.line - 1, sum: own.data.after } : undefined)
    if (chain !== undefined && !follows(link, chain)) this.#problem(mismatch(link, chain))
    this.#chain = { line: link.line, sum: link.sum }
    this.#isClosed = own?.type === "end"
    if (own?.type === "header") this.#noteShared(own.data.streams)
  }

  #noteShared(streams: ReadonlyArray<string>): void {
    const seen = new Set<string>()
    for (const stream of streams) {
      const name = this.#series.ofStream(stream)
      if (name !== undefined && seen.has(name)) this.#shared.add(name)
      if (name !== undefined) seen.add(name)
    }
  }

  #standing(name: string): Standing {
    const { coverage, position } = this.#standings.get(name) ?? { coverage: none, position: undefined }
    return { coverage: coverage.isShared || !this.#shared.has(name) ? coverage : { ...coverage, isShared: true }, position }
  }

  #event(event: Event): void {
    const range = this.#series.rangeOf(event)
    if (range === undefined) return
    const standing = this.#standing(range.series)
    if (range._tag === "Gap") {
      const { coverage } = standing
      this.#standings.set(range.series, { coverage: { ...coverage, gaps: coverage.gaps + 1 }, position: range.to })
    } else this.#standings.set(range.series, advance(standing, range.from, range.to))
  }
}

const mismatch = ({ line }: Link, { line: last }: Chain): string => {
  if (line === last + 1) return `Line ${line} is not as it was written, or the one before it is not.`
  return line > last
    ? `Lines ${last + 1} to ${line - 1} are missing before line ${line}.`
    : `Line ${line} comes again, or was moved: it follows line ${last}.`
}

/** Verifies files, in the order of the lines in them. */
export const verify = (
  files: ReadonlyArray<string>,
  series: Series
): Effect.Effect<Report, PlatformError, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const verifier = new Verifier(series)
    for (const [i, file] of files.entries()) {
      verifier.begin(file)
      let end = ""
      yield* Stream.runForEach(Lines.read(file, decompress), ({ lines, torn }) =>
        Effect.sync(() => {
          for (const line of lines) verifier.line(line)
          end = torn
        }))
      // A recorder that runs, or that was killed, has left its lock.
      const isOpen = i === files.length - 1 && (yield* fs.exists(`${yield* fs.realPath(file)}.lock`))
      verifier.end(end, isOpen)
    }
    return verifier.report
  })
