// Keeps one order book equal to the venue's: takes a snapshot, applies the updates that continue it, and takes a new snapshot
// when an update is missing.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as OrderBook from "../../market/OrderBook.ts"
import type { RestError } from "../../market/RestError.ts"
import type { SessionError } from "../../SessionError.ts"
import { BookStatus } from "./bookStatus.ts"
import type { Drained } from "./bookUpdates.ts"
import { BookUpdates, lost } from "./bookUpdates.ts"
import * as IdReset from "./idReset.ts"
import * as Lag from "./lag.ts"
import { monotonic } from "../time/monotonic.ts"

export interface Options<Diff> {
  readonly symbol: string
  readonly rules: OrderBook.Rules<Diff>
  /** Levels a side to request in a snapshot. */
  readonly limit: number
  readonly capacity: number
  readonly snapshot: Effect.Effect<OrderBook.Snapshot, RestError>
  readonly listen: (listener: {
    readonly data: (diff: Diff) => void
    readonly lost: (why: string) => void
    readonly end: (exit: Exit.Exit<void, SessionError>) => void
  }) => Effect.Effect<void, never, Scope.Scope>
}

/** A snapshot with the updates that continue it, and the time of the last one. */
interface Begun<Diff> {
  readonly book: OrderBook.Book<Diff>
  readonly at: number
}

// The reason why the book needs a new snapshot, and whether that is an id reset.
interface Ending {
  readonly reason: string
  readonly isIdReset: boolean
}
const ending = (reason: string, isIdReset = false): Ending => ({ reason, isIdReset })

// After this time without a first update, the synchroniser requests a snapshot, to find out whether the book exists.
const firstUpdateTimeout = Duration.seconds(5)
const longestWait = Duration.seconds(5)
const wait = (useless: number) => Effect.sleep(Duration.min(Lag.waitAfter(useless), longestWait))
// If less than this share of the requested levels is still known, the book takes a new snapshot.
const leastKnown = 0.1
const sides = ["bids", "asks"] as const

export const make = <Diff extends object>(options: Options<Diff>) =>
  Effect.gen(function*() {
    const status = new BookStatus<Diff>(options.symbol, options.limit)
    const updates = new BookUpdates<Diff>(options.capacity)
    yield* options.listen({
      data: (diff) => {
        updates.offer(diff)
      },
      lost: (why) => {
        // At once, ahead of the queued updates: from this moment on the book may be wrong.
        status.stale(why)
        updates.offerLoss()
      },
      end: (exit) => {
        status.end(exit)
      }
    })
    yield* Effect.forkScoped(Effect.interruptible(keep(options, status, updates)))
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        status.end(Exit.void)
      })
    )
    return status.reader()
  })

const keep = Effect.fnUntraced(function*<Diff extends object>(
  options: Options<Diff>,
  status: BookStatus<Diff>,
  updates: BookUpdates<Diff>
) {
  const begin = makeBegin(options, status, updates)
  let isIdReset = false
  let failures = 0
  for (;;) {
    const begun = yield* Effect.either(begin(isIdReset))
    if (Either.isLeft(begun)) {
      status.end(Exit.fail(begun.left))
      return
    }
    const startedAt = yield* monotonic
    if (begun.right !== undefined) {
      if (!updates.isLossAhead()) status.sync(begun.right.book)
      const ended: Ending = yield* follow(options, status, updates, begun.right)
      isIdReset = ended.isIdReset
      status.stale(ended.reason)
      yield* Effect.logInfo(`The book of ${options.symbol} takes a new snapshot: ${ended.reason}.`)
    }
    // A book that fails again and again must not use up the request budget of the others.
    failures = (yield* monotonic) - startedAt < Duration.toMillis(longestWait) ? failures + 1 : 0
    if (failures > 1) yield* wait(failures - 2)
  }
})

// ---------------------------------------------------------------------------------------------------------------------
// The snapshot, and the updates that arrive meanwhile

// The updates that wait for a snapshot, oldest first.
const held = <Diff extends object>({ capacity, rules }: Options<Diff>) => {
  let diffs: Array<Diff> = []
  return {
    all: (): ReadonlyArray<Diff> => diffs,
    add: ({ items, outdated }: Drained<Diff>) => {
      // Without updates from after the loss, a snapshot could go out of date unnoticed.
      if (outdated > 0) diffs = []
      for (const item of items.slice(outdated)) {
        if (item === lost) continue
        const last = diffs.at(-1)
        // New ids do not continue updates with old ids.
        if (last !== undefined && rules.idOf(item) < rules.idOf(last) && IdReset.isIdReset(rules.timeOf(item), rules.timeOf(last))) {
          diffs = []
        }
        diffs.push(item)
      }
      if (diffs.length > capacity) diffs.splice(0, diffs.length - capacity)
    }
  }
}

const makeBegin = <Diff extends object>(options: Options<Diff>, status: BookStatus<Diff>, updates: BookUpdates<Diff>) => {
  const { limit, rules } = options
  // Whether the symbol exists. If it does not, no update ever comes, and the venue rejects the snapshot.
  let isKnown = false

  // A rejected request would be rejected again. All other failures may pass.
  const snapshot = options.snapshot.pipe(
    Effect.tapError(({ message }) =>
      Effect.sync(() => {
        status.explainStale(`no snapshot came. ${message.replace(/\.$/, "")}`)
      })
    ),
    Effect.retry({ while: ({ _tag }) => _tag !== "RestRejected", schedule: Schedule.spaced(longestWait) })
  )

  const awaitUpdates = Effect.gen(function*() {
    if (isKnown) yield* updates.ready
    else if (Option.isNone(yield* Effect.timeoutOption(updates.ready, firstUpdateTimeout))) yield* snapshot
    isKnown = true
  })

  // Whether no update is missing between a snapshot and the held updates. After an id reset, a snapshot that is ahead of all
  // updates may still have an old id.
  const isUsable = ({ lastUpdateId }: OrderBook.Snapshot, first: Diff, last: Diff, isIdReset: boolean) =>
    (rules.idOf(first) <= lastUpdateId || rules.follows(first, lastUpdateId, true)) &&
    !(isIdReset && lastUpdateId > rules.idOf(last))

  // Takes a usable snapshot and applies the held updates to it. Returns undefined if one of them does not fit.
  return Effect.fnUntraced(function*(isIdReset: boolean) {
    const { add, all } = held(options)
    const hold = () => {
      const drained = updates.drain()
      if (drained.outdated > 0) status.explainStale("the connection was lost")
      add(drained)
    }
    for (let useless = 0;; useless++) {
      while (all().length === 0) {
        yield* awaitUpdates
        hold()
      }
      const begun = yield* snapshot
      hold()
      const [first] = all()
      const last = all().at(-1)
      if (first === undefined || last === undefined) continue
      if (!isUsable(begun, first, last, isIdReset)) {
        yield* wait(useless)
        continue
      }
      const book = OrderBook.makeBook(rules, begun, limit)
      for (const diff of all()) {
        const outcome = book.apply(diff)
        if (outcome === "gap" || outcome === "crossed") return undefined
      }
      return { book, at: rules.timeOf(last) } satisfies Begun<Diff>
    }
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// The updates after the snapshot

const follow = Effect.fnUntraced(function*<Diff extends object>(
  { limit, rules }: Options<Diff>,
  status: BookStatus<Diff>,
  updates: BookUpdates<Diff>,
  { at: begunAt, book }: Begun<Diff>
) {
  let latest = begunAt
  for (;;) {
    yield* updates.ready
    const { items, outdated } = updates.drain()
    for (const [at, item] of items.entries()) {
      if (item === lost) continue
      const outcome = book.apply(item)
      if (outcome === "ignored") {
        if (!IdReset.isIdReset(rules.timeOf(item), latest)) continue
        return ending("the venue has reset its update ids", true)
      }
      latest = rules.timeOf(item)
      if (outcome === "gap") return ending("an update is missing")
      if (outcome === "crossed") return ending("its best bid and ask crossed")
      // Updates from before the loss do not make the book right again.
      if (at < outdated) continue
      if (status.tag !== "Stale") status.update(item, rules)
      // The first update after the loss continues the book: nothing was missed.
      else if (!updates.isLossAhead()) status.sync(book)
    }
    // A complete side may have few levels.
    if (sides.some((side) => book.isPartial(side) && book.known(side) < limit * leastKnown)) {
      return ending("too few levels of its snapshot are left")
    }
  }
})
