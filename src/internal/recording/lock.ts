// A file beside a recording, which says who writes to it.
import { SystemError } from "@effect/platform/Error"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { hostname } from "node:os"
import { RecordingInUse } from "./errors.ts"

const Holder = Schema.parseJson(Schema.Struct({
  pid: Schema.Number,
  host: Schema.String,
  /** When the process started, as its system counts. A later process may get the same pid. */
  started: Schema.String
}))
type Holder = typeof Holder.Type

const decode = Schema.decodeUnknownOption(Holder)
const encode = Schema.encodeSync(Holder)

// Field 22 of /proc/<pid>/stat (proc(5)). The second field is in brackets, and may have spaces.
const startedAt = (fs: FileSystem.FileSystem, pid: number): Effect.Effect<string> =>
  fs.readFileString(`/proc/${pid}/stat`).pipe(
    Effect.map((stat) => stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? ""),
    Effect.orElseSucceed(() => "")
  )

// Signal 0 only asks whether the process exists.
const isRunning = (pid: number): Effect.Effect<boolean> =>
  Effect.merge(Effect.try({
    try: () => process.kill(pid, 0),
    catch: (error) => error instanceof Error && "code" in error && error.code === "EPERM"
  }))

const isAlive = (fs: FileSystem.FileSystem, { pid, started }: Holder) =>
  Effect.zipWith(
    isRunning(pid),
    startedAt(fs, pid),
    (running, since) => running && (since === "" || started === "" || since === started)
  )

const isMissing = (error: PlatformError) => error._tag === "SystemError" && error.reason === "NotFound"
const exists = (error: PlatformError) => error instanceof SystemError && error.reason === "AlreadyExists"

/** Holds the lock until the scope closes. Takes it over from a process that has ended. */
export const acquire = (path: string): Effect.Effect<void, PlatformError | RecordingInUse, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const lock = `${path}.lock`
    const host = hostname()
    const own = encode({ pid: process.pid, host, started: yield* startedAt(fs, process.pid) })
    // None if there is no such file.
    const read = (file: string) =>
      Effect.asSome(fs.readFileString(file)).pipe(Effect.catchIf(isMissing, () => Effect.succeedNone))
    const release = Effect.ignore(Effect.flatMap(read(lock), (text) => Option.contains(text, own) ? fs.remove(lock) : Effect.void))
    const aside = `${lock}.${process.pid}`
    const removeAside = Effect.ignore(fs.remove(aside))

    const inUse = (file: string, { host: other, pid }: Holder) =>
      new RecordingInUse({ path, lock: file, pid, host: other, isElsewhere: other !== host })

    // The process that holds a lock with this text. None if it has ended.
    const holderOf = (text: string) =>
      Effect.gen(function*() {
        const holder = decode(text)
        const isHeld = Option.isSome(holder) && (holder.value.host !== host || (yield* isAlive(fs, holder.value)))
        return isHeld ? holder : Option.none<Holder>()
      })

    // A file appears with its content: another process that found it empty would take it for one that a crash has torn.
    const put = (file: string) =>
      Effect.acquireUseRelease(fs.writeFileString(aside, own), () => fs.link(aside, file), () => removeAside).pipe(
        // Some file systems have no links.
        Effect.catchIf((error) => !exists(error), () => fs.writeFileString(file, own, { flag: "wx" }))
      )

    // One process at a time removes a lock, so that none removes one that another has just put there.
    const guard = `${lock}.takeover`
    const removeGuard = Effect.ignore(fs.remove(guard))
    const takeOver = (dead: string) =>
      Effect.acquireUseRelease(
        put(guard),
        () => Effect.flatMap(read(lock), (text) => Option.contains(text, dead) ? Effect.ignore(fs.remove(lock)) : Effect.void),
        () => removeGuard
      ).pipe(
        Effect.catchIf(exists, () =>
          Effect.gen(function*() {
            const text = yield* read(guard)
            const holder = Option.isSome(text) ? yield* holderOf(text.value) : Option.none<Holder>()
            if (Option.isSome(holder) && holder.value.host !== host) return yield* inUse(guard, holder.value)
            if (Option.isSome(text) && Option.isNone(holder)) yield* removeGuard
          }))
      )

    const attempt: Effect.Effect<void, PlatformError | RecordingInUse> = Effect.suspend(() =>
      Effect.catchIf(put(lock), exists, () =>
        Effect.gen(function*() {
          const text = yield* read(lock)
          // It was released just now.
          if (Option.isNone(text)) return yield* attempt
          const holder = yield* holderOf(text.value)
          if (Option.isSome(holder)) return yield* inUse(lock, holder.value)
          yield* takeOver(text.value)
          return yield* attempt
        })))
    yield* Effect.acquireRelease(attempt, () => release)
  })
