// Follows events whose ids follow each other: duplicates are dropped, what is missing is fetched and comes first, and
// what cannot be had is a hole with exact bounds.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { HoleCause } from "../binance/MarketEvent.ts"
import { HistoryPruned, HoleTooLarge, NotServedYet } from "../binance/MarketEvent.ts"
import type { RestError } from "../binance/Rest.ts"
import * as Intake from "./intake.ts"

export interface Hole {
  /** The first id that is missing. */
  readonly from: number
  /** The last id that is missing. */
  readonly to: number
  readonly cause: HoleCause
}

export interface Options<A> {
  /** The last event that is known from before. Without it, the first that comes begins. */
  readonly after: number | undefined
  readonly idOf: (event: A) => number
  /** Events from an id on, that one included if it is still kept, oldest first. Empty when there are none yet. */
  readonly fetch: (fromId: number) => Effect.Effect<ReadonlyArray<A>, RestError>
  /** What `fetch` gives at most. */
  readonly pageSize: number
  /** Holes with more than so many events are not fetched. */
  readonly limit: number
  /** How long another connection may take to bring what is missing, before it is fetched. */
  readonly grace: () => Duration.Duration
  /** Events held back at most while a hole before them is open, and as many again while one is fetched. */
  readonly capacity: number
  /** Takes events at once, if it has room for all of them. */
  readonly passOn: (events: ReadonlyArray<A>) => boolean
  readonly onEvents: (events: ReadonlyArray<A>) => Effect.Effect<void>
  readonly onHole: (hole: Hole) => Effect.Effect<void>
}

export interface Follower<A> {
  /** What came from the sockets. */
  readonly offer: (events: ReadonlyArray<A>) => void
  readonly run: Effect.Effect<never>
}

// How often a REST interface that lags behind its sockets is asked again, each time after twice as long.
const patience = 6
const firstWait = Duration.millis(250)

export const make = <A>(options: Options<A>): Follower<A> => {
  const { capacity, idOf, limit, onEvents, onHole, pageSize, passOn } = options
  const intake = Intake.make<A>(capacity)
  // What is due: below zero before the first. In an object, since a number as large as an id is written into its field
  // without making a new one.
  const due = { id: options.after === undefined ? -1 : options.after + 1 }
  // What came after a hole that is still open.
  const held = new Map<number, A>()
  // What was fetched and came after the hole: while that was waited for, it may have slid out of the intake. To fetch it
  // once more would take as long again, and so would every hole that leaves.
  const beyond = new Map<number, A>()

  // Nearly always nothing is missing and nobody is slow: then nothing has to wait for a fibre.
  const passStraightOn = (events: ReadonlyArray<A>): boolean => {
    if (due.id < 0 || held.size > 0 || !intake.isIdle()) return false
    let next = due.id
    let fresh: ReadonlyArray<A> = events
    if (!events.every((event) => idOf(event) === next++)) {
      next = due.id
      const later: Array<A> = []
      for (const event of events) {
        const id = idOf(event)
        if (id > next) return false
        if (id < next) continue
        later.push(event)
        next++
      }
      fresh = later
    }
    if (fresh.length > 0 && !passOn(fresh)) return false
    due.id = next
    return true
  }

  // Fetching begins with the last event that is known: when it is there, whatever is not behind it never was.
  const repair = Effect.fnUntraced(function*(from: number, to: number) {
    if (to - from >= limit) return yield* onHole({ from, to, cause: new HoleTooLarge({ limit }) })
    let last = from - 1
    let asked = 0
    while (last < to) {
      const fetched = yield* Effect.either(options.fetch(last))
      if (Either.isLeft(fetched)) return yield* onHole({ from: last + 1, to, cause: fetched.left })
      const page = fetched.right
      for (const event of page) {
        if (idOf(event) > to) beyond.set(idOf(event), event)
      }
      const first = page[0]
      if (first !== undefined && idOf(first) > last + 1) {
        const end = Math.min(idOf(first) - 1, to)
        yield* onHole({ from: last + 1, to: end, cause: new HistoryPruned() })
        last = end
      }
      const fresh = page.filter((event) => idOf(event) > last && idOf(event) <= to)
      if (fresh.length > 0) {
        yield* onEvents(fresh)
        last = Math.max(...fresh.map(idOf))
        asked = 0
      }
      const newest = page.at(-1)
      // It has what comes after the hole: so it has had all there was in it.
      if (newest !== undefined && idOf(newest) > to) return
      if (last >= to) return
      if (page.length >= pageSize) continue
      if (asked === patience) return yield* onHole({ from: last + 1, to, cause: new NotServedYet() })
      yield* Effect.sleep(Duration.times(firstWait, 2 ** asked))
      asked++
    }
  })

  const run = Effect.gen(function*() {
    let heldSince = 0

    const takeHeld = (events: Array<A>) => {
      for (;;) {
        const event = held.get(due.id)
        if (event === undefined) return
        events.push(event)
        held.delete(due.id)
        due.id++
      }
    }

    const takeBeyond = (events: Array<A>) => {
      for (;;) {
        const event = held.size === 0 ? undefined : beyond.get(due.id)
        if (event === undefined) return
        events.push(event)
        due.id++
        takeHeld(events)
      }
    }

    for (;;) {
      const now = yield* Clock.currentTimeMillis
      const left = heldSince + Duration.toMillis(options.grace()) - now
      if (beyond.size === 0) {
        if (held.size === 0) yield* intake.ready
        else if (left > 0) yield* Effect.raceFirst(intake.ready, Effect.sleep(left))
      }

      const events: Array<A> = []
      for (const event of intake.drain().items) {
        const id = idOf(event)
        if (due.id < 0) due.id = id
        if (id < due.id) continue
        if (id === due.id) {
          events.push(event)
          due.id++
          if (held.size > 0) takeHeld(events)
        } else {
          if (held.size === 0) heldSince = yield* Clock.currentTimeMillis
          held.set(id, event)
        }
      }
      takeBeyond(events)
      beyond.clear()
      if (events.length > 0) yield* onEvents(events)
      if (held.size === 0) continue

      const waited = (yield* Clock.currentTimeMillis) - heldSince
      if (waited < Duration.toMillis(options.grace()) && held.size < capacity) continue
      const resumeAt = Math.min(...held.keys())
      yield* repair(due.id, resumeAt - 1)
      due.id = resumeAt
      const released: Array<A> = []
      takeHeld(released)
      heldSince = yield* Clock.currentTimeMillis
      yield* onEvents(released)
    }
  })

  return {
    offer: (events) => {
      if (!passStraightOn(events)) events.forEach(intake.offer)
    },
    run
  }
}
