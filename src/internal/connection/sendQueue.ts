// Keeps the order of sends: those that wait for an open connection go first, in the order in which they were issued.
import * as Effect from "effect/Effect"

interface Waiting {
  readonly turn: Effect.Latch
  hasLeft: boolean
}

/** A position in the queue. */
export interface Position {
  /** Waits until all sends before this one have left. */
  readonly turn: Effect.Effect<void>
  /** Leaves the queue. Does nothing the second time. */
  readonly leave: () => void
}

export class SendQueue {
  // Made by the first send that waits.
  #waiting: Array<Waiting> | undefined

  isEmpty(): boolean {
    return this.#waiting === undefined || this.#waiting.length === 0
  }

  join(): Position {
    const waiting = this.#waiting ??= []
    const position: Waiting = { turn: Effect.unsafeMakeLatch(waiting.length === 0), hasLeft: false }
    waiting.push(position)
    return {
      turn: position.turn.await,
      leave: () => {
        position.hasLeft = true
        while (waiting[0]?.hasLeft === true) waiting.shift()
        waiting[0]?.turn.unsafeOpen()
      }
    }
  }
}
