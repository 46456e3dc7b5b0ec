// The events with old ids and newer times, which are held until it is clear what they are.
import type { Sight, Verdict } from "./idReset.ts"
import type { Inquiry } from "./inquiry.ts"

export class Doubt<A> {
  readonly inquiry: Inquiry<Verdict | "Unknown">
  /** The time of the first event that is held. */
  readonly since: number
  /** The monotonic time from which on REST need not have answered. */
  readonly until: number
  /** The number of events that went on from the known ids since. */
  known = 0
  /** Whether the REST interface knows none of the events that are held, which may be because it lags. */
  isDenied = false
  /** Whether the REST interface could not be asked. */
  isUnanswered = false
  #newestAt = Number.NEGATIVE_INFINITY
  #first = Number.POSITIVE_INFINITY
  #last = Number.NEGATIVE_INFINITY
  readonly #events = new Map<number, { readonly event: A; readonly at: number }>()

  constructor(since: number, until: number, inquiry: Inquiry<Verdict | "Unknown">) {
    this.since = since
    this.until = until
    this.inquiry = inquiry
  }

  get size(): number {
    return this.#events.size
  }

  /** The newest time of the events that are held. */
  get newestAt(): number {
    return this.#newestAt
  }

  /** The lowest id that is held. */
  get first(): number {
    return this.#first
  }

  put(id: number, event: A, at: number): void {
    if (this.#events.has(id)) return
    this.#events.set(id, { event, at })
    this.#newestAt = Math.max(this.#newestAt, at)
    this.#first = Math.min(this.#first, id)
    this.#last = Math.max(this.#last, id)
  }

  /** Whether the events that are held lead to this id. */
  leadsTo(id: number): boolean {
    return this.size > 1 && this.#events.has(id - 1)
  }

  /** The highest id that is held. */
  get last(): number {
    return this.#last
  }

  /** The events that are held up to an id. */
  sights(last: number): ReadonlyArray<Sight> {
    return Array.from(this.#events, ([id, { at }]) => ({ id, at })).filter(({ id }) => id <= last)
  }

  /** The events from an id on, in the order of their ids. */
  from(id: number): ReadonlyArray<A> {
    return [...this.#events].filter(([each]) => each >= id).sort(([a], [b]) => a - b).map(([, { event }]) => event)
  }
}
