// Reads the lines of a file, compressed or not.
import type { PlatformError } from "@effect/platform/Error"
import { SystemError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { compressed } from "./names.ts"

const broken = (path: string) => (error: unknown) =>
  new SystemError({
    reason: "InvalidData",
    module: "Stream",
    method: "decompress",
    pathOrDescriptor: path,
    description: `it cannot be decompressed (${error instanceof Error ? error.message : String(error)})`
  })

const decompressed = (path: string, bytes: Stream.Stream<Uint8Array, PlatformError>) =>
  Stream.unwrap(Effect.map(Stream.toReadableStreamEffect(bytes), (readable) =>
    Stream.fromReadableStream<Uint8Array, PlatformError>({
      evaluate: () => readable.pipeThrough(new DecompressionStream("gzip")),
      onError: broken(path)
    })))

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

/** Reads a file. The last element has what follows the last newline. */
export const read = (path: string): Stream.Stream<Lines, PlatformError, FileSystem.FileSystem> =>
  Stream.unwrap(Effect.map(FileSystem.FileSystem, (fs) => {
    const bytes = fs.stream(path, { chunkSize: 256 * 1024 })
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
    let rest = ""
    return (path.endsWith(compressed) ? decompressed(path, bytes) : bytes).pipe(
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
