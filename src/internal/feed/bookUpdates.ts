// The updates of a book that came and are not applied yet, and the places where its connection was lost.
import type * as Effect from "effect/Effect"
import * as SlidingQueue from "../stream/slidingQueue.ts"

/** The connection was lost: what came before it is out of date. */
export const lost = "lost"

export interface Drained<Diff> {
  readonly items: ReadonlyArray<Diff | typeof lost>
  /** How many of them came before the last loss, and that loss itself. */
  readonly outdated: number
}

export class BookUpdates<Diff extends object> {
  readonly #queue: SlidingQueue.SlidingQueue<Diff | typeof lost>
  // A loss stands in the intake behind what came before it.
  #isLossAhead = false

  constructor(capacity: number) {
    this.#queue = SlidingQueue.make(capacity)
  }

  offer(diff: Diff): void {
    this.#queue.offer(diff)
  }

  offerLoss(): void {
    this.#isLossAhead = true
    this.#queue.offer(lost)
  }

  /** Whether a loss has come that was not drained yet. */
  isLossAhead(): boolean {
    return this.#isLossAhead
  }

  /** Completes when there is something to drain. */
  get ready(): Effect.Effect<void> {
    return this.#queue.ready
  }

  drain(): Drained<Diff> {
    this.#isLossAhead = false
    const { items } = this.#queue.drain()
    return { items, outdated: items.lastIndexOf(lost) + 1 }
  }
}
