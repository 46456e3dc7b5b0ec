// Ids only grow, until a venue resets them, as test networks do when they are emptied. An event with an old id is usually a late
// copy from another connection, or one that is said again. Its time, the events beside it and the REST interface show which.
import { NotRepairable } from "../../market/MarketEvent.ts"

// In milliseconds: longer than connections lag behind each other, and than clocks differ.
const newerBy = 60_000
// In milliseconds: what two times of one event may differ by.
const nearBy = 1_000
// In milliseconds: events within less than this show nothing about a clock. Those that are said again have about one time.
const spreadAtLeast = 200
// Times from here on are in microseconds: in milliseconds, this is the year 5138.
const micros = 1e14

const inUnitOf = (at: number, millis: number) => at < micros ? millis : millis * 1_000

/** Whether an event with an old id shows an id reset: `at` is its time, and `latest` the time of the latest event. */
export const isIdReset = (at: number, latest: number): boolean => at - latest > inUnitOf(at, newerBy)

/** Whether a time is newer than another one of the same clock, by more than rounding. */
export const isNewer = (at: number, latest: number): boolean => at - latest > inUnitOf(at, nearBy)

export const cause = (): NotRepairable => new NotRepairable({ reason: "The venue has reset its ids." })

/** The events that prove something without the REST interface. */
export const several = 3

/** An event: its id and its time. */
export interface Sight {
  readonly id: number
  readonly at: number
}

export interface Evidence {
  /** The time of the last known event, as the sockets told it: undefined if it is not known. */
  readonly knownAt: number | undefined
  /** The time of the last known event, as the REST interface told it when it was fetched. */
  readonly fetchedAt: number | undefined
  /** The time that the REST interface tells under the last known id: undefined if it has no event with that id. */
  readonly storedAt: number | undefined
  /** The events that are held: how the sockets told their times, and how the REST interface does. */
  readonly held: ReadonlyArray<{ readonly at: number; readonly storedAt: number | undefined }>
  /** How far the clock of the REST interface is ahead: 0 if nothing has shown it. */
  readonly restAhead: number
}

/** The judgement of events with old ids and newer times. */
export type Verdict = "Reset" | "Repeats" | "Undecided"

/** Judges events with old ids and newer times by the answers of the REST interface. */
export const verdict = ({ fetchedAt, held, knownAt, restAhead, storedAt }: Evidence): Verdict => {
  const near = (a: number, b: number) => Math.abs(a - b) <= inUnitOf(Math.max(a, b), nearBy)
  const twins = held.flatMap((each) => each.storedAt === undefined ? [] : [{ at: each.at, ahead: each.storedAt - each.at, storedAt: each.storedAt }])
  const areStored = twins.some((twin) => near(twin.storedAt, twin.at + restAhead)) || isOneClock(twins)
  // The id that was the last one is no event any more, or not yet.
  if (storedAt === undefined) return areStored ? "Reset" : "Undecided"
  if (fetchedAt !== undefined ? near(storedAt, fetchedAt) : knownAt === undefined || near(storedAt, knownAt + restAhead)) return "Repeats"
  return areStored ? "Reset" : "Repeats"
}

// Whether one difference of clocks explains the times of all events.
const isOneClock = (twins: ReadonlyArray<{ readonly at: number; readonly ahead: number }>): boolean => {
  const spreadOf = (values: ReadonlyArray<number>) => values.reduce((most, each) => Math.max(most, each), -Infinity) - values.reduce((least, each) => Math.min(least, each), Infinity)
  const [first] = twins
  if (first === undefined) return false
  const spread = spreadOf(twins.map(({ at }) => at))
  return spread >= inUnitOf(first.at, spreadAtLeast) && spreadOf(twins.map(({ ahead }) => ahead)) <= spread / 10
}

/**
 * Judges the events by themselves: if they are new, their times grow with their ids. `known` is the number of events that went on
 * from the known ids in the meantime.
 */
export const alone = (held: ReadonlyArray<Sight>, known: number): Verdict => {
  if (known > 0) return known >= several || held.length < several ? "Repeats" : "Undecided"
  const sorted = [...held].sort((a, b) => a.id - b.id)
  return held.length >= several && sorted.every(({ at }, i) => at >= (sorted[i - 1]?.at ?? at)) ? "Reset" : "Undecided"
}
