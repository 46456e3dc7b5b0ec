// The events with old ids and newer times, which are held until it is clear what they are.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { isDue, monotonic } from "../time/monotonic.ts"
import type { Sight, Verdict } from "./idReset.ts"
import * as IdReset from "./idReset.ts"
import type { Inquiry } from "./inquiry.ts"
import * as Lag from "./lag.ts"

/** In milliseconds: after an answer that settled nothing, or that showed nothing new. A request has a weight. */
export const askAgainAfter = 60_000

/** The verdict on the events, and whether the REST interface gave it. */
export interface Settlement {
  readonly verdict: Verdict
  readonly isByRest: boolean
}

export class Doubt<A> {
  readonly inquiry: Inquiry<Verdict | "Unknown">
  /** The time of the first event that is held. */
  readonly since: number
  /** The monotonic time from which on REST need not have answered. */
  readonly until: number
  /** The number of events that went on from the known ids since. */
  known = 0
  // Whether the REST interface knows none of the events that are held, which may be because it lags.
  #isDenied = false
  // Whether the REST interface could not be asked.
  #isUnanswered = false
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

  /**
   * Judges the events by what the REST interface answers, and by themselves where it cannot tell. `due` is the next id after the
   * known ones, and `latestAt` the time of the last of these.
   */
  settle({ capacity, due, latestAt }: { readonly capacity: number; readonly due: number; readonly latestAt: number }): Effect.Effect<Settlement> {
    return Effect.gen(this, function*() {
      const { inquiry } = this
      const isUrgent = this.#last >= due || 2 * this.size >= capacity
      const answered = yield* inquiry.poll(isUrgent && inquiry.answers === 0)
      // Where events show that ids have begun anew, the REST interface may not know it yet.
      const isDenied = answered === "Repeats" && IdReset.alone(this.sights(due - 1), this.known) === "Reset"
      const answer = isDenied && !Lag.isOver(inquiry.answers) ? "Undecided" : answered
      if (answered !== undefined) this.#isDenied = isDenied
      if (answer === "Unknown") this.#isUnanswered = true
      if (answer === "Undecided" || answer === "Unknown") {
        const useless = inquiry.answers - 1
        yield* inquiry.again(answer === "Unknown" || Lag.isOver(useless + 1) ? askAgainAfter : Duration.toMillis(Lag.waitAfter(useless)))
      }
      if (answer === "Repeats" || answer === "Reset") return { verdict: answer, isByRest: true }
      const isFarNewer = IdReset.isIdReset(this.#newestAt, latestAt)
      const isLong = isDue(this.until, yield* monotonic)
      const isUpToEvents = this.#isUnanswered || this.size >= capacity || Lag.isOver(inquiry.answers) ||
        (isFarNewer && !this.#isDenied && (isLong || inquiry.answers > 0))
      return { verdict: isUpToEvents ? IdReset.alone(this.sights(this.#last), this.known) : "Undecided", isByRest: false }
    })
  }
}
