// A file of market events, one per line. It rotates by size and age, has no torn lines, and continues after a restart.
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import type { PlatformError } from "@effect/platform/Error"
import { SystemError } from "@effect/platform/Error"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as StreamKind from "../binance/StreamKind.ts"
import { monotonic } from "../internal/time/monotonic.ts"
import { describePlatformError } from "../internal/platformError.ts"

/** The file cannot be read or written. */
export class RecordingFailed extends Data.TaggedError("RecordingFailed")<{
  readonly path: string
  readonly cause: PlatformError
}> {
  override get message(): string {
    const reason = describePlatformError(this.cause).replace(/\.$/, "")
    return `The recording ${this.path} cannot be read or written: ${reason}. Give a path that can be written with --out.`
  }
}

export interface Limits {
  /** The size at which the file rotates, in bytes. */
  readonly size: number
  /** The age at which the file rotates. */
  readonly every: Duration.Duration
}

const Line = Schema.parseJson(Schema.Struct({
  symbol: Schema.String,
  type: Schema.String,
  data: Schema.Struct({
    t: Schema.optional(Schema.Number),
    a: Schema.optional(Schema.Unknown),
    k: Schema.optional(Schema.Struct({ t: Schema.Number, T: Schema.Number, i: Schema.String, x: Schema.Boolean })),
    stream: Schema.optional(Schema.String),
    to: Schema.optional(Schema.Number)
  })
}))
const decodeLine = Schema.decodeUnknownOption(Line)

type Line = typeof Line.Type

const hour = 3_600_000
const day = 24 * hour
const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: hour }

// A candle does not name its time zone. The offset of its start within its interval, or within its day, shows it.
const phaseOf = (interval: string, begins: number): number => {
  const unit = units[interval.slice(-1)]
  const length = unit === undefined ? day : Number.parseInt(interval, 10) * unit
  return (begins % length + length) % length
}

const candlesOf = (symbol: string, interval: string, begins: number) => `${symbol} kline ${interval} ${phaseOf(interval, begins)}`

const keyOf = (stream: string): string => {
  const { kind, symbol } = StreamKind.parse(stream)
  const [, interval, sign = "", hours = "0", minutes = "0"] = /@kline_([^@]+)(?:@([+-]?)(\d+):(\d+))?/.exec(stream) ?? []
  if (interval === undefined) return `${symbol} ${kind.type}`
  const ahead = Number(hours) * hour + Number(minutes) * 60_000
  return candlesOf(symbol, interval, sign === "-" ? ahead : -ahead)
}

// The key of the stream that a line belongs to, and the position of the line in it.
const positionOf = ({ data, symbol, type }: Line): readonly [key: string, position: number] | undefined => {
  if (type === "trade" && data.t !== undefined) return [`${symbol} trade`, data.t]
  if (type === "aggTrade" && typeof data.a === "number") return [`${symbol} aggTrade`, data.a]
  if (type === "kline" && data.k?.x === true) return [candlesOf(symbol, data.k.i, data.k.t), data.k.T]
  return type === "gap" && data.stream !== undefined && data.to !== undefined ? [keyOf(data.stream), data.to] : undefined
}

const resumable: ReadonlySet<StreamKind.Continuity> = new Set(["sequence", "candles"])

const newline = 10

// Every line of a recording begins so.
const opening = `{"source":"`

// The time of a rotation, between the name of the file and its extension.
const stamp = /^\.\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z$/
const stampOf = (at: number) => `.${new Date(at).toISOString().replaceAll(":", "-")}`

const unsuitable = (description: string) =>
  new SystemError({ reason: "BadResource", module: "FileSystem", method: "open", description })

const failsAt = (path: string) => (cause: PlatformError) => new RecordingFailed({ path, cause })

/**
 * Opens a recording. Cuts off a last line that a crash has torn. Reads the position of each stream from the current file, or
 * else from the newest rotated file that has one.
 */
export const open = Effect.fnUntraced(function*(path: string, streams: ReadonlyArray<string>, limits: Limits) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const scope = yield* Effect.scope
  // Follows a link: the recording rotates the file that the link leads to.
  const real = (yield* fs.exists(path)) ? yield* fs.realPath(path) : paths.resolve(path)
  const { base, dir, ext, name } = paths.parse(real)
  const current = paths.join(dir, base)

  const scan = (file: string, into: Map<string, number>) =>
    fs.stream(file).pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.runForEach((line) =>
        Effect.sync(() => {
          const position = Option.getOrUndefined(decodeLine(line))
          const found = position === undefined ? undefined : positionOf(position)
          // The last position counts, even if it is not the greatest: a venue may reset its ids.
          if (found !== undefined) into.set(found[0], found[1])
        })
      )
    )

  // Finds the first bytes, the end of the last whole line, and the size of the file, in bytes.
  const measure = Effect.fnUntraced(function*(file: string) {
    let head = ""
    let end = 0
    let offset = 0
    yield* Stream.runForEach(fs.stream(file), (bytes) =>
      Effect.sync(() => {
        if (offset === 0) head = new TextDecoder().decode(bytes.subarray(0, opening.length))
        const at = bytes.lastIndexOf(newline)
        if (at >= 0) end = offset + at + 1
        offset += bytes.length
      }))
    return { head, whole: end, size: offset }
  })

  const last = new Map<string, number>()
  let size = 0
  if (yield* fs.exists(current)) {
    const { type } = yield* fs.stat(current)
    if (type !== "File") return yield* unsuitable(type === "Directory" ? "it is a folder" : "it is not a regular file")
    const found = yield* measure(current)
    // A torn line may be shorter than its opening.
    if (!found.head.startsWith(opening.slice(0, found.size))) return yield* unsuitable("it has other content")
    if (found.whole < found.size) {
      yield* fs.truncate(current, found.whole)
      yield* Effect.logWarning(`Cut off ${found.size - found.whole} bytes of a torn line at the end of ${base}.`)
    }
    size = found.whole
    yield* scan(current, last)
  }
  // Looks for each stream that can be continued and is not in the current file: in the rotated files, newest first.
  const sought = streams.filter((stream) => resumable.has(StreamKind.parse(stream).kind.continuity)).map(keyOf)
  const rotated = (yield* fs.readDirectory(dir))
    .filter((file) => file.startsWith(name) && file.endsWith(ext) && stamp.test(file.slice(name.length, file.length - ext.length)))
    // Their names sort by time.
    .sort()
    .reverse()
  for (const file of rotated) {
    if (sought.every((key) => last.has(key))) break
    const older = new Map<string, number>()
    yield* scan(paths.join(dir, file), older)
    for (const [key, position] of older) {
      if (!last.has(key)) last.set(key, position)
    }
  }

  // A continued file keeps its age.
  const now = yield* Clock.currentTimeMillis
  const age = size === 0
    ? 0
    : Option.match((yield* fs.stat(current)).birthtime, {
      onNone: () => Number.POSITIVE_INFINITY,
      onSome: (at) => Math.max(0, now - at.getTime())
    })
  // In monotonic time.
  let openedAt = (yield* monotonic) - age
  const begin = Effect.gen(function*() {
    const fileScope = yield* Scope.fork(scope, { _tag: "Sequential" })
    const file = yield* Scope.extend(fs.open(current, { flag: "a" }), fileScope)
    // Writes the data to the disk before it closes the file.
    yield* Scope.addFinalizer(fileScope, Effect.ignore(file.sync))
    return { file, fileScope }
  })
  let writing = yield* begin
  const encoder = new TextEncoder()

  const rotate = Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    yield* writing.file.sync
    yield* Scope.close(writing.fileScope, Exit.void)
    let to = now
    const target = () => paths.join(dir, `${name}${stampOf(to)}${ext}`)
    while (yield* fs.exists(target())) to++
    yield* fs.rename(current, target())
    writing = yield* begin
    openedAt = yield* monotonic
    size = 0
  })

  return {
    /** The position of a stream: the id of its last trade, or the end of its last closed candle. */
    last: (stream: string): number | undefined => last.get(keyOf(stream)),
    /** Writes whole lines. */
    write: (lines: string) =>
      Effect.gen(function*() {
        const now = yield* monotonic
        if (size > 0 && (size >= limits.size || now - openedAt >= Duration.toMillis(limits.every))) yield* rotate
        const bytes = encoder.encode(lines)
        // Cuts off the part that was written, which would be a torn line.
        yield* Effect.tapError(writing.file.writeAll(bytes), () => Effect.ignore(writing.file.truncate(size)))
        size += bytes.length
      }).pipe(Effect.uninterruptible, Effect.mapError(failsAt(path)))
  }
}, (opening, path) => Effect.mapError(opening, failsAt(path)))
