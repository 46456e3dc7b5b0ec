// Tells when a topic's data is later than its cadence allows. Times are monotonic, in milliseconds.
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { Cadence } from "../../SessionProtocol.ts"

// A topic with a fixed cadence is late after this many intervals.
const tolerance = 5
// An average of fewer intervals says little.
const observations = 20
// A topic with an adaptive cadence is late after this many average intervals, but not before the least time.
const adaptiveTolerance = 20
const adaptiveLeast = 30_000
// Its first data is late after this time.
const adaptiveFirst = 120_000
// The weight of the latest interval in the average.
const weight = 0.1

// A class, not closures: V8 writes a large number into an object's field in place, but allocates a new one for a variable.
export class CadenceTracker {
  readonly #cadence: Cadence
  #average = 0
  #observed = 0
  #last = 0
  // The time of a request or restart after the last data; negative if there was none. Data is expected from then on.
  #expectedSince = -1
  #restarts = 0

  constructor(cadence: Cadence) {
    this.#cadence = cadence
  }

  /** Records that data came. */
  observe(at: number): void {
    if (this.#observed > 0) {
      const interval = at - this.#last
      this.#average = this.#observed === 1 ? interval : this.#average + weight * (interval - this.#average)
    }
    this.#last = at
    this.#expectedSince = -1
    this.#observed++
    this.#restarts = 0
  }

  /** Expects data from this time on. */
  expect(at: number): void {
    this.#expectedSince = at
  }

  isStale(at: number): boolean {
    return (this.#observed > 0 || this.#expectedSince >= 0) && this.idleFor(at) > this.#allowed()
  }

  idleFor(at: number): number {
    return at - Math.max(this.#last, this.#expectedSince)
  }

  observedSince(at: number): boolean {
    return this.#observed > 0 && this.#last >= at
  }

  /** Restarts the time until data is late. Returns the number of restarts since the last data. */
  restart(at: number): number {
    this.#expectedSince = at
    return ++this.#restarts
  }

  /** Expects no data until the next data comes. */
  excuse(): void {
    this.#expectedSince = Number.POSITIVE_INFINITY
  }

  last(): Option.Option<number> {
    return this.#observed > 0 ? Option.some(this.#last) : Option.none()
  }

  #allowed(): number {
    const cadence = this.#cadence
    if (cadence === "exempt") return Number.POSITIVE_INFINITY
    if (cadence !== "adaptive") return Duration.toMillis(cadence) * tolerance
    if (this.#observed === 0) return adaptiveFirst
    return this.#observed < observations ? Number.POSITIVE_INFINITY : Math.max(adaptiveLeast, this.#average * adaptiveTolerance)
  }
}

export const make = (cadence: Cadence): CadenceTracker => new CadenceTracker(cadence)
