// Whether a topic still speaks as often as it should.
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { Cadence } from "../Session.ts"

export interface Pulse {
  /** Data came. */
  readonly beat: (at: number) => void
  /** From now on data is expected. */
  readonly expect: (at: number) => void
  readonly isStale: (at: number) => boolean
  readonly silentFor: (at: number) => number
  readonly beatSince: (at: number) => boolean
  /** Something is done about its silence, which begins anew: the how-manieth time in a row. */
  readonly complain: (at: number) => number
  /** Nothing is expected of it until its next data. */
  readonly excuse: () => void
  readonly last: () => Option.Option<number>
}

// A stream that is late by this much of its cadence has missed several turns.
const tolerance = 5
// What is learned from fewer intervals is luck.
const observations = 20
const adaptiveTolerance = 20
const adaptiveLeast = 30_000
// What trades seldom is given so long for its first data.
const adaptiveFirst = 120_000
// The weight of the latest interval in the average.
const weight = 0.1

export const make = (cadence: Cadence): Pulse => {
  let average = 0
  let beats = 0
  let last: number | undefined
  let expectedSince: number | undefined
  let complaints = 0

  const allowed = (): number => {
    if (cadence === "exempt") return Number.POSITIVE_INFINITY
    if (cadence !== "adaptive") return Duration.toMillis(cadence) * tolerance
    if (beats === 0) return adaptiveFirst
    return beats < observations ? Number.POSITIVE_INFINITY : Math.max(adaptiveLeast, average * adaptiveTolerance)
  }
  const silentFor = (at: number) => at - Math.max(last ?? 0, expectedSince ?? 0)

  return {
    beat: (at) => {
      if (last !== undefined) average = beats === 1 ? at - last : average + weight * (at - last - average)
      last = at
      expectedSince = undefined
      beats++
      complaints = 0
    },
    expect: (at) => {
      expectedSince = at
    },
    isStale: (at) => (last !== undefined || expectedSince !== undefined) && silentFor(at) > allowed(),
    silentFor,
    beatSince: (at) => last !== undefined && last >= at,
    complain: (at) => {
      expectedSince = at
      return ++complaints
    },
    excuse: () => {
      expectedSince = Number.POSITIVE_INFINITY
    },
    last: () => Option.fromNullable(last)
  }
}
