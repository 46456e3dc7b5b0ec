// Looks streams up in what the venue lists, if they have had no data some seconds after they were opened. A venue that
// acknowledges every name would leave a misspelt symbol silent for ever.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { StreamUnknown } from "../../market/FeedError.ts"
import type { Stream, Venue } from "../../market/Venue.ts"
import { monotonic } from "../time/monotonic.ts"

export interface LookUps {
  /** Looks a stream up if it stays without data. */
  readonly add: (subject: Subject) => Effect.Effect<void, never, Scope.Scope>
}

export interface Subject {
  readonly stream: Stream
  readonly hasData: () => boolean
  /** Called if the venue does not list the stream. */
  readonly fail: (error: StreamUnknown) => Effect.Effect<void>
}

interface Waiting extends Subject {
  /** The monotonic time from which on it is looked up. */
  due: number
}

// Most streams of the busy symbols have data by then, and need no list. In milliseconds.
const firstData = 2_000
// A question that takes longer is put again later, in milliseconds: the list is not worth the weight of many requests.
const answerTakes = 15_000
// The time between two attempts when the venue cannot be asked, in milliseconds.
const betweenAttempts = 60_000

/** One fibre serves all streams of a feed; it sleeps while none waits. */
export const make = Effect.fnUntraced(function*({ lookUp }: Pick<Venue, "lookUp">) {
  if (lookUp === undefined) return { add: () => Effect.void } satisfies LookUps
  const waiting = new Set<Waiting>()
  const some = Effect.unsafeMakeLatch(false)

  const check = Effect.fnUntraced(function*(entry: Waiting) {
    // A defect of an adapter must not end the look-ups of all other streams.
    const answer = yield* Effect.exit(Effect.timeout(lookUp(entry.stream), answerTakes))
    if (Exit.isFailure(answer)) {
      // The venue would not answer for the others either.
      const later = (yield* monotonic) + betweenAttempts
      for (const each of waiting) each.due = later
      yield* Effect.logDebug(`${entry.stream.name} cannot be looked up.`, answer.cause)
      return
    }
    // Its readers may have left meanwhile, or its first data may have come.
    if (!waiting.delete(entry) || answer.value === undefined || entry.hasData()) return
    yield* Effect.logWarning(answer.value.message)
    yield* entry.fail(answer.value)
  })

  const sweep = Effect.gen(function*() {
    const now = yield* monotonic
    for (const entry of waiting) {
      if (entry.hasData()) waiting.delete(entry)
      else if (entry.due <= now) yield* check(entry)
    }
    if (waiting.size === 0) yield* some.close
  })

  yield* Effect.forkScoped(Effect.forever(some.await.pipe(Effect.zipRight(Effect.sleep(firstData)), Effect.zipRight(sweep))))

  return {
    add: (subject) =>
      Effect.acquireRelease(
        Effect.map(monotonic, (now) => {
          const entry: Waiting = { ...subject, due: now + firstData }
          waiting.add(entry)
          some.unsafeOpen()
          return entry
        }),
        (entry) => Effect.sync(() => waiting.delete(entry))
      ).pipe(Effect.asVoid)
  } satisfies LookUps
})
