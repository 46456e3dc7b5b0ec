// Holds the events after a missing range, by their ids, until the range is filled.
export class ReorderBuffer<A> {
  /** The time at which the missing range was found, as Unix time in milliseconds. */
  since: number
  readonly #events = new Map<number, A>()

  constructor(since: number) {
    this.since = since
  }

  get size(): number {
    return this.#events.size
  }

  put(id: number, event: A): void {
    this.#events.set(id, event)
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
