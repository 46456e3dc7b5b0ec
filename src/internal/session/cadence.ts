// Whether a topic still speaks as often as it should.
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { Cadence } from "../../SessionProtocol.ts"

// A stream that is late by this much of its cadence has missed several turns.
const tolerance = 5
// What is learned from fewer intervals is luck.
const observations = 20
const adaptiveTolerance = 20
const adaptiveLeast = 30_000
// How long a topic that may speak seldom is given for its first data.
const adaptiveFirst = 120_000
// The weight of the latest interval in the average.
const weight = 0.1

// A class, and not closures: numbers as large as times are written into its fields without making new ones.
export class CadenceTracker {
  readonly #cadence: Cadence
  #average = 0
  #observed = 0
  #last = 0
  // Below zero when nothing is due.
  #expectedSince = -1
  #complaints = 0

  constructor(cadence: Cadence) {
    this.#cadence = cadence
  }

  /** Data came. */
  observe(at: number): void {
    if (this.#observed > 0) {
      const interval = at - this.#last
      this.#average = this.#observed === 1 ? interval : this.#average + weight * (interval - this.#average)
    }
    this.#last = at
    this.#expectedSince = -1
    this.#observed++
    this.#complaints = 0
  }

  /** From now on data is expected. */
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

  /** Something is done about its silence, which begins anew: the how-manieth time in a row. */
  complain(at: number): number {
    this.#expectedSince = at
    return ++this.#complaints
  }

  /** Nothing is expected of it until its next data. */
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
