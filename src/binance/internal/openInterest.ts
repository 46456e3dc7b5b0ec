// Open interest, which no socket has: fetched again and again, and read like a stream.
import type * as ConfigError from "effect/ConfigError"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import { positive } from "../../internal/connection/settings.ts"
import { invalid } from "../../internal/connection/reconnectSettings.ts"
import { gapOf } from "../../internal/feed/pipeline.ts"
import * as Broadcast from "../../internal/stream/broadcast.ts"
import * as Cursors from "../../internal/stream/cursors.ts"
import { monotonic } from "../../internal/time/monotonic.ts"
import { sleep } from "../../internal/time/sleep.ts"
import type { FeedError } from "../../market/FeedError.ts"
import { StreamUnknown } from "../../market/FeedError.ts"
import type { Ended, Gap } from "../../market/MarketEvent.ts"
import { NotRepairable } from "../../market/MarketEvent.ts"
import type { Events } from "../../market/MarketFeed.ts"
import type { OpenInterest } from "../MarketEvent.ts"
import type { Rest } from "../Rest.ts"
import { saysUnknownSymbol } from "./restRefusal.ts"
import { isSymbol } from "./streamCheck.ts"

const source = "binance"

/** How often it is fetched if the reader does not say. */
export const usual = Duration.seconds(10)

// The longest wait after a request that failed.
const longestWait = Duration.minutes(5)

/** A poll. Readers of the same symbol at the same pace share it. */
interface Subject {
  readonly symbol: string
  readonly every: number
}

type Event = OpenInterest | Ended | Gap

const nameOf = (symbol: string) => `${symbol.toLowerCase()}@openInterest`

const resolve = (every: Duration.DurationInput | undefined): Either.Either<number, ConfigError.ConfigError> =>
  Either.flatMap(positive("every", every, usual), (given) =>
    Duration.isFinite(given) ? Either.right(Duration.toMillis(given)) : Either.left(invalid(["every"], "Infinity", "a duration that ends")))

// Why a market has none, as far as the symbol tells.
const refusal = (hasFutures: boolean, symbol: string): StreamUnknown | undefined => {
  const stream = nameOf(symbol)
  if (!hasFutures) return new StreamUnknown({ stream, reason: "the spot market has no open interest, only futures have it", near: [] })
  return isSymbol(symbol) ? undefined : new StreamUnknown({ stream, reason: `${symbol === "" ? "an empty text" : symbol} is no symbol`, near: [] })
}

/** Reads open interest, if the venue has futures. `lookUp` finds what is near to a symbol that the venue does not know. */
export const make = (
  hasFutures: boolean,
  { openInterest }: Pick<Rest, "openInterest">,
  lookUp: (name: string) => Effect.Effect<StreamUnknown | undefined, unknown>
): Effect.Effect<
  (symbols: ReadonlyArray<string>, every: Duration.DurationInput | undefined) => Events<OpenInterest | Ended>,
  never,
  Scope.Scope
> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const now = () => clock.unsafeCurrentTimeMillis()

    const unknownSymbol = (symbol: string) => {
      const stream = nameOf(symbol)
      const unlisted = new StreamUnknown({ stream, reason: `the venue does not know the symbol ${symbol}`, near: [] })
      return Effect.map(Effect.orElseSucceed(lookUp(stream), () => undefined), (found) => found ?? unlisted)
    }

    const poll = (symbol: string, every: number, emit: (event: OpenInterest) => Effect.Effect<unknown>) =>
      Effect.gen(function*() {
        let last: OpenInterest["data"] | undefined
        let failures = 0
        for (;;) {
          const began = yield* monotonic
          const answer = yield* Effect.either(openInterest(symbol))
          if (Either.isRight(answer)) {
            const data = answer.right
            failures = 0
            if (data.time !== last?.time || data.openInterest !== last.openInterest) {
              yield* emit({ source, symbol, type: "openInterest", data, timestamp: data.time, via: "rest" })
            }
            last = data
            yield* sleep(Duration.millis(Math.max(0, began + every - (yield* monotonic))))
            continue
          }
          const error = answer.left
          if (error._tag === "RestRejected") return yield* saysUnknownSymbol(error.code) ? Effect.flip(unknownSymbol(symbol)) : error
          const wait = Duration.min(Duration.millis(every * 2 ** failures++), longestWait)
          yield* Effect.logWarning(`${nameOf(symbol)} was not fetched, and is asked for again later. ${error.message}`)
          yield* sleep(wait)
        }
      })

    const broadcastOf = (symbol: string) =>
      Broadcast.make<Event, FeedError>({
        capacity: 16,
        // A slow reader is asked for less.
        overflow: "suspend",
        fold: () => gapOf({ now, source }, { name: nameOf(symbol), symbol }, new NotRepairable({ reason: "The stream has ended." }))
      })

    const ended = (symbol: string, error: FeedError) =>
      Effect.sync(() => {
        const broadcast = broadcastOf(symbol)
        broadcast.end(Exit.fail(error))
        return broadcast
      })

    const open = ({ every, symbol }: Subject) =>
      Effect.gen(function*() {
        const broadcast = broadcastOf(symbol)
        yield* Effect.onExit(Effect.interruptible(poll(symbol, every, (event) => broadcast.offerAll([event]))), (exit) =>
          Effect.sync(() => {
            broadcast.end(Exit.isInterrupted(exit) ? Exit.void : exit)
          })).pipe(Effect.forkScoped)
        return broadcast
      })

    const polled = yield* RcMap.make({ lookup: open })

    const get = (subject: Subject) => {
      const key = Data.struct(subject)
      // Readers of several symbols keep one that has ended. The next reader asks for it anew.
      return Effect.flatMap(RcMap.get(polled, key), (broadcast) =>
        broadcast.ended() === undefined ? Effect.succeed(broadcast) : Effect.zipRight(RcMap.invalidate(polled, key), RcMap.get(polled, key)))
    }

    return (symbols, every) => {
      const pace = resolve(every)
      const all = [...new Set(symbols.map((symbol) => symbol.toUpperCase()))]
      const sources = Effect.forEach(all, (symbol) => {
        const refused = refusal(hasFutures, symbol)
        if (refused !== undefined) return ended(symbol, refused)
        return Either.isLeft(pace) ? ended(symbol, pace.left) : get({ symbol, every: pace.right })
      })
      const told = (index: number, error: FeedError): Ended => {
        const symbol = all[index] ?? ""
        return { source, symbol, type: "ended", data: { stream: nameOf(symbol), error }, timestamp: now(), via: "rest" }
      }
      return Cursors.merge(sources, identity<ReadonlyArray<Event>>, told)
    }
  })
