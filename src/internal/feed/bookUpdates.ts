// The updates of a book that came and are not applied yet, and the places where its connection was lost.
import type * as Effect from "effect/Effect"
import * as Intake from "../stream/slidingQueue.ts"

/** The connection was lost: what came before it is out of date. */
export const lost = "lost"

export interface Drained<Diff> {
  readonly items: ReadonlyArray<Diff | typeof lost>
  /** How many of them came before the last loss, and that loss itself. */
  readonly outdated: number
}

export class BookUpdates<Diff extends object> {
  readonly #intake: Intake.Intake<Diff | typeof lost>
  // A loss stands in the intake behind what came before it.
  #isLossAhead = false

  constructor(capacity: number) {
    this.#intake = Intake.make(capacity)
  }

  put(diff: Diff): void {
    this.#intake.offer(diff)
  }

  lose(): void {
    this.#isLossAhead = true
    this.#intake.offer(lost)
  }

  /** Whether a loss has come that was not drained yet. */
  isLossAhead(): boolean {
    return this.#isLossAhead
  }

  /** Completes when there is something to drain. */
  get ready(): Effect.Effect<void> {
    return this.#intake.ready
  }

  drain(): Drained<Diff> {
    this.#isLossAhead = false
    const { items } = this.#intake.drain()
    return { items, outdated: items.lastIndexOf(lost) + 1 }
  }
}
