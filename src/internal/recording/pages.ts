// Reads a part of a file.
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"

export const newline = 10

/** Reads the bytes from an offset on: as many as asked for, or up to the end of the file. */
export const read = (file: FileSystem.File, offset: number, length: number): Effect.Effect<Uint8Array, PlatformError> =>
  Effect.gen(function*() {
    const bytes = new Uint8Array(length)
    yield* file.seek(offset, "start")
    let filled = 0
    while (filled < length) {
      const count = Number(yield* file.read(bytes.subarray(filled)))
      if (count === 0) break
      filled += count
    }
    return bytes.subarray(0, filled)
  })

/** Decodes text without changing anything in it. */
export const textOf = (bytes: Uint8Array): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)
