// Follows events whose ids follow each other: duplicates are dropped, what is missing is fetched and comes first, and
// what cannot be had is a hole with exact bounds.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { HoleCause } from "../../binance/MarketEvent.ts"
import { HistoryPruned, HoleTooLarge, NotServedYet } from "../../binance/MarketEvent.ts"
import type { RestError } from "../../binance/Rest.ts"
import * as Intake from "../stream/slidingQueue.ts"
import * as Renumbering from "./idReset.ts"

export interface Hole {
  /** The first id that is missing. */
  readonly from: number
  /** The last id that is missing. Without it, nobody can say. */
  readonly to: number | undefined
  readonly cause: HoleCause
}

export interface Options<A> {
  /** The last event that is known from before. Without it, the first that comes begins. */
  readonly after: number | undefined
  readonly idOf: (event: A) => number
  readonly timeOf: (event: A) => number
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
  readonly outlet: Outlet<A>
}

/** Where events go, in order. */
export interface Outlet<A> {
  /** Takes events at once, if it has room for all of them. */
  passOn(events: ReadonlyArray<A>): boolean
  onEvents(events: ReadonlyArray<A>): Effect.Effect<void>
  onHole(hole: Hole): Effect.Effect<void>
}

// How often a REST interface that lags behind its sockets is asked again, each time after twice as long.
const patience = 6
const firstWait = Duration.millis(250)

// A class, and not closures: there may be thousands, each is passed for every message, and what a closure costs in lines of
// the cache a method does not.
export class Follower<A> {
  // Nothing is missing, and its fibre waits for more.
  #isCaughtUp = false
  // What is due: below zero before the first.
  #due: number
  // Of what came last in its place; before any has, of the first of those that were known. The event itself would outlive its
  // turn: with thousands of streams, each has one whenever the collector comes, which moves it (measured: a third of the cost
  // of a trade among ten thousand).
  #latestId = -1
  #latestAt = Number.NEGATIVE_INFINITY
  readonly #idOf: (event: A) => number
  readonly #timeOf: (event: A) => number
  readonly #outlet: Outlet<A>
  readonly #options: Options<A>
  readonly #intake: Intake.Intake<A>
  // What came after a hole that is still open.
  readonly #held = new Map<number, A>()
  // What was fetched and came after the hole: while that was waited for, it may have slid out of the intake. To fetch it
  // once more would take as long again, and so would every hole that leaves.
  readonly #beyond = new Map<number, A>()

  constructor(options: Options<A>) {
    this.#due = options.after === undefined ? -1 : options.after + 1
    this.#idOf = options.idOf
    this.#timeOf = options.timeOf
    this.#outlet = options.outlet
    this.#options = options
    this.#intake = Intake.make<A>(options.capacity)
  }

  /** What came from the sockets. */
  offer(events: ReadonlyArray<A>): void {
    if (this.#isCaughtUp && this.#passStraightOn(events)) return
    this.#isCaughtUp = false
    this.#intake.offerAll(events)
  }

  // Nearly always nothing is missing and nobody is slow: then nothing has to wait for a fibre.
  #passStraightOn(events: ReadonlyArray<A>): boolean {
    const fresh = this.#following(events)
    if (fresh === undefined || (fresh.length > 0 && !this.#outlet.passOn(fresh))) return false
    if (fresh.length > 0) {
      this.#due += fresh.length
      this.#remember(fresh[fresh.length - 1])
    }
    return true
  }

  // Those that are not known yet, if none is missing before any of them.
  #following(events: ReadonlyArray<A>): ReadonlyArray<A> | undefined {
    let next = this.#due
    for (const event of events) {
      if (this.#idOf(event) !== next++) return this.#withoutKnown(events)
    }
    return events
  }

  #withoutKnown(events: ReadonlyArray<A>): ReadonlyArray<A> | undefined {
    const fresh: Array<A> = []
    for (const event of events) {
      const id = this.#idOf(event)
      const next = this.#due + fresh.length
      if (id > next) return undefined
      if (id === next) fresh.push(event)
      else if (this.#isAnew(event, fresh.at(-1))) return undefined
    }
    return fresh
  }

  #remember(event: A | undefined): void {
    if (event === undefined) return
    this.#latestId = this.#idOf(event)
    this.#latestAt = this.#timeOf(event)
  }

  // Whether what is known by its id is newer than all that is.
  #isAnew(event: A, latest?: A): boolean {
    if (latest !== undefined) return Renumbering.isAnew(this.#timeOf(event), this.#timeOf(latest))
    if (this.#latestId >= 0) return Renumbering.isAnew(this.#timeOf(event), this.#latestAt)
    this.#remember(event)
    return false
  }

  // Fetching begins with the last event that is known: when it is there, whatever is not behind it never was.
  #repair(from: number, to: number): Effect.Effect<void> {
    const { fetch, idOf, limit, outlet, pageSize } = this.#options
    const beyond = this.#beyond
    return Effect.gen(this, function*() {
      if (to - from >= limit) return yield* outlet.onHole({ from, to, cause: new HoleTooLarge({ limit }) })
      let last = from - 1
      let asked = 0
      while (last < to) {
        const fetched = yield* Effect.either(fetch(last))
        if (Either.isLeft(fetched)) return yield* outlet.onHole({ from: last + 1, to, cause: fetched.left })
        const page = fetched.right
        // While it was away, the new ids have passed the old.
        const again = page.find((event) => idOf(event) === from - 1)
        if (again !== undefined && this.#latestId === from - 1 && this.#isAnew(again)) {
          return yield* outlet.onHole({ from, to: undefined, cause: Renumbering.cause() })
        }
        for (const event of page) {
          if (idOf(event) > to) beyond.set(idOf(event), event)
        }
        const first = page[0]
        if (first !== undefined && idOf(first) > last + 1) {
          const end = Math.min(idOf(first) - 1, to)
          yield* outlet.onHole({ from: last + 1, to: end, cause: new HistoryPruned() })
          last = end
        }
        const fresh = page.filter((event) => idOf(event) > last && idOf(event) <= to)
        if (fresh.length > 0) {
          yield* outlet.onEvents(fresh)
          last = Math.max(...fresh.map(idOf))
          asked = 0
        }
        const newest = page.at(-1)
        // It has what comes after the hole: so it has had all there was in it.
        if (newest !== undefined && idOf(newest) > to) return
        if (last >= to) return
        if (fresh.length > 0 && page.length >= pageSize) continue
        if (asked === patience) return yield* outlet.onHole({ from: last + 1, to, cause: new NotServedYet() })
        yield* Effect.sleep(Duration.times(firstWait, 2 ** asked))
        asked++
      }
    })
  }

  #takeHeld(events: Array<A>): void {
    for (;;) {
      const event = this.#held.get(this.#due)
      if (event === undefined) return
      events.push(event)
      this.#held.delete(this.#due)
      this.#due++
    }
  }

  #takeBeyond(events: Array<A>): void {
    for (;;) {
      const event = this.#held.size === 0 ? undefined : this.#beyond.get(this.#due)
      if (event === undefined) return
      events.push(event)
      this.#due++
      this.#takeHeld(events)
    }
  }

  #emit(events: ReadonlyArray<A>): Effect.Effect<void> {
    if (events.length === 0) return Effect.void
    this.#remember(events[events.length - 1])
    return this.#options.outlet.onEvents(events)
  }

  run(): Effect.Effect<never> {
    return Effect.gen(this, function*() {
      const { capacity, grace, outlet } = this.#options
      const intake = this.#intake
      const held = this.#held
      let heldSince = 0

      for (;;) {
        const now = yield* Clock.currentTimeMillis
        const left = heldSince + Duration.toMillis(grace()) - now
        if (this.#beyond.size === 0) {
          if (held.size === 0) {
            this.#isCaughtUp = this.#due >= 0 && intake.isEmpty()
            yield* intake.ready
          } else if (left > 0) {
            yield* Effect.raceFirst(intake.ready, Effect.sleep(left))
          }
        }

        const events: Array<A> = []
        for (const event of intake.drain().items) {
          const id = this.#idOf(event)
          if (this.#due < 0) this.#due = id
          if (id < this.#due) {
            if (!this.#isAnew(event, events.at(-1))) continue
            yield* this.#emit(events.splice(0))
            yield* outlet.onHole({ from: this.#due, to: undefined, cause: Renumbering.cause() })
            held.clear()
            this.#due = id
          }
          if (id === this.#due) {
            events.push(event)
            this.#due++
            if (held.size > 0) this.#takeHeld(events)
          } else {
            if (held.size === 0) heldSince = yield* Clock.currentTimeMillis
            held.set(id, event)
          }
        }
        this.#takeBeyond(events)
        this.#beyond.clear()
        yield* this.#emit(events)
        if (held.size === 0) continue

        const waited = (yield* Clock.currentTimeMillis) - heldSince
        if (waited < Duration.toMillis(grace()) && held.size < capacity) continue
        let resumeAt = Number.POSITIVE_INFINITY
        for (const id of held.keys()) resumeAt = Math.min(resumeAt, id)
        yield* this.#repair(this.#due, resumeAt - 1)
        this.#due = resumeAt
        const released: Array<A> = []
        this.#takeHeld(released)
        heldSince = yield* Clock.currentTimeMillis
        yield* this.#emit(released)
      }
    })
  }
}

export const make = <A>(options: Options<A>): Follower<A> => new Follower<A>(options)
