// Puts events whose ids follow each other in order, and makes them whole: duplicates are dropped, what is missing is fetched
// and comes first, and what cannot be had is a hole with exact bounds.
//
// Nearly always nothing is missing, and events pass straight on. Otherwise a fibre goes round: it drains what came, places it
// (what comes after a hole waits in a reorder buffer), and repairs the hole when no other connection fills it in time.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Sequence, Target } from "../../market/Continuity.ts"
import type { GapCause, MarketEvent } from "../../market/MarketEvent.ts"
import { HistoryPruned, GapTooLarge, NotServedYet } from "../../market/MarketEvent.ts"
import * as SlidingQueue from "../stream/slidingQueue.ts"
import * as IdReset from "./idReset.ts"
import * as Lag from "./lag.ts"
import { ReorderBuffer } from "./reorderBuffer.ts"

export interface MissingRange {
  /** The first id that is missing. */
  readonly from: number
  /** The last id that is missing. Without it, nobody can say. */
  readonly to: number | undefined
  readonly cause: GapCause
}

export interface Options<A extends MarketEvent> {
  readonly sequence: Sequence<A>
  /** Which stream is fetched from. */
  readonly target: Target
  /** The last event that is known from before. Without it, the first that comes begins. */
  readonly after: number | undefined
  /** Holes with more than so many events are not fetched. */
  readonly limit: number
  /** How long another connection may take to bring what is missing, before it is fetched. */
  readonly grace: () => Duration.Duration
  /** Events held back at most while a hole before them is open, and as many again while one is fetched. */
  readonly capacity: number
  readonly output: Output<A>
}

/** Where events go, in order. */
export interface Output<A> {
  /** Takes events at once, if it has room for all of them. */
  tryEmit(events: ReadonlyArray<A>): boolean
  emit(events: ReadonlyArray<A>): Effect.Effect<void>
  emitMissing(missing: MissingRange): Effect.Effect<void>
}

// Events by their ids.
type Fetched<A> = ReadonlyMap<number, A>

// A class, and not closures: there may be thousands, each is passed for every message, and what a closure costs in lines of
// the cache a method does not.
export class Resequencer<A extends MarketEvent> {
  // Nothing is missing, and its fibre waits for more.
  #isCaughtUp = false
  // The id that comes next: below zero before the first.
  #due: number
  // The id and time of the last event that passed; before any has, of the first that was known. Kept apart from the event,
  // which would outlive its turn: with thousands of streams, each has one whenever the collector comes, which moves it
  // (measured: a third of the cost of a trade among ten thousand).
  #latestId = -1
  #latestAt = Number.NEGATIVE_INFINITY
  // What came after a hole that is open.
  #held: ReorderBuffer<A> | undefined
  readonly #sequence: Sequence<A>
  readonly #output: Output<A>
  readonly #options: Options<A>
  readonly #queue: SlidingQueue.SlidingQueue<A>

  constructor(options: Options<A>) {
    this.#due = options.after === undefined ? -1 : options.after + 1
    this.#sequence = options.sequence
    this.#output = options.output
    this.#options = options
    this.#queue = SlidingQueue.make<A>(options.capacity)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Nothing is missing

  /** What came from the sockets. */
  offer(events: ReadonlyArray<A>): void {
    if (this.#isCaughtUp && this.#passStraightOn(events)) return
    this.#isCaughtUp = false
    this.#queue.offerAll(events)
  }

  // Where nobody is slow either, nothing has to wait for a fibre.
  #passStraightOn(events: ReadonlyArray<A>): boolean {
    const fresh = this.#following(events)
    if (fresh === undefined || (fresh.length > 0 && !this.#output.tryEmit(fresh))) return false
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
      if (this.#sequence.idOf(event) !== next++) return this.#withoutKnown(events)
    }
    return events
  }

  #withoutKnown(events: ReadonlyArray<A>): ReadonlyArray<A> | undefined {
    const fresh: Array<A> = []
    for (const event of events) {
      const id = this.#sequence.idOf(event)
      const next = this.#due + fresh.length
      if (id > next) return undefined
      if (id === next) fresh.push(event)
      else if (this.#isIdReset(event, fresh.at(-1))) return undefined
    }
    return fresh
  }

  #remember(event: A | undefined): void {
    if (event === undefined) return
    this.#latestId = this.#sequence.idOf(event)
    this.#latestAt = event.timestamp
  }

  // Whether what is known by its id is newer than all that is.
  #isIdReset(event: A, latest?: A): boolean {
    if (latest !== undefined) return IdReset.isIdReset(event.timestamp, latest.timestamp)
    if (this.#latestId >= 0) return IdReset.isIdReset(event.timestamp, this.#latestAt)
    this.#remember(event)
    return false
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Drain, place, repair

  run(): Effect.Effect<never> {
    return Effect.gen(this, function*() {
      // What was fetched and comes after the hole: while that was waited for, it may have slid out of the intake. To fetch it
      // once more would take as long again, and so would every hole that leaves.
      let beyond: Fetched<A> | undefined
      for (;;) {
        if (beyond === undefined || beyond.size === 0) yield* this.#awaitMore()
        const events = yield* this.#order(this.#queue.drain().items)
        if (beyond !== undefined) this.#orderFetched(beyond, events)
        yield* this.#emit(events)
        const held = this.#held
        beyond = held !== undefined && (yield* this.#isOverdue(held)) ? yield* this.#repair(held) : undefined
      }
    })
  }

  // Until there is something to drain, or the hole has been open for long enough.
  #awaitMore(): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      const { ready } = this.#queue
      if (this.#held === undefined) {
        this.#isCaughtUp = this.#due >= 0 && this.#queue.isEmpty()
        return yield* ready
      }
      const left = this.#held.since + Duration.toMillis(this.#options.grace()) - (yield* Clock.currentTimeMillis)
      if (left > 0) yield* Effect.raceFirst(ready, Effect.sleep(left))
    })
  }

  // Gives back what is due, in order. What comes after a hole is held back.
  #order(arrived: ReadonlyArray<A>): Effect.Effect<Array<A>> {
    return Effect.gen(this, function*() {
      const events: Array<A> = []
      for (const event of arrived) {
        const id = this.#sequence.idOf(event)
        if (this.#due < 0) this.#due = id
        if (id < this.#due) {
          if (!this.#isIdReset(event, events.at(-1))) continue
          yield* this.#emit(events.splice(0))
          yield* this.#output.emitMissing({ from: this.#due, to: undefined, cause: IdReset.cause() })
          this.#held = undefined
          this.#due = id
        }
        if (id === this.#due) {
          events.push(event)
          this.#due++
          this.#release(events)
        } else {
          this.#held ??= new ReorderBuffer(yield* Clock.currentTimeMillis)
          this.#held.put(id, event)
        }
      }
      return events
    })
  }

  // Puts what was held back and is due now behind other events.
  #release(events: Array<A>): void {
    if (this.#held === undefined) return
    this.#due = this.#held.take(this.#due, events)
    if (this.#held.size === 0) this.#held = undefined
  }

  #orderFetched(fetched: Fetched<A>, events: Array<A>): void {
    while (this.#held !== undefined) {
      const event = fetched.get(this.#due)
      if (event === undefined) return
      events.push(event)
      this.#due++
      this.#release(events)
    }
  }

  #emit(events: ReadonlyArray<A>): Effect.Effect<void> {
    if (events.length === 0) return Effect.void
    this.#remember(events[events.length - 1])
    return this.#output.emit(events)
  }

  // Whether other connections have had their time to fill the hole, or no more can be held back.
  #isOverdue({ since, size }: ReorderBuffer<A>): Effect.Effect<boolean> {
    const { capacity, grace } = this.#options
    return Effect.map(Clock.currentTimeMillis, (now) => now - since >= Duration.toMillis(grace()) || size >= capacity)
  }

  // Closes the hole, and releases what came after it. Gives back what was fetched beyond it.
  #repair(held: ReorderBuffer<A>): Effect.Effect<Fetched<A>> {
    return Effect.gen(this, function*() {
      const resumeAt = held.first()
      const beyond = new Map<number, A>()
      const left = yield* this.#fill(this.#due, resumeAt - 1, beyond)
      if (left !== undefined) yield* this.#output.emitMissing(left)
      this.#due = resumeAt
      const released: Array<A> = []
      this.#release(released)
      held.since = yield* Clock.currentTimeMillis
      yield* this.#emit(released)
      return beyond
    })
  }

  // Fetches the events of a hole, and gives back what of it cannot be had. Fetching begins with the last event that is known:
  // when it is there, whatever is not behind it never was.
  #fill(from: number, to: number, beyond: Map<number, A>): Effect.Effect<MissingRange | undefined> {
    const { limit, output, sequence, target } = this.#options
    const idOf = (event: A) => sequence.idOf(event)
    return Effect.gen(this, function*() {
      if (to - from >= limit) return { from, to, cause: new GapTooLarge({ limit }) }
      let last = from - 1
      let useless = 0
      while (last < to) {
        const fetched = yield* Effect.either(sequence.fetch(target, last))
        if (Either.isLeft(fetched)) return { from: last + 1, to, cause: fetched.left }
        const page = fetched.right
        if (this.#hasReset(page, from - 1)) return { from, to: undefined, cause: IdReset.cause() }
        for (const event of page) {
          if (idOf(event) > to) beyond.set(idOf(event), event)
        }
        const [first] = page
        if (first !== undefined && idOf(first) > last + 1) {
          const end = Math.min(idOf(first) - 1, to)
          yield* output.emitMissing({ from: last + 1, to: end, cause: new HistoryPruned() })
          last = end
        }
        const fresh = page.filter((event) => idOf(event) > last && idOf(event) <= to)
        if (fresh.length > 0) {
          yield* output.emit(fresh)
          last = Math.max(...fresh.map(idOf))
          useless = 0
        }
        const newest = page.at(-1)
        // The venue has what comes after the hole: so it has had all there was in it.
        if (newest !== undefined && idOf(newest) > to) return undefined
        if (fresh.length > 0 && page.length >= sequence.pageSize) continue
        if (last < to && !(yield* Lag.askAgain(useless++))) return { from: last + 1, to, cause: new NotServedYet() }
      }
      return undefined
    })
  }

  // While it was away, the new ids have passed the old: what is fetched under the last known id is something else.
  #hasReset(page: ReadonlyArray<A>, lastKnown: number): boolean {
    if (this.#latestId !== lastKnown) return false
    const again = page.find((event) => this.#sequence.idOf(event) === lastKnown)
    return again !== undefined && this.#isIdReset(again)
  }
}
