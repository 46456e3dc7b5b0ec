// Puts the events of a sequence in order: drops duplicates, fetches missing events and emits them first, and emits a gap with
// exact bounds for events that cannot be fetched.
//
// Nearly always nothing is missing, and events pass straight on. Otherwise a fibre loops: it drains the queue, puts the events
// in order (those after a missing range wait in a reorder buffer), and fetches the range if no other connection fills it in time.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Sequence, Target } from "../../market/Continuity.ts"
import type { GapCause, MarketEvent } from "../../market/MarketEvent.ts"
import * as SlidingQueue from "../stream/slidingQueue.ts"
import type { Known } from "./archive.ts"
import { Archive } from "./archive.ts"
import type { Beginning } from "./beginning.ts"
import { askAgainAfter, Doubt } from "./doubt.ts"
import * as IdReset from "./idReset.ts"
import { Inquiry } from "./inquiry.ts"
import type { Fill, Outcome, Output as RepairOutput, Watch } from "./missingRange.ts"
import { fill } from "./missingRange.ts"
import { ReorderBuffer } from "./reorderBuffer.ts"
import type { Limits } from "./repair.ts"
import { inOrder } from "./repair.ts"
import { isDue, monotonic } from "../time/monotonic.ts"

export interface Options<A extends MarketEvent> {
  readonly sequence: Sequence<A>
  /** The stream to fetch events of. */
  readonly target: Target
  readonly beginning: Beginning
  /** The limits of fetching one gap. */
  readonly limits: Limits
  /** The time that another connection has to bring missing events before they are fetched. */
  readonly grace: () => Duration.Duration
  /** The most events held back behind a missing range; also, the most events queued while the range is fetched. */
  readonly capacity: number
  readonly output: Output<A>
}

/** Receives the events in order. */
export interface Output<A> extends RepairOutput<A> {
  /** Whether there is room for this many events. */
  fits(count: number): boolean
  /** Emits events for which there is room. */
  emitNow(events: ReadonlyArray<A>): void
  /** Records that a missing range was emitted, as far as it can be had, `took` milliseconds after it was noticed. */
  whole(took: number): void
  /** Reports an event whose id is none of the stream. */
  reject(event: A, reason: string): void
}

// Whether events that cannot be fetched now may be fetched later.
const isPassing = ({ _tag }: GapCause) => _tag === "NotServedYet" || _tag === "RestUnavailable" || _tag === "RestLimited"

// In milliseconds: the time that a sequence has to show by itself what events with unexpected ids are, before REST is asked.
const askAfter = 1_000

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
  // The events after a missing range.
  #held: ReorderBuffer<A> | undefined
  // The events with old ids and newer times.
  #doubt: Doubt<A> | undefined
  #askAfter = askAfter
  // Whether events may be missing since the last one, and none has come since that would show it.
  #isToCheck = false
  readonly #sequence: Sequence<A>
  readonly #archive: Archive<A>
  readonly #output: Output<A>
  readonly #options: Options<A>
  readonly #queue: SlidingQueue.SlidingQueue<A>

  constructor(options: Options<A>) {
    this.#due = options.beginning._tag === "After" ? options.beginning.position + 1 : -1
    this.#sequence = options.sequence
    this.#archive = new Archive(options.sequence, options.target)
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

  /** Whether it knows the id of an event of the stream, from which on it can fetch. */
  isPlaced(): boolean {
    return this.#due >= 0
  }

  /** Fetches what may be missing since the last event, unless the next one is there already and shows it. */
  check(): void {
    this.#isCaughtUp = false
    this.#isToCheck = true
    this.#queue.wake()
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
      this.#latestAt = Math.max(this.#latestAt, at - this.#archive.ahead)
      this.#fetchedAt = at
    }
  }

  #timeOf(event: A): number {
    return this.#archive.timeOf(event)
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
        const isToCheck = this.#isToCheck && events.length === 0 && this.#held === undefined && this.#doubt === undefined
        this.#isToCheck = false
        if (isToCheck) yield* this.#catchUp(this.#due - 1)
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
      this.#doubt ??= new Doubt<A>(at, now + askAgainAfter, new Inquiry(now + this.#askAfter, Effect.suspend(() => this.#judge())))
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
      const { isByRest, verdict } = yield* doubt.settle({ capacity, due: this.#due, latestAt: this.#latestAt })
      if (isByRest && verdict === "Repeats") this.#askAfter = askAgainAfter
      if (verdict === "Reset" || (verdict === "Undecided" && doubt.size >= capacity)) yield* this.#followReset(doubt)
      else if (verdict === "Repeats") {
        yield* this.#dispel(doubt)
        this.#latestAt = Math.max(this.#latestAt, doubt.newestAt)
        yield* this.#emit(yield* this.#order(doubt.from(this.#due)))
      }
    })
  }

  // Asks the REST interface what the events are.
  #judge(): Effect.Effect<IdReset.Verdict | "Unknown"> {
    return this.#doubt === undefined ? Effect.succeed("Unknown") : this.#archive.judge(this.#doubt, this.#due - 1, this.#known())
  }

  #known(): Known {
    return { id: this.#latestId, at: this.#latestAt, fetchedAt: this.#fetchedAt }
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
      held.inquiry ??= new Inquiry(yield* monotonic, this.#archive.presence(first, () => this.#held?.get()))
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
      const outcome = yield* this.#fill({ from: this.#due, to: resumeAt - 1, beyond })
      if (outcome._tag === "Refuted") {
        this.#due = outcome.last + 1
        yield* this.#reject(held, resumeAt)
        return beyond
      }
      if (outcome._tag === "Partial") yield* this.#output.emitMissing(outcome.missing)
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

  #resume(): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      const { beginning } = this.#options
      if (beginning._tag === "Live") return
      const last = beginning._tag === "After" ? Either.right(beginning.position) : yield* Effect.either(this.#archive.lastBefore(beginning))
      if (Either.isLeft(last)) {
        yield* this.#output.emitMissing({ from: undefined, to: undefined, cause: last.left })
      } else if (last.right !== undefined) {
        this.#due = last.right + 1
        yield* this.#catchUp(last.right)
      }
    })
  }

  // Fetches at once what happened since an event: in a quiet market, the next event that would show the missing ones may be long in
  // coming. What cannot be had now is fetched when that event comes.
  #catchUp(after: number): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      const sequence = this.#sequence
      const first = yield* this.#archive.from(after)
      if (Either.isLeft(first)) return
      const page = inOrder(first.right, (event) => sequence.idOf(event))
      const newest = page.at(-1)
      if (newest === undefined || sequence.idOf(newest) <= after) return
      let to = sequence.idOf(newest)
      if (page.length >= sequence.pageSize) to = Math.max(to, (yield* this.#archive.latest()) ?? to)
      const outcome = yield* this.#fill({ from: this.#due, to, beyond: new Map(), page })
      if (outcome._tag === "Refuted") this.#due = outcome.last + 1
      else if (outcome._tag === "Partial" && isPassing(outcome.missing.cause)) this.#due = outcome.missing.from
      else {
        this.#due = to + 1
        if (outcome._tag === "Partial") yield* this.#output.emitMissing(outcome.missing)
      }
    })
  }

  #fill(range: Pick<Fill<A>, "from" | "to" | "beyond" | "page">): Effect.Effect<Outcome> {
    const { limits, output } = this.#options
    const { from, to } = range
    const watch: Watch<A> = {
      resetCause: (page) =>
        this.#latestId === from - 1
          ? this.#archive.resetCause(page, this.#known(), this.#held?.get(), () => this.#isRefuted(from, to, IdReset.several))
          : Effect.succeed(undefined),
      isRefuted: (hasNoMore) => this.#isRefuted(from, to, hasNoMore ? 1 : IdReset.several),
      // Behind it may wait an event of the sockets, whose time is by their clock.
      remember: (event) => {
        if (this.#held === undefined) this.#remember(event)
      }
    }
    return fill({ archive: this.#archive, limits, output, watch, ...range })
  }

  // Whether the events that wait show that the id after a missing range is none of the stream: ids go on within the range, with
  // newer times.
  #isRefuted(from: number, to: number, atLeast: number): boolean {
    const held = this.#held
    if (held === undefined) return false
    const goesOn = this.#queue.waiting().filter((event) => {
      const id = this.#sequence.idOf(event)
      return id >= from && id <= to && this.#isLater(this.#timeOf(event), held.newestAt)
    })
    return goesOn.length >= atLeast
  }
}
