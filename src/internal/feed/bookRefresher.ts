// Takes new snapshots of a book that is right, while its updates go on: to reach deeper, or to audit it. The updates are applied to
// the snapshot as well. Once both have the same update id, they can be compared, and the new book can replace the old one.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberHandle from "effect/FiberHandle"
import * as OrderBook from "../../market/OrderBook.ts"
import type { RestError } from "../../market/RestError.ts"
import { monotonic } from "../time/monotonic.ts"
import { sleep } from "../time/sleep.ts"
import * as BookUpdates from "./bookUpdates.ts"
import * as Lag from "./lag.ts"

/** The reason for a snapshot: too few levels are left, or the book is to be compared with the venue's. */
export type Purpose = "depth" | "audit"

export type Settled<Diff> =
  /** Both books have the same update id. */
  | { readonly _tag: "Reached"; readonly fresh: OrderBook.Book<Diff>; readonly purpose: Purpose }
  /** The snapshot was older than the updates. */
  | { readonly _tag: "Useless"; readonly purpose: Purpose }
  /** The venue is ahead of the book, and for long no update came. */
  | { readonly _tag: "Stopped" }

export interface Options<Diff> {
  readonly symbol: string
  readonly rules: OrderBook.Rules<Diff>
  readonly limit: number
  /** Fetches a snapshot. Undefined: it comes with the updates, after `askAgain`. */
  readonly snapshot: Effect.Effect<OrderBook.Snapshot, RestError> | undefined
  readonly askAgain: Effect.Effect<void>
  /** Waits until the budget of the venue allows an audit. */
  readonly auditTurn: Effect.Effect<void>
  /** Called when updates that waited for the snapshot no longer fit. */
  readonly dropped: (what: "updates", count: number) => void
  /** Called when `settle` may have a result. */
  readonly wake: () => void
}

export interface Refresher<Diff> {
  /** Requests a snapshot, unless one is under way. It waits before, if the last request was not long ago. */
  readonly request: (purpose: Purpose) => Effect.Effect<void>
  /** Takes an update that was applied to the book. */
  readonly take: (diff: Diff) => void
  /** The result of the request, if there is one for the book as it is now. */
  readonly settle: (book: OrderBook.Book<Diff>) => Settled<Diff> | undefined
  /** Gives up the request. */
  readonly stop: Effect.Effect<void>
}

// A request within this time after the last one waits longer each time.
const soon = 2_000
const longestWait = Duration.seconds(5)
// An update that the venue's snapshot already has may take this long to arrive.
const updateTakes = Duration.seconds(10)

// A request whose answer may have come.
interface Pending<Diff> {
  readonly purpose: Purpose
  /** The updates since the request. */
  held: Array<Diff>
  levels: number
  fresh: OrderBook.Book<Diff> | undefined
  isUseless: boolean
  isOverdue: boolean
}

export const make = <Diff>(options: Options<Diff>) =>
  Effect.gen(function*() {
    const { askAgain, auditTurn, dropped, limit, rules, snapshot, symbol, wake } = options
    const fiber = yield* FiberHandle.make()
    let pending: Pending<Diff> | undefined
    let isUnderWay = false
    let endedAt = Number.NEGATIVE_INFINITY
    let quick = 0

    const apply = (to: Pending<Diff>, fresh: OrderBook.Book<Diff>, diff: Diff) => {
      const outcome = fresh.apply(diff)
      if (outcome !== "applied" && outcome !== "ignored") to.isUseless = true
    }

    const begin = (purpose: Purpose) => {
      const begun: Pending<Diff> = { purpose, held: [], levels: 0, fresh: undefined, isUseless: false, isOverdue: false }
      pending = begun
      return begun
    }

    const fetch = (purpose: Purpose, from: Effect.Effect<OrderBook.Snapshot, RestError>) =>
      Effect.gen(function*() {
        const asked = begin(purpose)
        const fresh = OrderBook.makeBook(rules, yield* from, limit)
        asked.fresh = fresh
        for (const diff of asked.held) apply(asked, fresh, diff)
        asked.held = []
        wake()
        yield* sleep(updateTakes)
        asked.isOverdue = true
        wake()
        return yield* Effect.never
      })

    const ended = Effect.map(monotonic, (at) => {
      pending = undefined
      isUnderWay = false
      endedAt = at
    })

    const stop = Effect.suspend(() => isUnderWay ? FiberHandle.clear(fiber) : Effect.void)

    return {
      request: (purpose) =>
        Effect.gen(function*() {
          if (isUnderWay) return
          isUnderWay = true
          quick = (yield* monotonic) - endedAt < soon ? quick + 1 : 0
          const wait = quick === 0 ? Duration.zero : Duration.min(Lag.waitAfter(quick - 1), longestWait)
          yield* FiberHandle.run(
            fiber,
            sleep(wait).pipe(
              Effect.zipRight(purpose === "audit" ? auditTurn : Effect.void),
              // A snapshot in the stream is settled there.
              Effect.zipRight(snapshot === undefined ? Effect.zipRight(askAgain, sleep(updateTakes)) : fetch(purpose, snapshot)),
              Effect.catchAll(({ message }) => Effect.logWarning(`The book of ${symbol} got no new snapshot. ${message}`)),
              Effect.ensuring(ended)
            )
          )
        }),
      take: (diff) => {
        if (pending === undefined) return
        if (pending.fresh !== undefined) {
          apply(pending, pending.fresh, diff)
          return
        }
        pending.held.push(diff)
        pending.levels += BookUpdates.levelsIn(rules, diff)
        if (pending.levels <= BookUpdates.levelsAtMost) return
        dropped("updates", pending.held.length)
        pending.held = []
        pending.isUseless = true
      },
      settle: (book) => {
        if (pending?.fresh === undefined) return undefined
        const { fresh, isOverdue, isUseless, purpose } = pending
        const ahead = fresh.lastUpdateId() - book.lastUpdateId()
        if (isUseless || ahead < 0) return { _tag: "Useless", purpose }
        if (ahead === 0) return { _tag: "Reached", fresh, purpose }
        return isOverdue ? { _tag: "Stopped" } : undefined
      },
      stop
    } satisfies Refresher<Diff>
  })
