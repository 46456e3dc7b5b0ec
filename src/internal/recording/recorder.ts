// Writes market events to a file, one per line. The file rotates by size and age, and a restart continues it.
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { closeScope } from "../closeScope.ts"
import type { MarketEvent } from "../../market/MarketEvent.ts"
import { monotonic } from "../time/monotonic.ts"
import * as Chains from "./chain.ts"
import { compress, withContent } from "./compress.ts"
import { RecordingFailed, RecordingInUse, unsuitable } from "./errors.ts"
import type { Found } from "./inspect.ts"
import { inspect } from "./inspect.ts"
import type { Chain } from "./link.ts"
import * as Lock from "./lock.ts"
import type { Rotated } from "./names.ts"
import * as Names from "./names.ts"
import type { Event, Series } from "./series.ts"
import { positionOf } from "./series.ts"
import * as Unnumbered from "./unnumbered.ts"
import { Writer } from "./writer.ts"

export interface Limits {
  /** The size at which the file rotates, in bytes. */
  readonly size: number
  /** The age at which the file rotates. */
  readonly every: Duration.Duration
}

export interface Options {
  readonly path: string
  /** The name of the venue, for the header. */
  readonly venue: string
  readonly streams: ReadonlyArray<string>
  readonly limits: Limits
  /** Whether rotated files are compressed. */
  readonly gzip: boolean
  readonly series: Series
  /** An event as an object of JSON. */
  readonly jsonOf: (event: MarketEvent) => string
}

/** A recording that is open for writing. */
export interface Recorder {
  /** The position of the last event of a stream. */
  readonly last: (stream: string) => number | undefined
  /** Whether the stream was recorded before, and no position shows which of its events are missing since then. */
  readonly isUncertain: (stream: string) => boolean
  /** Writes whole lines. */
  readonly write: (events: ReadonlyArray<MarketEvent>) => Effect.Effect<void, RecordingFailed>
}

// Where earlier files have left off.
interface Past {
  readonly chain: Chain
  readonly positions: ReadonlyMap<string, number>
  /** The streams of the last run. */
  readonly streams: ReadonlyArray<string>
}

const nothing: Past = { chain: Chains.start, positions: new Map(), streams: [] }

interface Writing {
  readonly file: FileSystem.File
  readonly scope: Scope.CloseableScope
  readonly ino: Option.Option<number>
  size: number
}

/** Opens a recording. Finds where each stream has stopped in the end of the newest file. */
export const open = ({ gzip, jsonOf, limits, path, series, streams, venue }: Options): Effect.Effect<
  Recorder,
  RecordingFailed | RecordingInUse,
  FileSystem.FileSystem | Path.Path | Scope.Scope
> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const scope = yield* Effect.scope
    // Follows a link, even to a file that is not there yet: the recording rotates the file that the link leads to.
    const realOf = (file: string): Effect.Effect<string, PlatformError> =>
      fs.realPath(file).pipe(Effect.catchIf(isMissing, () =>
        fs.readLink(file).pipe(
          Effect.matchEffect({
            onFailure: () => Effect.succeed(paths.resolve(file)),
            onSuccess: (target) => realOf(paths.resolve(paths.dirname(file), target))
          })
        )))
    const parts = paths.parse(yield* realOf(path))
    const current = paths.join(parts.dir, parts.base)
    const inFolder = (file: string) => paths.join(parts.dir, file)

    const checkType = (file: string) =>
      Effect.flatMap(fs.stat(file), ({ type }) =>
        type === "File" ? Effect.void : unsuitable(type === "Directory" ? "it is a folder" : "it is not a regular file"))
    const look = (file: string) =>
      Effect.zipRight(
        checkType(file),
        Effect.scoped(Effect.flatMap(fs.open(file, { flag: "r" }), (opened) =>
          Effect.flatMap(opened.stat, ({ size }) => inspect(opened, Number(size), series))))
      )
    const rotatedFiles = Effect.map(fs.readDirectory(parts.dir), (files) => Names.find(parts, files))

    // Cuts off a torn line. The file is a recording, or the beginning of one.
    const cut = (file: string, found: Exclude<Found, { readonly _tag: "Foreign" }>) =>
      found.torn === 0 ? Effect.void : Effect.zipRight(
        fs.truncate(file, found.whole),
        Effect.logWarning(`Cut off ${found.torn} bytes of a torn line at the end of ${paths.basename(file)}.`)
      )

    // ----------------------------------------------------------------------------------------------------------------
    // The past

    const searchUnnumbered = (files: ReadonlyArray<readonly [file: string, whole: number]>) =>
      Effect.gen(function*() {
        const search = Unnumbered.begin(streams.flatMap((stream) => series.ofStream(stream) ?? []))
        let isWhole = true
        for (const [file, whole] of files) {
          const searched = yield* Effect.scoped(Effect.flatMap(fs.open(file, { flag: "r" }), (opened) =>
            Unnumbered.searchBack(search, opened, whole, series)))
          isWhole &&= searched
        }
        // What was not found may be further back. Of streams without positions, nothing can be found.
        const uncertain = streams.filter((stream) => {
          const name = series.ofStream(stream)
          return name === undefined || (!isWhole && search.sought.has(name))
        })
        const past: Past = { chain: Chains.start, positions: search.found, streams: uncertain }
        return past
      })

    // The newest rotated file that says where it stands; before there were any, all together.
    const pastOf = (rotated: ReadonlyArray<Rotated>, newer: ReadonlyArray<readonly [file: string, whole: number]>) =>
      Effect.gen(function*() {
        const older: Array<readonly [file: string, whole: number, last: Event]> = []
        for (const { file, isCompressed } of [...rotated].reverse()) {
          const found = yield* isCompressed ? withContent(inFolder(file), look) : look(inFolder(file))
          if (found._tag === "Foreign") return yield* unsuitable(`the newest of its files is ${file}, and ${found.reason}`)
          if (found._tag === "Numbered" && newer.length === 0) return found
          if (found._tag === "Unnumbered") older.push([inFolder(file), found.whole, found.last])
        }
        const byTime = Unnumbered.byLastEvent(series)
        const files = older.sort(([, , a], [, , b]) => byTime(b, a)).map(([file, whole]) => [file, whole] as const)
        return files.length + newer.length === 0 ? nothing : yield* searchUnnumbered([...newer, ...files])
      })

    const nameFor = Effect.gen(function*() {
      const at = Names.next(yield* Clock.currentTimeMillis, yield* rotatedFiles)
      return inFolder(Names.nameAt(parts, at))
    })

    const isThere = fs.exists(current)
    // Nothing is written before, not even the lock.
    if (yield* isThere) yield* checkType(current)
    yield* Lock.acquire(current)
    let age = 0
    let size = 0
    let past = nothing
    const found: Found = (yield* isThere) ? yield* look(current) : { _tag: "Empty", whole: 0, torn: 0 }
    if (found._tag === "Foreign") return yield* unsuitable(found.reason)
    yield* cut(current, found)
    switch (found._tag) {
      case "Empty":
        past = yield* pastOf(yield* rotatedFiles, [])
        break
      case "Numbered":
        past = found
        size = found.whole
        // A continued file keeps its age.
        age = Math.max(0, (yield* Clock.currentTimeMillis) - found.since)
        break
      case "Unnumbered": {
        past = yield* pastOf(yield* rotatedFiles, [[current, found.whole]])
        yield* fs.rename(current, yield* nameFor)
      }
    }

    // ----------------------------------------------------------------------------------------------------------------
    // The present

    const writer = new Writer(venue, streams, past.chain, past.positions)
    const encoder = new TextEncoder()
    let openedAt = (yield* monotonic) - age
    // After a failure, the lines of the writer are not those of the file.
    let hasFailed = false

    const append = (to: Writing, text: string) =>
      Effect.suspend(() => {
        const bytes = encoder.encode(text)
        return to.file.writeAll(bytes).pipe(
          // Cuts off the part that was written, which would be a torn line.
          Effect.tapError(() => Effect.ignore(to.file.truncate(to.size))),
          Effect.map(() => {
            to.size += bytes.length
          })
        )
      }).pipe(Effect.tapError(() =>
        Effect.sync(() => {
          hasFailed = true
        })
      ))

    const begin = (size: number) =>
      Effect.gen(function*() {
        const fileScope = yield* Scope.make()
        return yield* Effect.gen(function*() {
          const file = yield* Scope.extend(fs.open(current, { flag: "a" }), fileScope)
          const begun: Writing = { file, scope: fileScope, ino: (yield* file.stat).ino, size }
          yield* append(begun, writer.begin(yield* Clock.currentTimeMillis))
          return begun
        }).pipe(Effect.onError(() => closeScope(fileScope, Exit.void)))
      })

    // Writes the data to the disk before it closes the file.
    const finish = (from: Writing) =>
      Effect.gen(function*() {
        if (!hasFailed) yield* append(from, writer.end(yield* Clock.currentTimeMillis))
        yield* from.file.sync
      })

    const close = Effect.suspend(() => closeScope(writing.scope, Exit.void))

    let writing = yield* begin(size)
    yield* Effect.addFinalizer(() => Effect.zipRight(Effect.ignore(Effect.suspend(() => finish(writing))), close))

    const beginNext = Effect.gen(function*() {
      yield* close
      writing = yield* begin(0)
      openedAt = yield* monotonic
    })

    const compressing = Effect.unsafeMakeSemaphore(1)
    const compressLater = (file: string) =>
      gzip
        ? compress(file).pipe(
          compressing.withPermits(1),
          Effect.catchAll((error) => Effect.logWarning(`${file} was not compressed: ${error.message}`)),
          Effect.provideService(FileSystem.FileSystem, fs),
          Effect.forkIn(scope)
        )
        : Effect.void
    if (gzip) {
      for (const { file, isCompressed } of yield* rotatedFiles) if (!isCompressed) yield* compressLater(inFolder(file))
    }

    const rotate = Effect.gen(function*() {
      yield* finish(writing)
      const target = yield* nameFor
      yield* fs.rename(current, target)
      yield* beginNext
      yield* compressLater(target)
    })

    // Another program may move, remove or empty the file: logrotate does. The recording goes on in a new one.
    const checkFile = Effect.gen(function*() {
      const present = yield* Effect.option(fs.stat(current))
      const isSame = Option.exists(present, ({ ino }) => Option.getOrNull(ino) === Option.getOrNull(writing.ino))
      const presentSize = Option.match(present, { onNone: () => 0, onSome: (info) => Number(info.size) })
      if (isSame && presentSize === writing.size) return
      if (presentSize > 0) {
        hasFailed = true
        return yield* unsuitable(isSame ? "another program has changed it" : "another file has taken its place")
      }
      yield* Effect.logWarning(`${parts.base} was moved, removed or emptied. The recording goes on in a new file.`)
      yield* isSame ? Effect.void : finish(writing)
      yield* beginNext
    })

    const isDue = Effect.map(monotonic, (now) =>
      writing.size >= limits.size || now - openedAt >= Duration.toMillis(limits.every))

    const recorder: Recorder = {
      last: (stream) => {
        const name = series.ofStream(stream)
        return name === undefined ? undefined : past.positions.get(name)
      },
      isUncertain: (stream) => {
        const name = series.ofStream(stream)
        return past.streams.includes(stream) && (name === undefined || !past.positions.has(name))
      },
      write: (events) =>
        Effect.gen(function*() {
          yield* checkFile
          if (yield* isDue) yield* rotate
          const entries = events.map((event) => ({ json: jsonOf(event), position: positionOf(series, event) }))
          yield* append(writing, writer.events(entries, yield* Clock.currentTimeMillis))
        }).pipe(Effect.uninterruptible, Effect.mapError(failsAt(path)))
    }
    return recorder
  }).pipe(Effect.mapError((error) => error instanceof RecordingInUse ? error : failsAt(path)(error)))

const isMissing = (error: PlatformError) => error._tag === "SystemError" && error.reason === "NotFound"

const failsAt = (path: string) => (cause: PlatformError) => new RecordingFailed({ path, cause })
