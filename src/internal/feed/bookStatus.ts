// A book as its readers see it: right, possibly wrong for a reason, or no longer kept.
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as OrderBook from "../../market/OrderBook.ts"
import type { RestError } from "../../market/RestError.ts"
import type { SessionError } from "../../SessionError.ts"
import * as Broadcast from "../stream/broadcast.ts"

export type Failure = SessionError | RestError

type Status<Diff> =
  | { readonly _tag: "Stale"; readonly reason: string }
  | { readonly _tag: "Synced"; readonly book: OrderBook.Book<Diff> }
  | { readonly _tag: "Ended"; readonly reason: string; readonly exit: Exit.Exit<void, Failure> }

const changesHeld = 1_024
// The most levels in them, as bytes: a level takes about a hundred.
const bytesHeld = 16 * 1024 * 1024
const bytesOf = (change: OrderBook.BookChange) =>
  change._tag === "Synced" || change._tag === "Updated" ? 100 * (change.bids.length + change.asks.length) : 0
const notKept = "it is no longer kept"

/** The status of one book. `levels` is the number of levels a side that its readers want: a `Synced` change has so many. */
export class BookStatus<Diff> {
  readonly #symbol: string
  readonly #levels: number
  // Open unless the book is stale.
  readonly #settled = Effect.unsafeMakeLatch(false)
  readonly #over = Effect.unsafeMakeLatch(false)
  readonly #changes = Broadcast.make<OrderBook.BookChange, Failure>({
    capacity: changesHeld,
    bytes: { max: bytesHeld, of: bytesOf },
    overflow: "sliding",
    fold: (marker, lost) =>
      OrderBook.BookChange.Skipped({ count: lost.length + (marker?._tag === "Skipped" ? marker.count : 0) })
  })
  #status: Status<Diff> = { _tag: "Stale", reason: "it waits for its first snapshot" }

  constructor(symbol: string, levels: number) {
    this.#symbol = symbol
    this.#levels = levels
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Changes of the status

  get tag(): Status<Diff>["_tag"] {
    return this.#status._tag
  }

  sync(book: OrderBook.Book<Diff>): void {
    if (this.#status._tag === "Ended") return
    this.#status = { _tag: "Synced", book }
    this.#publish(OrderBook.BookChange.Synced(book.top(this.#levels)))
    this.#settled.unsafeOpen()
  }

  /** Publishes an update that was applied to a book that is right. */
  update(diff: Diff, rules: OrderBook.Rules<Diff>): void {
    // A reader that comes later begins with the book as it is then.
    if (!this.#changes.hasReaders()) return
    this.#publish(OrderBook.BookChange.Updated({
      lastUpdateId: rules.idOf(diff),
      bids: rules.levelsOf(diff, "bids"),
      asks: rules.levelsOf(diff, "asks")
    }))
  }

  /** The book may be wrong from here on. The first reason stays: later ones only follow from it. */
  stale(reason: string): void {
    if (this.#status._tag !== "Synced") return
    this.#status = { _tag: "Stale", reason }
    this.#settled.unsafeClose()
    this.#publish(OrderBook.BookChange.Stale({ reason }))
  }

  /** Replaces the reason of a stale book. */
  explainStale(reason: string): void {
    if (this.#status._tag === "Stale") this.#status = { _tag: "Stale", reason }
  }

  end(exit: Exit.Exit<void, Failure>): void {
    if (this.#status._tag === "Ended") return
    const reason = this.#status._tag === "Stale" ? this.#status.reason : notKept
    this.stale(reason)
    this.#status = { _tag: "Ended", reason, exit }
    this.#settled.unsafeOpen()
    this.#over.unsafeOpen()
    this.#changes.end(exit)
  }

  #publish(change: OrderBook.BookChange): void {
    this.#changes.unsafeOfferAll([change])
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Reading

  reader(): OrderBook.OrderBook {
    const symbol = this.#symbol
    const read = <A>(from: (book: OrderBook.Book<Diff>) => A) =>
      Effect.suspend((): Effect.Effect<A, OrderBook.BookStale> =>
        this.#status._tag === "Synced"
          ? Effect.succeed(from(this.#status.book))
          : new OrderBook.BookStale({ symbol, reason: this.#status.reason })
      )
    const ended = Effect.suspend(() => this.#status._tag === "Ended" ? this.#status.exit : Effect.void)
    // By the time a waiting fibre runs, the book may be stale again.
    const awaitSynced: Effect.Effect<void, Failure> = Effect.suspend(() =>
      this.#status._tag === "Stale" ? Effect.zipRight(this.#settled.await, awaitSynced) : ended
    )
    return {
      symbol,
      awaitSynced,
      top: (count) => read((book) => book.top(count)),
      best: read((book) => {
        const { asks: [ask], bids: [bid] } = book.top(1)
        return { bid, ask }
      }),
      horizon: read((book) => book.horizon()),
      quantityAt: (side, price) => read((book) => book.quantityAt(side, price)),
      ended: Effect.zipRight(this.#over.await, ended),
      changes: this.#changes.streamFrom(() =>
        this.#status._tag === "Synced"
          ? OrderBook.BookChange.Synced(this.#status.book.top(this.#levels))
          : OrderBook.BookChange.Stale({ reason: this.#status.reason })
      )
    }
  }
}
