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
import { Doubt } from "./doubt.ts"
import * as IdReset from "./idReset.ts"
import { Inquiry } from "./inquiry.ts"
import * as Lag from "./lag.ts"
import type { Presence } from "./reorderBuffer.ts"
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
  /** The limits of fetching one gap. */
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
  /** Records that a missing range was emitted, as far as it can be had, `took` milliseconds after it was noticed. */
  whole(took: number): void
  /** Reports an event whose id is none of the stream. */
  reject(event: A, reason: string): void
}

// Whether events that cannot be fetched now may be fetched later.
const isPassing = ({ _tag }: GapCause) => _tag === "NotServedYet" || _tag === "RestUnavailable" || _tag === "RestLimited"

// In milliseconds: the time that a sequence has to show by itself what events with unexpected ids are, before REST is asked.
const askAfter = 1_000
// In milliseconds: after an answer that settled nothing, or that showed nothing new. A request has a weight.
const askAgainAfter = 60_000

// Events by their ids.
type Fetched<A> = ReadonlyMap<number, A>

// A class, not closures: there may be thousands of them, each message goes through one, and methods touch fewer cache lines
// than closures.
export class Resequencer<A extends MarketEvent> {
  // Whether nothing is missing and the fibre waits for events.
  #isCaughtUp = false
  // The next id; negative before the first event.
  #due: number
  // The id and time of the last event that was emitted. The time is that of the sockets: the clock of the REST interface may be
  // another. They are copied so that the event itself does not outlive its turn: the garbage collector would have to move one for
  // each of thousands of streams (measured: a third of the cost of a trade among ten thousand).
  #latestId = -1
  #latestAt = Number.NEGATIVE_INFINITY
  // Its time as the REST interface told it, if it was fetched.
  #fetchedAt: number | undefined
  // How far the clock of the REST interface was ahead of the sockets', as an event showed that came from both.
  #restAhead = 0
  // The events after a missing range.
  #held: ReorderBuffer<A> | undefined
  // The events with old ids and newer times.
  #doubt: Doubt<A> | undefined
  #askAfter = askAfter
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

  // The events with new ids; undefined if one is missing before them, or one has an old id and a newer time.
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
      else if (this.#isNew(event, fresh.at(-1))) return undefined
    }
    return fresh
  }

  #remember(event: A | undefined): void {
    if (event === undefined) return
    const at = this.#timeOf(event)
    this.#latestId = this.#sequence.idOf(event)
    if (event.via === "ws") {
      this.#latestAt = at
      this.#fetchedAt = undefined
    } else {
      this.#latestAt = Math.max(this.#latestAt, at - this.#restAhead)
      this.#fetchedAt = at
    }
  }

  #timeOf(event: A): number {
    return this.#sequence.happenedAt?.(event) ?? event.timestamp
  }

  // Whether the time of an event with an old id is newer than the latest: then it may be another event than the known one.
  #isNew(event: A, latest?: A): boolean {
    return this.#isLater(this.#timeOf(event), latest === undefined ? this.#latestAt : this.#timeOf(latest))
  }

  // Whether one event happened after another: without a time at which it did, copies of one may differ.
  #isLater(at: number, than: number): boolean {
    return this.#sequence.happenedAt === undefined ? IdReset.isIdReset(at, than) : at > than
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
        yield* this.#settle()
        const held = this.#held
        const isRepairable = held !== undefined && this.#doubt === undefined && (yield* this.#isOverdue(held)) &&
          (yield* this.#isPlausible(held))
        beyond = isRepairable ? yield* this.#repair(held) : undefined
      }
    })
  }

  // Waits for events, or until the missing range is overdue.
  #awaitMore(): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      const { ready } = this.#queue
      if (this.#doubt !== undefined) {
        const left = this.#doubt.until - (yield* monotonic)
        const inquiry = left > 0 ? Effect.raceFirst(Effect.sleep(left), this.#doubt.inquiry.wait()) : this.#doubt.inquiry.wait()
        return yield* Effect.raceFirst(ready, inquiry)
      }
      if (this.#held === undefined) {
        this.#isCaughtUp = this.#due >= 0 && this.#queue.isEmpty()
        return yield* ready
      }
      const left = this.#held.since + Duration.toMillis(this.#options.grace()) - (yield* monotonic)
      if (left > 0) yield* Effect.raceFirst(ready, Effect.sleep(left))
      else if (this.#held.inquiry !== undefined) yield* Effect.raceFirst(ready, this.#held.inquiry.wait())
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
          if (this.#isNew(event, events.at(-1))) yield* this.#doubtAbout(id, event)
          continue
        }
        const at = this.#timeOf(event)
        if (this.#doubt !== undefined && at >= this.#doubt.newestAt) {
          if (this.#doubt.leadsTo(id)) {
            this.#doubt.put(id, event, at)
            continue
          }
          if (id === this.#due) yield* this.#goOn(this.#doubt)
        }
        if (id === this.#due) {
          if (this.#held !== undefined && this.#isLater(at, this.#held.newestAt)) this.#held.passed++
          events.push(event)
          this.#due++
          this.#release(events)
        } else {
          this.#held ??= new ReorderBuffer(yield* monotonic)
          this.#held.put(id, event, at)
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

  // -------------------------------------------------------------------------------------------------------------------
  // Old ids with newer times: repeated events, or ids that begin anew

  #doubtAbout(id: number, event: A): Effect.Effect<void> {
    return Effect.map(monotonic, (now) => {
      const at = this.#timeOf(event)
      this.#doubt ??= new Doubt<A>(at, now + askAgainAfter, new Inquiry(now + this.#askAfter, Effect.suspend(() => this.#askAboutDoubt())))
      this.#doubt.put(id, event, at)
    })
  }

  // Notes that an event goes on from the known ids. One is enough to show that a single event was repeated.
  #goOn(doubt: Doubt<A>): Effect.Effect<void> {
    doubt.known++
    return doubt.known >= Math.min(doubt.size, IdReset.several) ? this.#dispel(doubt) : Effect.void
  }

  // The events that are held are known ones.
  #dispel(doubt: Doubt<A>): Effect.Effect<void> {
    this.#doubt = undefined
    return doubt.inquiry.cancel()
  }

  // Ends the doubt, if the REST interface or the events show what is held.
  #settle(): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      const doubt = this.#doubt
      if (doubt === undefined) return
      const { capacity } = this.#options
      const isFull = doubt.size >= capacity
      const isUrgent = doubt.last >= this.#due || 2 * doubt.size >= capacity
      const { inquiry } = doubt
      const answered = yield* inquiry.poll(isUrgent && inquiry.answers === 0)
      // Where events show that ids have begun anew, the REST interface may not know it yet.
      const isDenied = answered === "Repeats" && IdReset.alone(doubt.sights(this.#due - 1), doubt.known) === "Reset"
      const answer = isDenied && !Lag.isOver(inquiry.answers) ? "Undecided" : answered
      if (answered !== undefined) doubt.isDenied = isDenied
      if (answer === "Unknown") doubt.isUnanswered = true
      if (answer === "Undecided" || answer === "Unknown") {
        const useless = inquiry.answers - 1
        yield* inquiry.again(answer === "Unknown" || Lag.isOver(useless + 1) ? askAgainAfter : Duration.toMillis(Lag.waitAfter(useless)))
      }
      if (answer === "Repeats") this.#askAfter = askAgainAfter
      const isFarNewer = IdReset.isIdReset(doubt.newestAt, this.#latestAt)
      const isLong = isDue(doubt.until, yield* monotonic)
      const isUpToEvents = doubt.isUnanswered || isFull || Lag.isOver(inquiry.answers) ||
        (isFarNewer && !doubt.isDenied && (isLong || inquiry.answers > 0))
      const decided = answer === "Repeats" || answer === "Reset"
        ? answer
        : isUpToEvents
        ? IdReset.alone(doubt.sights(doubt.last), doubt.known)
        : "Undecided"
      if (decided === "Reset" || (decided === "Undecided" && isFull)) yield* this.#followReset(doubt)
      else if (decided === "Repeats") {
        yield* this.#dispel(doubt)
        this.#latestAt = Math.max(this.#latestAt, doubt.newestAt)
        yield* this.#emit(yield* this.#order(doubt.from(this.#due)))
      }
    })
  }

  // Emits a gap without an end, and all events that are held.
  #followReset(doubt: Doubt<A>): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      yield* this.#dispel(doubt)
      const newer: Array<A> = []
      for (const [id, event] of this.#held?.sorted() ?? []) {
        if (this.#timeOf(event) >= doubt.since) {
          newer.push(event)
          continue
        }
        if (id > this.#due) yield* this.#output.emitMissing({ from: this.#due, to: id - 1, cause: IdReset.cause() })
        yield* this.#emit([event])
        this.#due = id + 1
      }
      if (this.#held !== undefined) yield* this.#held.forget()
      this.#held = undefined
      yield* this.#output.emitMissing({ from: this.#due, to: undefined, cause: IdReset.cause() })
      this.#due = doubt.first
      this.#askAfter = askAfter
      yield* this.#emit(yield* this.#order([...doubt.from(doubt.first), ...newer]))
    })
  }

  // Asks the REST interface for the first event that is held, and for the last known one.
  #askAboutDoubt(): Effect.Effect<IdReset.Verdict | "Unknown"> {
    const { sequence, target } = this.#options
    return Effect.gen(this, function*() {
      const doubt = this.#doubt
      if (doubt === undefined) return "Unknown"
      const known = this.#due - 1
      const isKnown = this.#latestId === known
      const [knownAt, fetchedAt] = [isKnown && this.#fetchedAt === undefined ? this.#latestAt : undefined, isKnown ? this.#fetchedAt : undefined]
      const stored = new Map<number, number>()
      const note = (page: ReadonlyArray<A>) => {
        for (const event of page) stored.set(sequence.idOf(event), this.#timeOf(event))
      }
      const first = yield* Effect.either(sequence.fetch(target, doubt.first))
      if (Either.isLeft(first)) return "Unknown"
      note(first.right)
      if (!stored.has(known)) {
        const last = yield* Effect.either(sequence.fetch(target, known))
        if (Either.isLeft(last)) return "Unknown"
        note(last.right)
      }
      return IdReset.verdict({
        knownAt,
        fetchedAt,
        storedAt: stored.get(known),
        held: doubt.sights(doubt.last).map(({ at, id }) => ({ at, storedAt: stored.get(id) })),
        restAhead: this.#restAhead
      })
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // An id far beyond the others: a loss, or an id that is none of the stream

  // Whether a missing range is one. Of up to a page, it is.
  #isPlausible(held: ReorderBuffer<A>): Effect.Effect<boolean> {
    return Effect.gen(this, function*() {
      const first = held.first()
      if (held.proven === first || first - this.#due <= this.#sequence.pageSize) return true
      if (held.goesOn(first) || held.size >= this.#options.capacity) return true
      if (held.asked !== first) yield* held.forget()
      held.asked = first
      held.inquiry ??= new Inquiry(yield* monotonic, this.#askFor(first))
      const presence = yield* held.inquiry.poll(false)
      if (presence === "Stored") {
        yield* held.forget()
        held.proven = first
        return true
      }
      if (presence !== undefined) yield* held.inquiry.again(askAgainAfter)
      if (presence === "Absent") held.isAbsent = true
      if (held.passed >= (held.isAbsent ? 1 : IdReset.several)) yield* this.#reject(held, first)
      return false
    })
  }

  // Whether the REST interface has this event, or later ones.
  #askFor(id: number): Effect.Effect<Presence> {
    const { sequence, target } = this.#options
    return Effect.gen(this, function*() {
      for (let useless = 0;;) {
        const page = yield* Effect.either(sequence.fetch(target, id))
        if (Either.isLeft(page)) return "Unknown"
        const event = this.#held?.get()
        const twin = event === undefined ? undefined : this.#in(page.right, event)
        if (event !== undefined && twin !== undefined) this.#restAhead = this.#timeOf(twin) - this.#timeOf(event)
        if (page.right.some((each) => sequence.idOf(each) >= id)) return "Stored"
        if (!(yield* Lag.askAgain(useless++))) return "Absent"
      }
    })
  }

  // Drops an event whose id is none of the stream.
  #reject(held: ReorderBuffer<A>, id: number): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      const event = held.remove(id)
      if (event !== undefined) this.#output.reject(event, `its id ${id} is none of the stream: newer events have lower ids`)
      yield* held.forget()
      if (held.size === 0) this.#held = undefined
    })
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
      if (left === "Refuted") {
        yield* this.#reject(held, resumeAt)
        return beyond
      }
      if (left !== undefined) yield* this.#output.emitMissing(left)
      this.#due = resumeAt
      const released: Array<A> = []
      this.#release(released)
      const now = yield* monotonic
      this.#output.whole(now - held.since)
      held.since = now
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
      if (left === "Refuted") return
      this.#due = left === undefined || !isPassing(left.cause) ? to + 1 : left.from
      if (left !== undefined && !isPassing(left.cause)) yield* this.#output.emitMissing(left)
    })
  }

  // Fetches a missing range, and returns the part that cannot be fetched. Fetching begins with the last known event: if the
  // venue still has that one, an id that is missing after it never was an event. Of a range that is too large, it fetches the
  // newest part: then nothing is missing between that and what follows, and a reader that needs the recent past has it whole.
  #fill(from: number, to: number, beyond: Map<number, A>, known?: ReadonlyArray<A>): Effect.Effect<MissingRange | "Refuted" | undefined> {
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
          // Otherwise an event of the sockets follows, whose time is by their clock.
          if (this.#held === undefined) this.#remember(lastFresh)
        }
        repair.count(fresh.length)
        if (this.#isRefuted(from, to)) {
          this.#due = (isComplete ? to : last) + 1
          return "Refuted"
        }
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

  // Whether the events that wait show that the id after a missing range is none of the stream: ids go on within the range, with
  // newer times.
  #isRefuted(from: number, to: number): boolean {
    const held = this.#held
    if (held === undefined) return false
    const goesOn = this.#queue.waiting().filter((event) => {
      const id = this.#sequence.idOf(event)
      return id >= from && id <= to && this.#isLater(this.#timeOf(event), held.newestAt)
    })
    return goesOn.length >= IdReset.several
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
      const isReset = () => {
        const at = this.#timeOf(again) - this.#restAhead
        return this.#sequence.happenedAt === undefined ? IdReset.isIdReset(at, this.#latestAt) : IdReset.isNewer(at, this.#latestAt)
      }
      if (twin !== undefined) this.#restAhead = this.#timeOf(twin) - this.#timeOf(held)
      if (!isReset()) return undefined
      if (twin !== undefined) return IdReset.cause()
      for (let useless = 0;;) {
        const fetched = yield* Effect.either(this.#sequence.fetch(this.#options.target, this.#sequence.idOf(held)))
        if (Either.isLeft(fetched)) return fetched.left
        const later = this.#in(fetched.right, held)
        if (later !== undefined) {
          this.#restAhead = this.#timeOf(later) - this.#timeOf(held)
          return isReset() ? IdReset.cause() : undefined
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
