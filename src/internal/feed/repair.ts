// One repair: what it may cost, what it has cost, and how far it is.
import * as Duration from "effect/Duration"
import { isDue } from "../time/monotonic.ts"

/** The limits of fetching one gap. */
export interface Limits {
  readonly events: number
  readonly weight: number
  readonly time: Duration.Duration
}

export interface Progress {
  /** The events that were fetched so far. */
  readonly fetched: number
  /** The events that are still missing, about. */
  readonly left: number
  /** The time that these take at the pace so far. */
  readonly estimated: Duration.Duration
  /** The weight of the requests so far. */
  readonly weight: number
}

/** The most events that may be fetched with pages of this size and weight: at least one page. */
export const affordable = ({ events, weight }: Limits, page: { readonly size: number; readonly weight: number }): number =>
  Math.min(events, page.weight === 0 ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(weight / page.weight)) * page.size)

export class Repair {
  readonly #limits: Limits
  readonly #began: number
  readonly #pageWeight: number
  #fetched = 0
  #pages = 0
  #isSkipped = false

  /** `now` is the monotonic time. */
  constructor(limits: Limits, pageWeight: number, now: number) {
    this.#limits = limits
    this.#pageWeight = pageWeight
    this.#began = now
  }

  /** Counts a page with this many new events. */
  count(events: number): void {
    this.#fetched += events
    this.#pages++
  }

  /** Whether the time is over: true once. The rest of the repair is then short. */
  isTimeOver(now: number): boolean {
    if (this.#isSkipped || !isDue(this.#began + Duration.toMillis(this.#limits.time), now)) return false
    this.#isSkipped = true
    return true
  }

  progress(left: number, now: number): Progress {
    const pace = this.#fetched === 0 ? 0 : (now - this.#began) / this.#fetched
    return {
      fetched: this.#fetched,
      left,
      estimated: Duration.millis(Math.ceil(pace * left)),
      weight: this.#pages * this.#pageWeight
    }
  }
}

/** Puts fetched events in the order of their positions, each once. Nearly always they are. */
export const inOrder = <A>(events: ReadonlyArray<A>, positionOf: (event: A) => number): ReadonlyArray<A> => {
  let last = Number.NEGATIVE_INFINITY
  for (const event of events) {
    const position = positionOf(event)
    if (position <= last) {
      const byPosition = new Map(events.map((each) => [positionOf(each), each]))
      return [...byPosition].sort(([a], [b]) => a - b).map(([, each]) => each)
    }
    last = position
  }
  return events
}
