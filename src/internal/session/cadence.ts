// What a session knows of a topic without data: its pace, its activity, and what has been done. Times are monotonic, in
// milliseconds.
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
// As long as its average says little, it is late after this time.
const adaptiveFirst = 120_000
// The weight of the latest interval in the average.
const weight = 0.1
// Each remedy without success doubles the time until the next one, up to this time.
const longestWait = 3_600_000
// A topic without data for so long is suspected: the next question about activity has it too.
const suspectedAfter = 10_000
// The time between two remedies for a stale topic. It doubles from the third on.
const betweenRemedies = 15_000
const longestBetween = 600_000

// A class, not closures: V8 writes a large number into an object's field in place, but allocates a new one for a variable.
export class CadenceTracker {
  readonly #cadence: Cadence
  #average = 0
  #observed = 0
  #last = 0
  // The time of a request or remedy after the last data; negative if there was none. Data is expected from then on.
  #expectedSince = -1
  #remedies = 0
  #remediedAt = Number.NEGATIVE_INFINITY
  // The topic's activity, and the time at which it was asked for; negative if it was not.
  #activity = 0
  #activityAt = -1

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
    this.#remedies = 0
    this.#remediedAt = Number.NEGATIVE_INFINITY
  }

  /** Expects data from this time on. */
  expect(at: number): void {
    this.#expectedSince = at
  }

  /** Whether data is later than the cadence allows. That alone proves nothing: the topic may have nothing to say. */
  isLate(at: number): boolean {
    return this.#isExpected() && this.idleFor(at) > this.#allowed()
  }

  /** Whether the topic has been idle for so long that its activity should be asked for. */
  isSuspected(at: number): boolean {
    return this.#cadence !== "exempt" && this.#isExpected() && this.idleFor(at) >= suspectedAfter
  }

  idleFor(at: number): number {
    return at - Math.max(this.#last, this.#expectedSince)
  }

  /** How often data has come. */
  observed(): number {
    return this.#observed
  }

  observedSince(at: number): boolean {
    return this.#observed > 0 && this.#last >= at
  }

  /**
   * Records the topic's activity, asked for at this time. Returns whether it proves that data is missing: it has grown since it
   * was last asked for, and no data has come since then.
   */
  proves(activity: number, at: number): boolean {
    const isComparable = this.#activityAt >= 0 && this.#activityAt >= this.#expectedSince
    const isBehind = isComparable && activity > this.#activity && !this.observedSince(this.#activityAt)
    if (!isBehind) {
      this.#activity = activity
      this.#activityAt = at
    }
    return isBehind
  }

  /** Whether the topic's activity is known, so that to be idle means nothing. */
  hasActivity(): boolean {
    return this.#activityAt >= 0
  }

  /** Whether enough time has passed since the last remedy. */
  mayRemedy(at: number): boolean {
    const pause = betweenRemedies * 2 ** Math.max(0, this.#remedies - 2)
    return at - this.#remediedAt >= Math.min(longestBetween, pause)
  }

  /** Records a remedy. Data is expected from now on. Returns the number of remedies since the last data. */
  remedy(at: number): number {
    this.#expectedSince = at
    this.#remediedAt = at
    return ++this.#remedies
  }

  last(): Option.Option<number> {
    return this.#observed > 0 ? Option.some(this.#last) : Option.none()
  }

  #isExpected(): boolean {
    return this.#observed > 0 || this.#expectedSince >= 0
  }

  #allowed(): number {
    const cadence = this.#cadence
    if (cadence === "exempt") return Number.POSITIVE_INFINITY
    return Math.min(longestWait, this.#firstAllowed(cadence) * 2 ** this.#remedies)
  }

  #firstAllowed(cadence: Exclude<Cadence, "exempt">): number {
    if (cadence !== "adaptive") return Duration.toMillis(cadence) * tolerance
    return this.#observed < observations ? adaptiveFirst : Math.max(adaptiveLeast, this.#average * adaptiveTolerance)
  }
}

export const make = (cadence: Cadence): CadenceTracker => new CadenceTracker(cadence)
