// Events that came after a hole, by their ids, until it is closed.
export class ReorderBuffer<A> {
  /** Since when its hole is open. */
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

  /** The first id that is here: its hole ends before it. */
  first(): number {
    let first = Number.POSITIVE_INFINITY
    for (const id of this.#events.keys()) first = Math.min(first, id)
    return first
  }

  /** Moves the events from an id on, as far as none is missing. Gives back the id that comes after them. */
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
