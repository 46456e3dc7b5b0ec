// Puts the events of a sequence in order: drops duplicates, fetches missing events and emits them first, and emits a gap with
// exact bounds for events that cannot be fetched.
//
// Nearly always nothing is missing, and events pass straight on. Otherwise a fibre loops: it drains the queue, puts the events
// in order (those after a missing range wait in a reorder buffer), and fetches the range if no other connection fills it in time.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Sequence, Target } from "../../market/Continuity.ts"
import type { GapCause, MarketEvent } from "../../market/MarketEvent.ts"
import { GapTooLarge, HistoryPruned, NotServedYet, RepairTooLong } from "../../market/MarketEvent.ts"
import * as SlidingQueue from "../stream/slidingQueue.ts"
import * as IdReset from "./idReset.ts"
import * as Lag from "./lag.ts"
import { ReorderBuffer } from "./reorderBuffer.ts"
import type { Limits, Progress } from "./repair.ts"
import { affordable, inOrder, Repair } from "./repair.ts"
import { isDue, monotonic } from "../time/monotonic.ts"

export interface MissingRange {
  /** The first id that is missing. */
  readonly from: number
  /** The last id that is missing; undefined if it is unknown. */
  readonly to: number | undefined
  readonly cause: GapCause
}

export interface Options<A extends MarketEvent> {
  readonly sequence: Sequence<A>
  /** The stream to fetch events of. */
  readonly target: Target
  /** The id of the last event that the reader already has. Default: the stream begins with the first that arrives. */
  readonly after: number | undefined
  /** What fetching one gap may cost. */
  readonly limits: Limits
  /** The time that another connection has to bring missing events before they are fetched. */
  readonly grace: () => Duration.Duration
  /** The most events held back behind a missing range; also, the most events queued while the range is fetched. */
  readonly capacity: number
  readonly output: Output<A>
}

/** Receives the events in order. */
export interface Output<A> {
  /** Whether there is room for this many events. */
  fits(count: number): boolean
  /** Emits events for which there is room. */
  emitNow(events: ReadonlyArray<A>): void
  emit(events: ReadonlyArray<A>): Effect.Effect<void>
  emitMissing(missing: MissingRange): Effect.Effect<void>
  /** Records how far a repair is. */
  progress(progress: Progress): void
}

// Whether events that cannot be fetched now may be fetched later.
const isPassing = ({ _tag }: GapCause) => _tag === "NotServedYet" || _tag === "RestUnavailable" || _tag === "RestLimited"

// Events by their ids.
type Fetched<A> = ReadonlyMap<number, A>

// A class, not closures: there may be thousands of them, each message goes through one, and methods touch fewer cache lines
// than closures.
export class Resequencer<A extends MarketEvent> {
  // Whether nothing is missing and the fibre waits for events.
  #isCaughtUp = false
  // The next id; negative before the first event.
  #due: number
  // The id and time of the last event that was emitted; before that, of the first event with a known id. The time is that of the
  // sockets: the clock of the REST interface may be another. They are copied so that
  // the event itself does not outlive its turn: the garbage collector would have to move one for each of thousands of streams
  // (measured: a third of the cost of a trade among ten thousand).
  #latestId = -1
  #latestAt = Number.NEGATIVE_INFINITY
  // How far the clock of the REST interface was ahead of the sockets', as an event showed that came from both.
  #restAhead = 0
  // The events after a missing range.
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

  /** Takes events from the sockets. */
  offer(events: ReadonlyArray<A>): void {
    if (this.#isCaughtUp && this.#passStraightOn(events)) return
    this.#isCaughtUp = false
    this.#queue.offerAll(events)
  }

  // Emits the events without waking the fibre, if none is missing and no reader is slow. Returns whether it did.
  #passStraightOn(events: ReadonlyArray<A>): boolean {
    const fresh = this.#following(events)
    if (fresh === undefined || !this.#output.fits(fresh.length)) return false
    if (fresh.length > 0) {
      this.#due += fresh.length
      this.#remember(fresh[fresh.length - 1])
      this.#output.emitNow(fresh)
    }
    return true
  }

  // The events with new ids; undefined if one is missing before them, or the venue has reset its ids.
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
    this.#latestAt = event.via === "ws" ? event.timestamp : Math.max(this.#latestAt, event.timestamp - this.#restAhead)
  }

  // Whether an event with a known id shows, by its time, that the venue has reset its ids.
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
      // Fetched events from beyond the missing range. The queue may have dropped the same events during the fetch. Fetching
      // them again would take as long, and could leave another missing range.
      let beyond: Fetched<A> | undefined
      yield* this.#resume()
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

  // Waits for events, or until the missing range is overdue.
  #awaitMore(): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      const { ready } = this.#queue
      if (this.#held === undefined) {
        this.#isCaughtUp = this.#due >= 0 && this.#queue.isEmpty()
        return yield* ready
      }
      const left = this.#held.since + Duration.toMillis(this.#options.grace()) - (yield* monotonic)
      if (left > 0) yield* Effect.raceFirst(ready, Effect.sleep(left))
    })
  }

  // Returns the events that are due, in order, and holds back those after a missing range.
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
          this.#held ??= new ReorderBuffer(yield* monotonic)
          this.#held.put(id, event)
        }
      }
      return events
    })
  }

  // Appends the events that were held back and are due now.
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

  // Whether other connections have had their time to fill the missing range, or the buffer is full.
  #isOverdue({ since, size }: ReorderBuffer<A>): Effect.Effect<boolean> {
    const { capacity, grace } = this.#options
    return Effect.map(monotonic, (now) => isDue(since + Duration.toMillis(grace()), now) || size >= capacity)
  }

  // Fills the missing range and emits the events after it. Returns the events that were fetched from beyond it.
  #repair(held: ReorderBuffer<A>): Effect.Effect<Fetched<A>> {
    return Effect.gen(this, function*() {
      const resumeAt = held.first()
      const beyond = new Map<number, A>()
      const left = yield* this.#fill(this.#due, resumeAt - 1, beyond)
      if (left !== undefined) yield* this.#output.emitMissing(left)
      this.#due = resumeAt
      const released: Array<A> = []
      this.#release(released)
      held.since = yield* monotonic
      yield* this.#emit(released)
      return beyond
    })
  }

  // Fetches at once what happened since the event after which the reader resumes: in a quiet market, the next event that would
  // show the missing ones may be long in coming. What cannot be had now is fetched when that event comes.
  #resume(): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      const { after, target } = this.#options
      if (after === undefined) return
      const sequence = this.#sequence
      const first = yield* Effect.option(sequence.fetch(target, after))
      if (Option.isNone(first)) return
      const page = inOrder(first.value, (event) => sequence.idOf(event))
      const newest = page.at(-1)
      if (newest === undefined || sequence.idOf(newest) <= after) return
      let to = sequence.idOf(newest)
      if (page.length >= sequence.pageSize && sequence.latest !== undefined) {
        const latest = yield* Effect.option(sequence.latest(target))
        to = Math.max(to, Option.getOrUndefined(latest) ?? to)
      }
      const left = yield* this.#fill(this.#due, to, new Map(), page)
      this.#due = left === undefined || !isPassing(left.cause) ? to + 1 : left.from
      if (left !== undefined && !isPassing(left.cause)) yield* this.#output.emitMissing(left)
    })
  }

  // Fetches a missing range, and returns the part that cannot be fetched. Fetching begins with the last known event: if the
  // venue still has that one, an id that is missing after it never was an event. Of a range that is too large, it fetches the
  // newest part: then nothing is missing between that and what follows, and a reader that needs the recent past has it whole.
  #fill(from: number, to: number, beyond: Map<number, A>, known?: ReadonlyArray<A>): Effect.Effect<MissingRange | undefined> {
    const { limits, output, sequence, target } = this.#options
    const idOf = (event: A) => sequence.idOf(event)
    const most = affordable(limits, { size: sequence.pageSize, weight: sequence.weight ?? 0 })
    return Effect.gen(this, function*() {
      const repair = new Repair(limits, sequence.weight ?? 0, yield* monotonic)
      let last = from - 1
      let useless = 0
      let isConfirmed = false
      let page = known
      const skipTo = function*(next: number, cause: GapCause) {
        yield* output.emitMissing({ from: last + 1, to: next, cause })
        last = next
        page = undefined
      }
      if (to - last > most) yield* skipTo(to - most, new GapTooLarge({ limit: most }))
      while (last < to) {
        if (page === undefined) {
          const fetched = yield* Effect.either(sequence.fetch(target, last))
          if (Either.isLeft(fetched)) return { from: last + 1, to, cause: fetched.left }
          page = inOrder(fetched.right, idOf)
        }
        const reset = yield* this.#hasReset(page, from - 1)
        if (reset !== undefined) return { from, to: reset._tag === "NotRepairable" ? undefined : to, cause: reset }
        for (const event of page) {
          if (idOf(event) > to) beyond.set(idOf(event), event)
        }
        const [first] = page
        if (first !== undefined && idOf(first) > last + 1) {
          // A single answer that ignored the id would look the same.
          if (!isConfirmed) {
            isConfirmed = true
            page = undefined
            continue
          }
          const end = Math.min(idOf(first) - 1, to)
          yield* output.emitMissing({ from: last + 1, to: end, cause: sequence.olderCause?.() ?? new HistoryPruned() })
          last = end
        }
        const before = last
        const fresh = page.filter((event) => idOf(event) > before && idOf(event) <= to)
        const newest = page.at(-1)
        // The page reaches beyond the range, so the venue has no more events in the range.
        const isComplete = newest !== undefined && idOf(newest) > to
        yield* this.#emitFetched(fresh, last + 1, isComplete ? to : undefined)
        const lastFresh = fresh.at(-1)
        if (lastFresh !== undefined) {
          last = idOf(lastFresh)
          useless = 0
        }
        repair.count(fresh.length)
        if (isComplete) return undefined
        const isFull = page.length >= sequence.pageSize
        page = undefined
        if (last >= to) return undefined
        const now = yield* monotonic
        if (fresh.length > 0) output.progress(repair.progress(to - last, now))
        if (repair.isTimeOver(now) && to - last > sequence.pageSize) {
          yield* skipTo(to - sequence.pageSize, new RepairTooLong({ limit: limits.time }))
        } else if (!(fresh.length > 0 && isFull) && !(yield* Lag.askAgain(useless++))) {
          return { from: last + 1, to, cause: new NotServedYet() }
        }
      }
      return undefined
    })
  }

  // Emits fetched events, the first of which may have the id `from`. Where the venue leaves out events, an id that is missing
  // between them, or before the end of the range, is a gap.
  #emitFetched(events: ReadonlyArray<A>, from: number, to: number | undefined): Effect.Effect<void> {
    const { output, sequence } = this.#options
    const { skippedCause: cause } = sequence
    if (cause === undefined) return events.length === 0 ? Effect.void : output.emit(events)
    return Effect.gen(function*() {
      let next = from
      let run: Array<A> = []
      const flush = function*() {
        if (run.length > 0) yield* output.emit(run)
        run = []
      }
      for (const event of events) {
        const id = sequence.idOf(event)
        if (id > next) {
          yield* flush()
          yield* output.emitMissing({ from: next, to: id - 1, cause })
        }
        run.push(event)
        next = id + 1
      }
      yield* flush()
      if (to !== undefined && next <= to) yield* output.emitMissing({ from: next, to, cause })
    })
  }

  // Whether the venue has reset its ids during an outage and the new ids have passed the old: then it returns the cause of the
  // gap. The event that is fetched under the last known id is then another one, with a newer time. Since the clock of the REST
  // interface may differ, that time is compared by an event that came over the sockets too.
  #hasReset(page: ReadonlyArray<A>, lastKnown: number): Effect.Effect<GapCause | undefined> {
    if (this.#latestId !== lastKnown) return Effect.succeed(undefined)
    const again = page.find((event) => this.#sequence.idOf(event) === lastKnown)
    const held = this.#held?.get()
    if (again === undefined || held === undefined) return Effect.succeed(undefined)
    return Effect.gen(this, function*() {
      const twin = this.#in(page, held)
      if (twin !== undefined) this.#restAhead = twin.timestamp - held.timestamp
      if (!IdReset.isIdReset(again.timestamp - this.#restAhead, this.#latestAt)) return undefined
      if (twin !== undefined) return IdReset.cause()
      for (let useless = 0;;) {
        const fetched = yield* Effect.either(this.#sequence.fetch(this.#options.target, this.#sequence.idOf(held)))
        if (Either.isLeft(fetched)) return fetched.left
        const later = this.#in(fetched.right, held)
        if (later !== undefined) {
          this.#restAhead = later.timestamp - held.timestamp
          return IdReset.isIdReset(again.timestamp - this.#restAhead, this.#latestAt) ? IdReset.cause() : undefined
        }
        if (!(yield* Lag.askAgain(useless++))) return new NotServedYet()
      }
    })
  }

  // The fetched copy of an event.
  #in(page: ReadonlyArray<A>, event: A): A | undefined {
    const id = this.#sequence.idOf(event)
    return page.find((each) => this.#sequence.idOf(each) === id)
  }
}
