// Compresses rotated files, and reads them.
import { SystemError } from "@effect/platform/Error"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { createReadStream, createWriteStream } from "node:fs"
import { pipeline as connect } from "node:stream"
import { pipeline } from "node:stream/promises"
import { createGunzip, createGzip } from "node:zlib"
import type { Decompress } from "./lines.ts"
import { broken } from "./lines.ts"
import { compressed } from "./names.ts"

const failed = (path: string) => (error: unknown) =>
  new SystemError({
    reason: "Unknown",
    module: "FileSystem",
    method: "compress",
    pathOrDescriptor: path,
    description: error instanceof Error ? error.message : String(error)
  })

const through = (from: string, transform: NodeJS.ReadWriteStream, to: string) =>
  Effect.tryPromise({
    try: (signal) => pipeline(createReadStream(from), transform, createWriteStream(to, { flush: true }), { signal }),
    catch: failed(from)
  })

/** The name of a file that is not whole yet. */
export const partOf = (path: string): string => `${path}.part`

/**
 * Compresses a file and removes it. At every moment, the file or its whole compressed form exists; what an earlier run has left
 * half done is done again.
 */
export const compress = (path: string): Effect.Effect<void, PlatformError, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const target = `${path}${compressed}`
    if (!(yield* fs.exists(target))) {
      yield* Effect.suspend(() => through(path, createGzip(), partOf(target)))
      yield* fs.rename(partOf(target), target)
    }
    yield* fs.remove(path)
  })

/** Uses the content of a compressed file, in a file that is removed afterwards. */
export const withContent = <A, E, R>(
  path: string,
  use: (content: string) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | PlatformError, R | FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.acquireUseRelease(
      Effect.suspend(() => through(path, createGunzip(), partOf(path))),
      () => use(partOf(path)),
      () => Effect.ignore(fs.remove(partOf(path)))
    ))

/** Reads what a compressed file has, or several that were put together. */
export const decompress: Decompress = (path) =>
  Stream.unwrap(Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.as(
      fs.access(path),
      // An error ends the reading, which throws it.
      Stream.suspend(() =>
        Stream.fromAsyncIterable<Uint8Array, PlatformError>(connect(createReadStream(path), createGunzip(), () => undefined), broken(path)))
    )))
