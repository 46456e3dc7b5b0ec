// The names of the streams that a recording says it has.
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { isOwn, ownLine } from "./format.ts"
import * as Lines from "./lines.ts"
import { split } from "./link.ts"

/** Finds the streams of all runs in these files. Empty for files of version 0.1.0, which do not say. */
export const streamsIn = (
  files: ReadonlyArray<string>
): Effect.Effect<ReadonlySet<string>, PlatformError, FileSystem.FileSystem> =>
  Stream.fromIterable(files).pipe(
    Stream.flatMap(Lines.read),
    Stream.runFold(new Set<string>(), (streams, { lines }) => {
      for (const line of lines) {
        const own = isOwn(line) ? ownLine(split(line)?.json ?? line) : undefined
        for (const stream of own?.data.streams ?? []) streams.add(stream)
      }
      return streams
    })
  )
