// Keeps one order book right: a snapshot, the updates that continue it, and a new snapshot whenever one was missed.
import * as Clock from "effect/Clock"
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

export interface Options<Diff> {
  readonly symbol: string
  readonly rules: OrderBook.Rules<Diff>
  /** Levels a side that a snapshot is asked for with. */
  readonly limit: number
  readonly capacity: number
  readonly snapshot: Effect.Effect<OrderBook.Snapshot, RestError>
  readonly listen: (listener: {
    readonly data: (diff: Diff) => void
    readonly lost: (why: string) => void
    readonly end: (exit: Exit.Exit<void, SessionError>) => void
  }) => Effect.Effect<void, never, Scope.Scope>
}

/** A book that continues its snapshot, and the time of the last update in it. */
interface Begun<Diff> {
  readonly book: OrderBook.Book<Diff>
  readonly at: number
}

// Why a book has to begin again, and whether its ids have begun anew.
interface Ending {
  readonly reason: string
  readonly isIdReset: boolean
}
const ending = (reason: string, isIdReset = false): Ending => ({ reason, isIdReset })

// How long nothing may have come before it is asked whether there is such a book at all.
const unreadFor = Duration.seconds(5)
const longestWait = Duration.seconds(5)
const wait = (useless: number) => Effect.sleep(Duration.min(Lag.waitAfter(useless), longestWait))
// Of the levels that a snapshot told of, so many must be left before another is taken.
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
        // Not behind what is still to be read: from this moment on nobody may take the book for right.
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
  const begin = beginner(options, status, updates)
  let isIdReset = false
  let failures = 0
  for (;;) {
    const begun = yield* Effect.either(begin(isIdReset))
    if (Either.isLeft(begun)) {
      status.end(Exit.fail(begun.left))
      return
    }
    const startedAt = yield* Clock.currentTimeMillis
    if (begun.right !== undefined) {
      if (!updates.isLossAhead()) status.sync(begun.right.book)
      const ended: Ending = yield* follow(options, status, updates, begun.right)
      isIdReset = ended.isIdReset
      status.stale(ended.reason)
      yield* Effect.logInfo(`The book of ${options.symbol} takes a new snapshot: ${ended.reason}.`)
    }
    // One that never comes right must not use up what others may ask for.
    failures = (yield* Clock.currentTimeMillis) - startedAt < Duration.toMillis(longestWait) ? failures + 1 : 0
    if (failures > 1) yield* wait(failures - 2)
  }
})

// ---------------------------------------------------------------------------------------------------------------------
// A snapshot, and the updates that came meanwhile

// The updates that wait for a snapshot, oldest first.
const held = <Diff extends object>({ capacity, rules }: Options<Diff>) => {
  let diffs: Array<Diff> = []
  return {
    all: (): ReadonlyArray<Diff> => diffs,
    add: ({ items, outdated }: Drained<Diff>) => {
      // What a snapshot tells goes out of date unseen where no updates follow it.
      if (outdated > 0) diffs = []
      for (const item of items.slice(outdated)) {
        if (item === lost) continue
        const last = diffs.at(-1)
        // Nothing goes on from what has the old ids.
        if (last !== undefined && rules.idOf(item) < rules.idOf(last) && IdReset.isIdReset(rules.timeOf(item), rules.timeOf(last))) {
          diffs = []
        }
        diffs.push(item)
      }
      if (diffs.length > capacity) diffs.splice(0, diffs.length - capacity)
    }
  }
}

const beginner = <Diff extends object>(options: Options<Diff>, status: BookStatus<Diff>, updates: BookUpdates<Diff>) => {
  const { limit, rules } = options
  // Of a symbol that does not exist nothing ever comes: that shows by its snapshot.
  let isKnown = false

  // A venue that cannot be asked now can be later. One that refuses would refuse again.
  const snapshot = options.snapshot.pipe(
    Effect.tapError(({ message }) =>
      Effect.sync(() => {
        status.stillStale(`no snapshot came. ${message.replace(/\.$/, "")}`)
      })
    ),
    Effect.retry({ while: ({ _tag }) => _tag !== "RestRejected", schedule: Schedule.spaced(longestWait) })
  )

  const awaitUpdates = Effect.gen(function*() {
    if (isKnown) yield* updates.ready
    else if (Option.isNone(yield* Effect.timeoutOption(updates.ready, unreadFor))) yield* snapshot
    isKnown = true
  })

  // Whether the updates that are held go on from a snapshot, or are older. What is between the two was missed otherwise. And
  // with ids begun anew, one that is ahead of all updates may still have the old ids.
  const isOfUse = ({ lastUpdateId }: OrderBook.Snapshot, first: Diff, last: Diff, isIdReset: boolean) =>
    (rules.idOf(first) <= lastUpdateId || rules.follows(first, lastUpdateId, true)) &&
    !(isIdReset && lastUpdateId > rules.idOf(last))

  // A snapshot that the updates held so far continue, with those applied. Nothing, where they do not.
  return Effect.fnUntraced(function*(isIdReset: boolean) {
    const { add, all } = held(options)
    const hold = () => {
      const drained = updates.drain()
      if (drained.outdated > 0) status.stillStale("the connection was lost")
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
      if (!isOfUse(begun, first, last, isIdReset)) {
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
// The updates after that

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
        return ending("the venue's update ids begin anew", true)
      }
      latest = rules.timeOf(item)
      if (outcome === "gap") return ending("an update is missing")
      if (outcome === "crossed") return ending("its best bid and ask crossed")
      // The lost connection's successor went on where it had ended: nothing was missed after all.
      if (at < outdated) continue
      if (status.tag !== "Stale") status.update(item, rules)
      else if (!updates.isLossAhead()) status.sync(book)
    }
    // A side that is whole may be as short as it likes.
    if (sides.some((side) => book.isPartial(side) && book.known(side) < limit * leastKnown)) {
      return ending("the market left the levels it knows of")
    }
  }
})
