// The updates of a book that are not applied yet, with a marker wherever the connection was lost.
import type * as Effect from "effect/Effect"
import type * as OrderBook from "../../market/OrderBook.ts"
import * as SlidingQueue from "../stream/slidingQueue.ts"

/** The marker of a loss: the updates before it are out of date. */
export const lost = "lost"

export interface Drained<Diff> {
  readonly items: ReadonlyArray<Diff | typeof lost>
  /** The number of items up to the last loss, that loss included. */
  readonly outdated: number
}

export const nothing: Drained<never> = { items: [], outdated: 0 }

/** The items from an index on. */
export const from = <Diff>({ items, outdated }: Drained<Diff>, index: number): Drained<Diff> => ({
  items: items.slice(index),
  outdated: Math.max(0, outdated - index)
})

/** The number of levels that an update changes. */
export const levelsIn = <Diff>(rules: OrderBook.Rules<Diff>, diff: Diff): number =>
  rules.levelsOf(diff, "bids").length + rules.levelsOf(diff, "asks").length

/** The most levels in updates that are held: some minutes of the busiest market, 30 MB at most. */
export const levelsAtMost = 250_000

export class BookUpdates<Diff extends object> {
  readonly #queue: SlidingQueue.SlidingQueue<Diff | typeof lost>
  readonly #rules: OrderBook.Rules<Diff>
  readonly #onDropped: (count: number) => void
  #isLossAhead = false
  #levels = 0

  /** `onDropped` is called with the number of updates that no longer fit. */
  constructor(capacity: number, rules: OrderBook.Rules<Diff>, onDropped: (count: number) => void) {
    this.#queue = SlidingQueue.make(capacity)
    this.#rules = rules
    this.#onDropped = onDropped
  }

  offer(diff: Diff): void {
    this.#levels += levelsIn(this.#rules, diff)
    if (this.#levels > levelsAtMost) this.#forget(diff)
    this.#queue.offer(diff)
  }

  offerLoss(): void {
    this.#isLossAhead = true
    this.#queue.offer(lost)
  }

  /** Whether a loss has not been drained yet. */
  isLossAhead(): boolean {
    return this.#isLossAhead
  }

  /** Completes when there is something to drain, or after `wake`. */
  get ready(): Effect.Effect<void> {
    return this.#queue.ready
  }

  /** Lets `ready` complete, although there may be nothing to drain. */
  wake(): void {
    this.#queue.wake()
  }

  drain(): Drained<Diff> {
    this.#isLossAhead = false
    this.#levels = 0
    const { dropped, items } = this.#queue.drain()
    if (dropped > 0) this.#onDropped(dropped)
    return { items, outdated: items.lastIndexOf(lost) + 1 }
  }

  // Drops what is held. The ids of the later updates show that some are missing.
  #forget(next: Diff): void {
    this.#levels = levelsIn(this.#rules, next)
    const { dropped, items } = this.#queue.drain()
    this.#onDropped(dropped + items.filter((item) => item !== lost).length)
    if (this.#isLossAhead) this.#queue.offer(lost)
  }
}
