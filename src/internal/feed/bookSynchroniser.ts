// Keeps one order book right: snapshot, updates, and a new snapshot whenever one was missed.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as OrderBook from "../../binance/OrderBook.ts"
import type { RestError, Snapshot } from "../../binance/Rest.ts"
import type { SessionError } from "../../SessionError.ts"
import * as Broadcast from "../stream/broadcast.ts"
import * as Intake from "../stream/slidingQueue.ts"
import * as Renumbering from "./idReset.ts"

export interface Options {
  readonly symbol: string
  /** Levels a side that a snapshot is asked for with. */
  readonly limit: number
  readonly capacity: number
  readonly snapshot: Effect.Effect<Snapshot, RestError>
  readonly listen: (listener: {
    readonly diff: (diff: OrderBook.Diff) => void
    readonly lost: (why: string) => void
    readonly end: (exit: Exit.Exit<void, SessionError>) => void
  }) => Effect.Effect<void, never, Scope.Scope>
}

type Failure = SessionError | RestError

// The book is as it should be, or this is why it is not.
type Status =
  | { readonly _tag: "Synced"; readonly book: OrderBook.Book }
  | { readonly _tag: "Stale"; readonly reason: string }

// Why a book has to begin again, and whether its ids have begun anew.
interface Ending {
  readonly reason: string
  readonly isAnew: boolean
}
const ending = (reason: string, isAnew = false): Ending => ({ reason, isAnew })

const changesHeld = 1_024
// How long nothing may have come before it is asked whether there is such a book at all.
const unheardFor = Duration.seconds(5)
// Before another snapshot is asked for, when so many were of no use.
const firstWait = Duration.millis(250)
const longestWait = Duration.seconds(5)
const wait = (useless: number) => Effect.sleep(Duration.min(Duration.times(firstWait, 2 ** useless), longestWait))
// Of the levels that a snapshot told of, so many must be left before another is taken.
const leastKnown = 0.1
const sides = ["bids", "asks"] as const

export const make = ({ capacity, limit, listen, snapshot, symbol }: Options) =>
  Effect.gen(function*() {
    const intake = Intake.make<OrderBook.Diff | "lost">(capacity)
    const synced = Effect.unsafeMakeLatch(false)
    const over = Effect.unsafeMakeLatch(false)
    let status: Status = { _tag: "Stale", reason: "it waits for its first snapshot" }
    // A loss is told of at once, and stands in the intake behind what came before it: that is out of date already.
    let isLossAhead = false
    const drain = () => {
      isLossAhead = false
      const { items } = intake.drain()
      return { items, current: items.lastIndexOf("lost") + 1 }
    }
    let ended: Exit.Exit<void, Failure> | undefined

    const changes = Broadcast.make<OrderBook.BookChange, Failure>({
      capacity: changesHeld,
      overflow: "sliding",
      fold: (marker, lost) =>
        OrderBook.BookChange.Skipped({ count: lost.length + (marker?._tag === "Skipped" ? marker.count : 0) })
    })
    const tell = (change: OrderBook.BookChange) => {
      changes.unsafeOfferAll([change])
    }
    const stale = (reason: string) => {
      // What it told first is of more use than what follows from it.
      if (status._tag === "Stale") return
      status = { _tag: "Stale", reason }
      synced.unsafeClose()
      tell(OrderBook.BookChange.Stale({ reason }))
    }
    const stillStale = (reason: string) => {
      if (status._tag === "Stale") status = { _tag: "Stale", reason }
    }
    const sync = (book: OrderBook.Book) => {
      if (ended !== undefined || isLossAhead) return
      status = { _tag: "Synced", book }
      synced.unsafeOpen()
      tell(OrderBook.BookChange.Synced(book.top(limit)))
    }
    const end = (exit: Exit.Exit<void, Failure>) => {
      if (ended !== undefined) return
      ended = exit
      stale("it is not kept any more")
      synced.unsafeOpen()
      over.unsafeOpen()
      changes.end(exit)
    }

    // A venue that cannot be asked now can be later. One that refuses would refuse again.
    const taken = snapshot.pipe(
      Effect.tapError(({ message }) =>
        Effect.sync(() => {
          stillStale(`no snapshot came: ${message.replace(/\.$/, "")}`)
        })
      ),
      Effect.retry({ while: ({ _tag }) => _tag !== "RestRejected", schedule: Schedule.spaced(longestWait) })
    )

    // Of a symbol that does not exist nothing ever comes: that shows by its snapshot.
    let isKnown = false

    // A snapshot that the updates held so far continue, with those applied; what became of them otherwise.
    const begin = Effect.fnUntraced(function*(isAnew: boolean) {
      let held: Array<OrderBook.Diff> = []
      const hold = () => {
        const { current, items } = drain()
        if (current > 0) {
          // What a snapshot tells goes out of date unseen where no updates follow it.
          held = []
          stillStale("the connection was lost")
        }
        for (const item of items.slice(current)) {
          if (item === "lost") continue
          const last = held.at(-1)
          // Nothing goes on from what has the old ids.
          if (last !== undefined && item.u < last.u && Renumbering.isAnew(item.E, last.E)) held = []
          held.push(item)
        }
        if (held.length > capacity) held.splice(0, held.length - capacity)
      }
      for (let asked = 0;; asked++) {
        while (held.length === 0) {
          if (isKnown) yield* intake.ready
          else if (Option.isNone(yield* Effect.timeoutOption(intake.ready, unheardFor))) yield* taken
          isKnown = true
          hold()
        }
        const begun = yield* taken
        hold()
        const [first] = held
        if (first === undefined) continue
        // Older than all that is held: what is between the two was missed. Or, with ids begun anew, perhaps from before.
        const last = held.at(-1) ?? first
        if (begun.lastUpdateId < (first.pu ?? first.U - 1) || (isAnew && begun.lastUpdateId > last.u)) {
          yield* wait(asked)
          continue
        }
        const book = OrderBook.makeBook(begun, limit)
        for (const diff of held) {
          const outcome = book.apply(diff)
          if (outcome === "gap" || outcome === "crossed") return undefined
        }
        return { book, at: last.E }
      }
    })

    const follow = Effect.fnUntraced(function*(book: OrderBook.Book, begunAt: number) {
      let latest = begunAt
      for (;;) {
        yield* intake.ready
        const { current, items } = drain()
        for (const [at, item] of items.entries()) {
          if (item === "lost") continue
          const outcome = book.apply(item)
          if (outcome === "ignored") {
            if (!Renumbering.isAnew(item.E, latest)) continue
            return ending("the venue's update ids begin anew", true)
          }
          latest = item.E
          if (outcome === "gap") return ending("an update is missing")
          if (outcome === "crossed") return ending("its best bid and ask crossed")
          // The lost connection's successor went on where it had ended: nothing was missed after all.
          if (at < current) continue
          if (status._tag === "Stale") sync(book)
          else tell(OrderBook.BookChange.Updated({ lastUpdateId: item.u, bids: item.b, asks: item.a }))
        }
        // A side that is whole may be as short as it likes.
        if (sides.some((side) => book.isPartial(side) && book.known(side) < limit * leastKnown)) {
          return ending("the market left the levels it knows of")
        }
      }
    })

    const keep = Effect.gen(function*() {
      let isAnew = false
      let failures = 0
      for (;;) {
        const begun = yield* Effect.either(begin(isAnew))
        if (Either.isLeft(begun)) {
          end(Exit.fail(begun.left))
          return
        }
        const startedAt = yield* Clock.currentTimeMillis
        if (begun.right !== undefined) {
          sync(begun.right.book)
          const left: Ending = yield* follow(begun.right.book, begun.right.at)
          isAnew = left.isAnew
          stale(left.reason)
          yield* Effect.logInfo(`The book of ${symbol} takes a new snapshot: ${left.reason}.`)
        }
        // One that never comes right must not use up what others may ask for.
        failures = (yield* Clock.currentTimeMillis) - startedAt < Duration.toMillis(longestWait) ? failures + 1 : 0
        if (failures > 1) yield* wait(failures - 2)
      }
    })

    yield* listen({
      diff: (diff) => {
        intake.offer(diff)
      },
      lost: (why) => {
        // Not behind what is still to be read: from this moment on nobody may take the book for right.
        stale(why)
        isLossAhead = true
        intake.offer("lost")
      },
      end
    })
    yield* Effect.forkScoped(Effect.interruptible(keep))
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        end(Exit.void)
      })
    )

    const read = <A>(from: (book: OrderBook.Book) => A) =>
      Effect.suspend((): Effect.Effect<A, OrderBook.BookStale> =>
        status._tag === "Synced"
          ? Effect.succeed(from(status.book))
          : new OrderBook.BookStale({ symbol, reason: status.reason })
      )

    // By the time a waiting fibre runs, the book may be stale again.
    const awaitSynced: Effect.Effect<void, Failure> = Effect.suspend(() =>
      ended ?? (status._tag === "Synced" ? Effect.void : Effect.zipRight(synced.await, awaitSynced))
    )

    const orderBook: OrderBook.OrderBook = {
      symbol,
      awaitSynced,
      top: (count) => read((book) => book.top(count)),
      best: read((book) => {
        const { asks: [ask], bids: [bid] } = book.top(1)
        return { bid, ask }
      }),
      quantityAt: (side, price) => read((book) => book.quantityAt(side, price)),
      ended: Effect.zipRight(over.await, Effect.suspend(() => ended ?? Effect.void)),
      changes: changes.streamFrom(() =>
        status._tag === "Synced"
          ? OrderBook.BookChange.Synced(status.book.top(limit))
          : OrderBook.BookChange.Stale({ reason: status.reason })
      )
    }
    return orderBook
  })
