// Holds the events after a missing range, by their ids, until the range is filled.
import * as Effect from "effect/Effect"
import { several } from "./idReset.ts"
import type { Inquiry } from "./inquiry.ts"

/** Whether the REST interface has an event: `Unknown` if it cannot be asked. */
export type Presence = "Stored" | "Absent" | "Unknown"

export class ReorderBuffer<A> {
  /** The time at which the missing range was found, as Unix time in milliseconds. */
  since: number
  /** The first id that is held, if it is known to be one of the stream. */
  proven = -1
  /** Asks whether the first id that is held is one of the stream. */
  inquiry: Inquiry<Presence> | undefined
  /** The id that is asked for. */
  asked = -1
  /** Whether the REST interface did not have it, although it had time to. */
  isAbsent = false
  /** The number of events that went on before the missing range since, newer than all that are held. */
  passed = 0
  /** The newest time of the events that were held. */
  newestAt = Number.NEGATIVE_INFINITY
  readonly #events = new Map<number, A>()

  constructor(since: number) {
    this.since = since
  }

  get size(): number {
    return this.#events.size
  }

  put(id: number, event: A, at: number): void {
    this.#events.set(id, event)
    this.newestAt = Math.max(this.newestAt, at)
  }

  /** Ends the inquiry. */
  forget(): Effect.Effect<void> {
    const cancel = this.inquiry?.cancel() ?? Effect.void
    this.inquiry = undefined
    this.isAbsent = false
    return cancel
  }

  /** Removes and returns an event. */
  remove(id: number): A | undefined {
    const event = this.#events.get(id)
    this.#events.delete(id)
    return event
  }

  /** Whether ids go on from this one. */
  goesOn(from: number): boolean {
    for (let id = from; id < from + several; id++) {
      if (!this.#events.has(id)) return false
    }
    return true
  }

  /** The events that are held, in the order of their ids. */
  sorted(): ReadonlyArray<readonly [number, A]> {
    return [...this.#events].sort(([a], [b]) => a - b)
  }

  /** The lowest id that is held: the missing range ends before it. */
  first(): number {
    let first = Number.POSITIVE_INFINITY
    for (const id of this.#events.keys()) first = Math.min(first, id)
    return first
  }

  /** The event with the lowest id that is held. */
  get(): A | undefined {
    return this.#events.get(this.first())
  }

  /** Moves the events from an id on to `into`, up to the next missing one. Returns the id of that one. */
  take(from: number, into: Array<A>): number {
    let due = from
    for (;;) {
      const event = this.#events.get(due)
      if (event === undefined) return due
      into.push(event)
      this.#events.delete(due++)
    }
  }
}
