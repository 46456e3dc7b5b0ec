// The events of a sequence that the REST interface has, and what they show about ids that were not expected.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Sequence, Target } from "../../market/Continuity.ts"
import type { GapCause, MarketEvent } from "../../market/MarketEvent.ts"
import { NotRepairable, NotServedYet } from "../../market/MarketEvent.ts"
import type { Beginning } from "./beginning.ts"
import type { Doubt } from "./doubt.ts"
import * as IdReset from "./idReset.ts"
import * as Lag from "./lag.ts"
import { inOrder } from "./repair.ts"
import type { Presence } from "./reorderBuffer.ts"

const notServed = "The venue does not tell with which event such a past begins."

/** The last known event. */
export interface Known {
  readonly id: number
  /** Its time by the clock of the sockets. */
  readonly at: number
  /** Its time as the REST interface told it, if it was fetched. */
  readonly fetchedAt: number | undefined
}

export class Archive<A extends MarketEvent> {
  readonly sequence: Sequence<A>
  readonly #target: Target
  #ahead = 0

  constructor(sequence: Sequence<A>, target: Target) {
    this.sequence = sequence
    this.#target = target
  }

  /** How far the clock of the REST interface was ahead of the sockets', as an event showed that came from both. */
  get ahead(): number {
    return this.#ahead
  }

  /** The time at which an event happened. */
  timeOf(event: A): number {
    return this.sequence.happenedAt?.(event) ?? event.timestamp
  }

  /** Fetches a page that begins with this id. Before the first event of all, it begins with that. */
  from(id: number): Effect.Effect<Either.Either<ReadonlyArray<A>, GapCause>> {
    return Effect.either(this.sequence.fetch(this.#target, Math.max(0, id)))
  }

  /** Fetches the latest id, if the venue tells it. */
  latest(): Effect.Effect<number | undefined> {
    return this.sequence.latest === undefined
      ? Effect.succeed(undefined)
      : Effect.orElseSucceed(this.sequence.latest(this.#target), () => undefined)
  }

  /** The id of the last event that a reader who begins there does not want. Undefined: the stream has no events yet. */
  lastBefore(beginning: Exclude<Beginning, { readonly _tag: "Live" | "After" }>): Effect.Effect<number | undefined, GapCause> {
    return Effect.gen(this, function*() {
      const latest = this.sequence.latest?.(this.#target)
      if (beginning._tag === "Last") {
        if (latest === undefined) return yield* new NotRepairable({ reason: notServed })
        const id = yield* latest
        if (id === undefined || id < 0) return undefined
        if (id >= beginning.count) return id - beginning.count
        const oldest = inOrder(yield* this.sequence.fetch(this.#target, 0), (event) => this.sequence.idOf(event))[0]
        return oldest === undefined ? undefined : this.sequence.idOf(oldest) - 1
      }
      const first = this.sequence.firstSince?.(this.#target, beginning.at)
      if (first === undefined) return yield* new NotRepairable({ reason: notServed })
      const id = yield* first
      if (id !== undefined) return id - 1
      // There is none yet. One may happen before the subscription begins.
      const before = latest === undefined ? undefined : yield* latest
      const meanwhile = yield* first
      return meanwhile === undefined ? before === -1 ? undefined : before : meanwhile - 1
    })
  }

  /** Whether it has an event with this id, or later ones. `received` gives the event as it came over a socket. */
  presence(id: number, received: () => A | undefined): Effect.Effect<Presence> {
    return Effect.gen(this, function*() {
      for (let useless = 0;;) {
        const page = yield* this.from(id)
        if (Either.isLeft(page)) return "Unknown"
        this.#compareClocks(page.right, received())
        if (page.right.some((each) => this.sequence.idOf(each) >= id)) return "Stored"
        if (!(yield* Lag.askAgain(useless++))) return "Absent"
      }
    })
  }

  /** Judges the events with old ids by the first of them, and by the last event that is known for certain, which has the id `last`. */
  judge(doubt: Doubt<A>, last: number, known: Known): Effect.Effect<IdReset.Verdict | "Unknown"> {
    return Effect.gen(this, function*() {
      const latest = known.id === last ? known : undefined
      const stored = new Map<number, number>()
      const note = (page: ReadonlyArray<A>) => {
        for (const event of page) stored.set(this.sequence.idOf(event), this.timeOf(event))
      }
      const first = yield* this.from(doubt.first)
      if (Either.isLeft(first)) return "Unknown"
      note(first.right)
      if (!stored.has(last)) {
        const page = yield* this.from(last)
        if (Either.isLeft(page)) return "Unknown"
        note(page.right)
      }
      return IdReset.verdict({
        knownAt: latest?.fetchedAt === undefined ? latest?.at : undefined,
        fetchedAt: latest?.fetchedAt,
        storedAt: stored.get(last),
        held: doubt.sights(doubt.last).map(({ at, id }) => ({ at, storedAt: stored.get(id) })),
        restAhead: this.#ahead
      })
    })
  }

  /**
   * The cause of a gap, if the venue has reset its ids during an outage and the new ids have passed the old. The event that is
   * fetched under the last known id is then another one, with a newer time. Since the clock of the REST interface may differ, that
   * time is compared by `received`, an event that came over the sockets too, unless `isRefuted` says that its id is none.
   */
  resetCause(page: ReadonlyArray<A>, known: Known, received: A | undefined, isRefuted: () => boolean): Effect.Effect<GapCause | undefined> {
    const again = page.find((event) => this.sequence.idOf(event) === known.id)
    if (again === undefined || received === undefined) return Effect.succeed(undefined)
    const isReset = () => {
      const at = this.timeOf(again) - this.#ahead
      return this.sequence.happenedAt === undefined ? IdReset.isIdReset(at, known.at) : IdReset.isNewer(at, known.at)
    }
    return Effect.gen(this, function*() {
      const isCompared = this.#compareClocks(page, received)
      if (!isReset()) return undefined
      if (isCompared) return IdReset.cause()
      for (let useless = 0;;) {
        const fetched = yield* this.from(this.sequence.idOf(received))
        if (Either.isLeft(fetched)) return fetched.left
        // The fetched event may then be another one, whose time tells nothing of the clock.
        if (isRefuted()) return undefined
        if (this.#compareClocks(fetched.right, received)) return isReset() ? IdReset.cause() : undefined
        if (!(yield* Lag.askAgain(useless++))) return new NotServedYet()
      }
    })
  }

  // Compares the clocks by an event that came over the sockets, if the page has it. Returns whether it does.
  #compareClocks(page: ReadonlyArray<A>, received: A | undefined): boolean {
    if (received === undefined) return false
    const id = this.sequence.idOf(received)
    const stored = page.find((each) => this.sequence.idOf(each) === id)
    if (stored === undefined) return false
    this.#ahead = this.timeOf(stored) - this.timeOf(received)
    return true
  }
}
