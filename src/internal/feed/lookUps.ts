// Looks streams up in what the venue lists, if they have had no data some seconds after they were opened. A venue that
// acknowledges every name would leave a misspelt symbol silent for ever.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { StreamUnknown } from "../../market/FeedError.ts"
import type { Stream, Venue } from "../../market/Venue.ts"
import type { Message } from "../../Transport.ts"
import type { Pool } from "../pool/pool.ts"
import { monotonic } from "../time/monotonic.ts"

export interface LookUps {
  /** Looks the stream up if it stays without data, and calls `fail` if the venue does not list it. */
  readonly add: (stream: Stream, fail: (error: StreamUnknown) => Effect.Effect<void>) => Effect.Effect<void, never, Scope.Scope>
}

interface Waiting {
  readonly stream: Stream
  readonly fail: (error: StreamUnknown) => Effect.Effect<void>
  /** The monotonic time from which on it is looked up. */
  due: number
}

// Most streams of the busy symbols have data by then, and need no list. In milliseconds.
const firstData = 2_000
// The time between two attempts when the venue cannot be asked, in milliseconds.
const betweenAttempts = 60_000

/** One fibre serves all streams of a feed; it sleeps while none waits. */
export const make = Effect.fnUntraced(function*({ lookUp }: Pick<Venue, "lookUp">, pool: Pool<Message>) {
  if (lookUp === undefined) return { add: () => Effect.void } satisfies LookUps
  const waiting = new Set<Waiting>()
  const some = Effect.unsafeMakeLatch(false)

  const topicsWithData = Effect.map(
    Effect.forEach(pool.sessions(), ({ subscriptions }) => subscriptions),
    (all) => new Set(all.flat().filter(({ lastData }) => Option.isSome(lastData)).map(({ topic }) => topic))
  )

  const check = Effect.fnUntraced(function*(entry: Waiting) {
    // A defect of an adapter must not end the look-ups of all other streams.
    const answer = yield* Effect.exit(lookUp(entry.stream))
    if (Exit.isFailure(answer)) {
      entry.due = (yield* monotonic) + betweenAttempts
      yield* Effect.logDebug(`${entry.stream.name} cannot be looked up.`, answer.cause)
      return
    }
    // Its readers may have left meanwhile.
    if (!waiting.delete(entry) || answer.value === undefined) return
    yield* Effect.logWarning(answer.value.message)
    yield* entry.fail(answer.value)
  })

  const sweep = Effect.gen(function*() {
    const now = yield* monotonic
    const withData = yield* Effect.suspend(() => topicsWithData)
    for (const entry of waiting) {
      if (withData.has(entry.stream.name)) waiting.delete(entry)
      else if (entry.due <= now) yield* check(entry)
    }
    if (waiting.size === 0) yield* some.close
  })

  yield* Effect.forkScoped(Effect.forever(some.await.pipe(Effect.zipRight(Effect.sleep(firstData)), Effect.zipRight(sweep))))

  return {
    add: (stream, fail) =>
      Effect.acquireRelease(
        Effect.map(monotonic, (now) => {
          const entry: Waiting = { stream, fail, due: now + firstData }
          waiting.add(entry)
          some.unsafeOpen()
          return entry
        }),
        (entry) => Effect.sync(() => waiting.delete(entry))
      ).pipe(Effect.asVoid)
  } satisfies LookUps
})
