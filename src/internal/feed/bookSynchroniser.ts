// Keeps one order book equal to the venue's: takes a snapshot, applies the updates that continue it, and takes a new snapshot
// when an update is missing or the book is wrong. While it is right, new snapshots keep it deep, and audit it.
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
import type { Depth } from "./bookDepth.ts"
import type { Comparison } from "./bookDifferences.ts"
import * as BookDifferences from "./bookDifferences.ts"
import * as BookRefresher from "./bookRefresher.ts"
import { BookStatus } from "./bookStatus.ts"
import type { Drained } from "./bookUpdates.ts"
import { BookUpdates, from, levelsAtMost, levelsIn, lost, nothing } from "./bookUpdates.ts"
import * as IdReset from "./idReset.ts"
import * as Lag from "./lag.ts"
import { monotonic } from "../time/monotonic.ts"
import { sleep } from "../time/sleep.ts"

export interface Options<Diff> {
  readonly symbol: string
  readonly rules: OrderBook.Rules<Diff>
  readonly depth: Depth
  readonly capacity: number
  /** Fetches a snapshot. Undefined: snapshots come with the updates. */
  readonly snapshot: Effect.Effect<OrderBook.Snapshot, RestError> | undefined
  /** Subscribes to the updates again, so that a snapshot comes with them. */
  readonly askAgain: Effect.Effect<void>
  /** The time between two audits. Undefined: there are none. */
  readonly audit: Duration.Duration | undefined
  /** Waits until the budget of the venue allows an audit. */
  readonly auditTurn: Effect.Effect<void>
  /** Called with each comparison of the book with a new snapshot. */
  readonly compared: (lastUpdateId: number, comparison: Comparison) => Effect.Effect<void>
  /** Called when a bound of the book made it drop levels, or updates that waited. */
  readonly dropped: (what: "levels" | "updates", count: number) => void
  /** Called when the book needs a new snapshot, since it is wrong or an update is missing. */
  readonly resync: () => void
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

// Why the book needs a new snapshot, and the updates that are not applied yet.
interface Ending<Diff> {
  readonly reason: string
  readonly isIdReset: boolean
  /** Whether updates were missing because the connection was lost: the snapshot did not fail then. */
  readonly isByLoss: boolean
  readonly rest: Drained<Diff>
}

// After this time without a first update, the synchroniser requests a snapshot, to find out whether the book exists.
const firstUpdateTimeout = Duration.seconds(5)
const longestWait = Duration.seconds(5)
const wait = (useless: number) => Effect.sleep(Duration.min(Lag.waitAfter(useless), longestWait))
const sides = ["bids", "asks"] as const

const wrong: Partial<Record<OrderBook.Outcome, string>> = {
  gap: "an update is missing",
  crossed: "its best bid and ask crossed",
  differs: "its checksum differs"
}

export const make = <Diff extends object>(options: Options<Diff>) =>
  Effect.gen(function*() {
    const status = new BookStatus<Diff>(options.symbol, options.depth.desired)
    const updates = new BookUpdates<Diff>(options.capacity, options.rules, (count) => {
      options.dropped("updates", count)
    })
    const refresher = yield* BookRefresher.make({
      ...options,
      limit: options.depth.limit,
      wake: () => {
        updates.wake()
      }
    })
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
    yield* Effect.forkScoped(Effect.interruptible(keep(options, status, updates, refresher)))
    if (options.audit !== undefined) {
      const audit = Effect.suspend(() => status.tag === "Synced" ? refresher.request("audit") : Effect.void)
      yield* Effect.forkScoped(Effect.interruptible(Effect.forever(Effect.zipRight(sleep(options.audit), audit))))
    }
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
  updates: BookUpdates<Diff>,
  refresher: BookRefresher.Refresher<Diff>
) {
  const begin = makeBegin(options, status, updates)
  let isIdReset = false
  let rest: Drained<Diff> = nothing
  // Snapshots in a row that were wrong, or soon were.
  let failures = 0
  for (;;) {
    const begun = yield* Effect.either(begin(rest, isIdReset))
    if (Either.isLeft(begun)) {
      status.end(Exit.fail(begun.left))
      return
    }
    const startedAt = yield* monotonic
    rest = nothing
    let hasFailed = true
    if (begun.right !== undefined) {
      if (!updates.isLossAhead()) status.sync(begun.right.book)
      const ended: Ending<Diff> = yield* follow(options, status, updates, refresher, begun.right)
      options.resync()
      yield* refresher.stop
      isIdReset = ended.isIdReset
      rest = ended.rest
      status.stale(ended.reason)
      yield* Effect.logInfo(`The book of ${options.symbol} takes a new snapshot: ${ended.reason}.`)
      hasFailed = !ended.isByLoss && (yield* monotonic) - startedAt < Duration.toMillis(longestWait)
    }
    // A book that fails again and again must not use up the request budget of the others. A lost connection is no failure of the
    // book: the connection has a backoff of its own.
    failures = hasFailed ? failures + 1 : 0
    if (failures > 1) yield* wait(failures - 2)
  }
})

// ---------------------------------------------------------------------------------------------------------------------
// The snapshot, and the updates that arrive meanwhile

// The updates that wait for a snapshot, oldest first. The first one may be a snapshot itself.
const held = <Diff extends object>({ capacity, dropped, rules }: Options<Diff>) => {
  let diffs: Array<Diff> = []
  // The newest ones, within the bounds.
  const bounded = () => {
    let levels = 0
    let first = diffs.length
    for (; first > 0 && diffs.length - first < capacity; first--) {
      const diff = diffs[first - 1]
      if (diff !== undefined) levels += levelsIn(rules, diff)
      if (levels > levelsAtMost && first < diffs.length) break
    }
    return first === 0 ? diffs : diffs.slice(first)
  }
  return {
    all: (): ReadonlyArray<Diff> => diffs,
    add: ({ items, outdated }: Drained<Diff>) => {
      // Without updates from after the loss, a snapshot could go out of date unnoticed.
      if (outdated > 0) diffs = []
      for (const item of items.slice(outdated)) {
        if (item === lost) continue
        const last = diffs.at(-1)
        const isOld = last !== undefined && rules.idOf(item) < rules.idOf(last)
        const isIdReset = isOld && IdReset.isIdReset(rules.timeOf(item), rules.timeOf(last))
        const isSnapshot = rules.snapshotOf?.(item) !== undefined
        // It comes late from another connection.
        if (isSnapshot && isOld && !isIdReset) continue
        const isMissing = last !== undefined && rules.idOf(item) > rules.idOf(last) && !rules.follows(item, rules.idOf(last), false)
        // A snapshot has all earlier updates. Where an update is missing, only a snapshot that has it and all before is usable. New
        // ids do not continue updates with old ids.
        if (isSnapshot || isIdReset || isMissing) diffs = []
        diffs.push(item)
      }
      const all = diffs.length
      diffs = bounded()
      if (diffs.length < all) dropped("updates", all - diffs.length)
    }
  }
}

const makeBegin = <Diff extends object>(options: Options<Diff>, status: BookStatus<Diff>, updates: BookUpdates<Diff>) => {
  const { depth: { limit }, rules } = options
  // Whether the symbol exists. If it does not, no update ever comes, and the venue rejects the snapshot.
  let isKnown = options.snapshot === undefined

  // A rejected request would be rejected again. All other failures may pass.
  const fetched = options.snapshot?.pipe(
    Effect.tapError(({ message }) =>
      Effect.sync(() => {
        status.explainStale(`no snapshot came. ${message.replace(/\.$/, "")}`)
      })
    ),
    Effect.retry({ while: ({ _tag }) => _tag !== "RestRejected", schedule: Schedule.spaced(longestWait) })
  )

  const awaitUpdates = Effect.gen(function*() {
    if (isKnown || fetched === undefined) yield* updates.ready
    else if (Option.isNone(yield* Effect.timeoutOption(updates.ready, firstUpdateTimeout))) yield* fetched
    isKnown = true
  })

  // Whether no update is missing between a snapshot and the held updates. After an id reset, a snapshot that is ahead of all
  // updates may still have an old id.
  const isUsable = ({ lastUpdateId }: OrderBook.Snapshot, first: Diff, last: Diff, isIdReset: boolean) =>
    (rules.idOf(first) <= lastUpdateId || rules.follows(first, lastUpdateId, true)) &&
    !(isIdReset && lastUpdateId > rules.idOf(last))

  // Applies the held updates to a snapshot. Returns undefined if one of them does not fit.
  const apply = (snapshot: OrderBook.Snapshot, levels: number, diffs: ReadonlyArray<Diff>): Begun<Diff> | undefined => {
    const book = OrderBook.makeBook(rules, snapshot, levels)
    for (const diff of diffs) {
      if (wrong[book.apply(diff)] !== undefined) return undefined
    }
    const last = diffs.at(-1)
    return { book, at: last === undefined ? Number.NEGATIVE_INFINITY : rules.timeOf(last) }
  }

  // Takes a usable snapshot and applies the updates to it: those that are left and those that come.
  return Effect.fnUntraced(function*(rest: Drained<Diff>, isIdReset: boolean) {
    const { add, all } = held(options)
    const hold = (drained: Drained<Diff>) => {
      if (drained.outdated > 0) status.explainStale("the connection was lost")
      add(drained)
    }
    const streamed = () => {
      const [first] = all()
      return first === undefined ? undefined : rules.snapshotOf?.(first)
    }
    const untilStreamed: Effect.Effect<void> = Effect.suspend(() => {
      hold(updates.drain())
      return streamed() === undefined ? Effect.zipRight(updates.ready, untilStreamed) : Effect.void
    })
    hold(rest)
    for (let useless = 0;;) {
      while (all().length === 0) {
        yield* awaitUpdates
        hold(updates.drain())
      }
      const inStream = streamed()
      if (inStream !== undefined) return apply(inStream.snapshot, inStream.limit, all())
      if (fetched === undefined) {
        yield* options.askAgain
        yield* Effect.timeoutOption(untilStreamed, Duration.min(Lag.waitAfter(2 + useless++), longestWait))
        continue
      }
      const snapshot = yield* fetched
      hold(updates.drain())
      const [first] = all()
      const last = all().at(-1)
      // The connection was lost meanwhile, or a snapshot came with the updates.
      if (first === undefined || last === undefined || streamed() !== undefined) continue
      if (!isUsable(snapshot, first, last, isIdReset)) {
        yield* wait(useless++)
        continue
      }
      return apply(snapshot, limit, all())
    }
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// The updates after the snapshot

const follow = Effect.fnUntraced(function*<Diff extends object>(
  { compared, depth, dropped, rules, symbol }: Options<Diff>,
  status: BookStatus<Diff>,
  updates: BookUpdates<Diff>,
  refresher: BookRefresher.Refresher<Diff>,
  begun: Begun<Diff>
) {
  let { at: latest, book } = begun
  // The levels that this book has dropped, as far as they are told.
  let told = { book, levels: 0 }
  const tellDropped = () => {
    const levels = book.dropped()
    const since = levels - (told.book === book ? told.levels : 0)
    if (since === 0) return
    told = { book, levels }
    dropped("levels", since)
  }
  // Whether the connection was lost, and no update has continued the book since.
  let isLost = false

  const ending = (reason: string, rest: Drained<Diff>, isIdReset = false): Ending<Diff> => ({
    reason,
    isIdReset,
    isByLoss: isLost,
    rest
  })

  // Compares the book with a new one at the same update id. A book that differs was wrong.
  const compare = (fresh: OrderBook.Book<Diff>) =>
    Effect.gen(function*() {
      const comparison = BookDifferences.compare(book, fresh)
      yield* compared(book.lastUpdateId(), comparison)
      if (comparison.differences.length === 0) return false
      status.stale("it differed from a new snapshot")
      yield* Effect.logWarning(
        `The book of ${symbol} differed from a new snapshot in ${comparison.differences.length} of ${comparison.levels} levels.`
      )
      return true
    })

  for (;;) {
    tellDropped()
    yield* updates.ready
    const drained = updates.drain()
    const { items, outdated } = drained
    if (outdated > 0) {
      isLost = true
      yield* refresher.stop
    }
    for (const [at, item] of items.entries()) {
      if (item === lost) continue
      const streamed = rules.snapshotOf?.(item)
      if (streamed !== undefined) {
        const { limit, snapshot } = streamed
        const ahead = snapshot.lastUpdateId - book.lastUpdateId()
        // It comes late from another connection.
        if (ahead < 0 && !IdReset.isIdReset(rules.timeOf(item), latest)) continue
        const fresh = OrderBook.makeBook(rules, snapshot, limit)
        if (ahead === 0) yield* compare(fresh)
        book = fresh
        latest = rules.timeOf(item)
        yield* refresher.stop
        if (at < outdated) continue
        isLost = false
        if (!updates.isLossAhead()) status.sync(book)
        continue
      }
      const outcome = book.apply(item)
      if (outcome === "ignored") {
        if (!IdReset.isIdReset(rules.timeOf(item), latest)) continue
        // A snapshot right now may still have an old id, so the next update is awaited.
        return ending("the venue has reset its update ids", from(drained, at + 1), true)
      }
      latest = rules.timeOf(item)
      const reason = wrong[outcome]
      if (reason !== undefined) return ending(reason, from(drained, at))
      refresher.take(item)
      // Updates from before the loss do not make the book right again.
      if (at < outdated) continue
      isLost = false
      if (status.tag !== "Stale") status.update(item, rules)
      // The first update after the loss continues the book: nothing was missed.
      else if (!updates.isLossAhead()) status.sync(book)
    }
    const settled = refresher.settle(book)
    if (settled !== undefined) {
      yield* refresher.stop
      if (settled._tag === "Stopped") return ending("its updates have stopped", nothing)
      if (settled._tag === "Useless") yield* refresher.request(settled.purpose)
      else if ((yield* compare(settled.fresh)) || settled.purpose === "depth") {
        book = settled.fresh
        // Unless the connection was lost.
        if (!isLost && !updates.isLossAhead()) status.sync(book)
      }
    }
    // A complete side may have few levels.
    if (sides.some((side) => book.isPartial(side) && book.known(side) === 0)) {
      return ending("no level of its snapshot is left", from(drained, items.length - 1))
    }
    if (sides.some((side) => book.isPartial(side) && book.known(side) < depth.leastKnown)) yield* refresher.request("depth")
  }
})
