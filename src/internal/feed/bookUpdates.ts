// The updates of a book that are not applied yet, with a marker wherever the connection was lost.
import type * as Effect from "effect/Effect"
import * as SlidingQueue from "../stream/slidingQueue.ts"

/** The marker of a loss: the updates before it are out of date. */
export const lost = "lost"

export interface Drained<Diff> {
  readonly items: ReadonlyArray<Diff | typeof lost>
  /** The number of items up to the last loss, that loss included. */
  readonly outdated: number
}

export class BookUpdates<Diff extends object> {
  readonly #queue: SlidingQueue.SlidingQueue<Diff | typeof lost>
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

  /** Whether a loss has not been drained yet. */
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
