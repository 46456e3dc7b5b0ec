// Reads the lines of a file, compressed or not.
import type { PlatformError } from "@effect/platform/Error"
import { SystemError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { compressed } from "./names.ts"

/** The error of a compressed file that is broken. */
export const broken = (path: string) => (error: unknown) =>
  new SystemError({
    reason: "InvalidData",
    module: "Stream",
    method: "decompress",
    pathOrDescriptor: path,
    description: `it cannot be decompressed (${error instanceof Error ? error.message : String(error)})`
  })

/** Reads what a compressed file has. */
export type Decompress = (path: string) => Stream.Stream<Uint8Array, PlatformError, FileSystem.FileSystem>

const chunkSize = 256 * 1024

// On every platform, but not everywhere for two compressed files that were put together.
const decompress: Decompress = (path) =>
  Stream.unwrap(Effect.map(FileSystem.FileSystem, (fs) => {
    const { readable, writable } = new DecompressionStream("gzip")
    const writer = writable.getWriter()
    const wait = (step: () => Promise<void>) => Effect.tryPromise({ try: step, catch: broken(path) })
    const feed = fs.stream(path, { chunkSize }).pipe(
      // A copy, since the bytes must not be in memory that is shared.
      Stream.mapEffect((part) => wait(() => writer.write(new Uint8Array(part)))),
      Stream.concat(Stream.execute(wait(() => writer.close())))
    )
    const parts = Stream.fromReadableStream<Uint8Array, PlatformError>({ evaluate: () => readable, onError: broken(path) })
    return Stream.drainFork(parts, feed)
  }))

/** The lines that arrived at once. `torn` is what follows the last newline: it is empty until the file ends. */
export interface Lines {
  readonly lines: ReadonlyArray<string>
  readonly torn: string
}

// In characters. A file of another kind may have no end of a line at all.
const longestLine = 64 * 1024 * 1024

const tooLong = (path: string) =>
  new SystemError({
    reason: "InvalidData",
    module: "FileSystem",
    method: "readLines",
    pathOrDescriptor: path,
    description: "it is no recording: it has a line that is longer than 64 MiB"
  })

/** Reads a file, with `from` if its name says that it is compressed. The last element has what follows the last newline. */
export const read = (
  path: string,
  from: Decompress = decompress
): Stream.Stream<Lines, PlatformError, FileSystem.FileSystem> =>
  Stream.unwrap(Effect.map(FileSystem.FileSystem, (fs) => {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
    let rest = ""
    return (path.endsWith(compressed) ? from(path) : fs.stream(path, { chunkSize })).pipe(
      Stream.mapEffect((part): Effect.Effect<Lines, PlatformError> => {
        const [first = "", ...others] = decoder.decode(part, { stream: true }).split("\n")
        rest += first
        if (rest.length > longestLine) return Effect.fail(tooLong(path))
        const last = others.pop()
        if (last === undefined) return Effect.succeed({ lines: [], torn: "" })
        const lines = [rest, ...others]
        rest = last
        return Effect.succeed({ lines, torn: "" })
      }),
      Stream.concat(Stream.sync((): Lines => ({ lines: [], torn: rest + decoder.decode() })))
    )
  }))
