// Reads the body of an answer, up to a size. The size counts after decompression: a small body may unpack to gigabytes.
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Json from "../../market/Json.ts"

/** The body cannot be used. `reason` is a clause that follows a colon. */
export class BadBody extends Data.TaggedError("BadBody")<{ readonly reason: string }> {}

const mebi = 1_048_576

/** The most bytes of an answer. The largest that the client asks for, the tickers of all symbols, has about 1 MiB. */
export const largest = 16 * mebi

const joined = (chunks: ReadonlyArray<Uint8Array>, size: number): Uint8Array => {
  const [only] = chunks
  if (only !== undefined && chunks.length === 1) return only
  const all = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.length
  }
  return all
}

const bytes = ({ stream }: HttpClientResponse.HttpClientResponse) =>
  Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    return stream.pipe(
      Stream.runForEach((chunk) => {
        size += chunk.length
        if (size > largest) return new BadBody({ reason: `its answer is longer than ${largest / mebi} MiB` })
        chunks.push(chunk)
        return Effect.void
      }),
      Effect.map(() => joined(chunks, size))
    )
  })

/** Reads a body as JSON. What is beyond the largest size is not read. */
export const json = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<unknown, BadBody> =>
  bytes(response).pipe(
    Effect.catchTag("ResponseError", ({ reason }) =>
      new BadBody({ reason: reason === "EmptyBody" ? "its answer is empty" : "its answer was cut off" })),
    Effect.flatMap((all) => Effect.mapError(Json.parse(all), ({ reason }) => new BadBody({ reason: reason.replace(/^it /, "its answer ") })))
  )
