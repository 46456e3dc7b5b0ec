// Asks a venue for the activity of streams, for all connections of a feed together.
import * as Effect from "effect/Effect"
import type { Activity, Venue } from "../../market/Venue.ts"
import type { Ask } from "../session/idle.ts"
import { monotonic } from "../time/monotonic.ts"

// Questions of several connections that come within this time share an answer, in milliseconds.
const shared = 5_000
// A key that nobody has asked about for this long is not asked about again, in milliseconds.
const remembered = 60_000

/** An answer, with the monotonic time of its question. */
interface Answer {
  readonly at: number
  readonly keys: ReadonlySet<string>
  readonly counts: ReadonlyMap<string, number>
}

/**
 * Returns what the sessions of a feed ask. The cost does not grow with the number of connections: a question has all keys that
 * any connection has asked about in the last minute, and its answer serves all questions of the next seconds that it can answer:
 * a venue may count more than it was asked for.
 */
export const make = (venue: Pick<Venue, "stream">, { counts, keyOf }: Activity): Ask => {
  const lock = Effect.unsafeMakeSemaphore(1)
  // When each key was last asked about.
  const asked = new Map<string, number>()
  let latest: Answer | undefined

  const ask = (keys: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const at = yield* monotonic
      for (const key of keys) asked.set(key, at)
      for (const [key, since] of asked) if (at - since > remembered) asked.delete(key)
      const all = [...asked.keys()]
      const answer: Answer = { at, keys: new Set(all), counts: yield* counts(all) }
      latest = answer
      return answer
    })

  const answerFor = (keys: ReadonlyArray<string>) =>
    Effect.flatMap(monotonic, (at) =>
      latest !== undefined && at - latest.at < shared && keys.every((key) => latest?.keys.has(key) === true || latest?.counts.has(key) === true)
        ? Effect.succeed(latest)
        : ask(keys)
    ).pipe(lock.withPermits(1))

  return (topics) => {
    const keyOfTopic = topics.flatMap((topic) => {
      const key = keyOf(venue.stream(topic))
      return key === undefined ? [] : [[topic, key] as const]
    })
    if (keyOfTopic.length === 0) return Effect.succeed({ at: 0, counts: new Map() })
    return answerFor([...new Set(keyOfTopic.map(([, key]) => key))]).pipe(
      Effect.map(({ at, counts }) => ({
        at,
        counts: new Map(keyOfTopic.flatMap(([topic, key]) => {
          const count = counts.get(key)
          return count === undefined ? [] : [[topic, count] as const]
        }))
      })),
      Effect.catchAll((error) =>
        Effect.as(Effect.logDebug(`The activity of silent streams cannot be asked for: ${error.message}`), undefined))
    )
  }
}
