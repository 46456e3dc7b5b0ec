// Decides which losses of a connection are gaps of a topic: those that no other connection made up for.
//
// Several connections may bring a topic at once, each with a contribution. A contribution is live from its first data on:
// an open connection or an acknowledged subscription does not prove that data comes. A contribution that ceases counts as
// not live since its last data, because the loss may have been noticed late.
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Item from "../../Item.ts"
import type * as Session from "../../Session.ts"
import type { SessionError } from "../../SessionError.ts"

/** The other contributions to the topic, as seen from one contribution. */
type OtherConnections =
  /** One is live and has brought everything since this one's last data, or since a gap reported after that. */
  | "everything"
  /** One is live, but became so later: data from before may be missing. */
  | "later"
  /** None is live, and a gap was reported since this one was last live. That gap is enough. */
  | "reported"
  /** None is live, and no gap was reported. */
  | "nothing"

/** The report to the listener. A `break` reports `lost` now, and its gap when a contribution is live again. */
type Report = "-" | "gap" | "break"

type TruthTable = Readonly<Record<OtherConnections, Report>>

/**
 * - gap: the connection has lost messages.
 * - cease: the connection was lost, or the topic is stale on it.
 * - leave: the contribution is given up on purpose.
 */
type Disruption = "gap" | "cease" | "leave"

// The report of each disruption, for a contribution that is live and for one that is not.
const truth: Readonly<Record<Disruption, { readonly live: TruthTable; readonly not: TruthTable }>> = {
  gap: {
    live: { everything: "-", later: "gap", reported: "gap", nothing: "gap" },
    not: { everything: "-", later: "-", reported: "-", nothing: "gap" }
  },
  cease: {
    live: { everything: "-", later: "gap", reported: "break", nothing: "break" },
    not: { everything: "-", later: "-", reported: "break", nothing: "break" }
  },
  leave: {
    live: { everything: "-", later: "-", reported: "break", nothing: "break" },
    not: { everything: "-", later: "-", reported: "-", nothing: "-" }
  }
}

/** Receives a topic's data from all connections that bring it. Its functions must not block or throw. */
export interface Listener<A> {
  readonly data: (batch: ReadonlyArray<A>) => void
  /** Data may be missing before the next batch: no connection brought it. */
  readonly gap: (reason: string) => void
  /** The last live contribution has ceased. `why` is a clause without a capital or a full stop. */
  readonly lost: (why: string) => void
  /** The last call. */
  readonly end: (exit: Exit.Exit<void, SessionError>) => void
}

/** A topic, with its contributions and the order in which they began and ceased. */
export interface Topic<A> {
  readonly name: string
  readonly listener: Listener<A>
  readonly contributions: Set<Contribution<A>>
  /** The exit of the last connection that ended while others still had the topic. A new contribution resets it. */
  ended: Exit.Exit<void, SessionError> | undefined
  /** Set when the pool moves the topic because it is stale. Its next data resets it. */
  moved: boolean
  /** The reason why no contribution is live, if one was live and no gap has been reported since. */
  broken: string | undefined
  /** A logical clock. It advances when a contribution begins beside another, when one ceases, and when a gap is reported. */
  turn: number
  /** The turn of the latest reported gap. */
  reported: number
}

export const makeTopic = <A>(name: string, listener: Listener<A>): Topic<A> => ({
  name,
  listener,
  contributions: new Set(),
  ended: undefined,
  moved: false,
  broken: undefined,
  turn: 0,
  reported: 0
})

const lostConnection = "the connection was lost"

const reasonOf = (exit: Exit.Exit<void, SessionError>): string =>
  Option.match(Exit.isFailure(exit) ? Cause.failureOption(exit.cause) : Option.none(), {
    onNone: () => "The connection has ended.",
    onSome: ({ message }) => message
  })

/** The contribution of one connection to one topic. */
// A class, not closures: there may be thousands, and each message passes one.
export class Contribution<A> implements Session.Listener<A> {
  readonly #topic: Topic<A>
  readonly #onEnd: (exit: Exit.Exit<void, SessionError>) => void
  /** Since this turn it has brought everything but what reported gaps cover. Undefined when it is not live. */
  #liveSince: number | undefined
  /** The turn of its last data, or at which it ceased. */
  #last = 0

  /** `onEnd` is called when the connection has ended and the contribution has left the topic. */
  constructor(topic: Topic<A>, onEnd: (exit: Exit.Exit<void, SessionError>) => void) {
    this.#topic = topic
    this.#onEnd = onEnd
    topic.contributions.add(this)
    topic.ended = undefined
  }

  data(batch: ReadonlyArray<A>): void {
    const topic = this.#topic
    if (topic.moved) topic.moved = false
    if (this.#liveSince === undefined) this.begin()
    this.#last = topic.turn
    topic.listener.data(batch)
  }

  /** Makes it live. */
  begin(): void {
    if (this.#liveSince !== undefined) return
    const topic = this.#topic
    if (topic.broken !== undefined) this.#reportGap(topic.broken)
    // A live contribution beside it has brought the data before this turn. Without one, a gap was reported.
    this.#liveSince = this.#othersBring() ? ++topic.turn : topic.reported
  }

  gap({ cause }: Item.Gap): void {
    this.#report("gap", cause.message)
    if (this.#liveSince !== undefined) this.#liveSince = ++this.#topic.turn
  }

  /** The connection was lost, or the topic is stale on it. */
  cease(reason: string, why = lostConnection): void {
    this.#report("cease", reason, why)
    this.#liveSince = undefined
    this.#last = ++this.#topic.turn
  }

  /**
   * Leaves the topic to the other connections. When it is the last one and another one has ended, the topic ends with that
   * one's exit. Returns false when it has left before.
   */
  leave(reason: string): boolean {
    const isHere = this.#withdraw(reason)
    const { contributions, ended, listener } = this.#topic
    if (isHere && contributions.size === 0 && ended !== undefined) listener.end(ended)
    return isHere
  }

  end(exit: Exit.Exit<void, SessionError>): void {
    if (!this.#withdraw(reasonOf(exit))) return
    if (this.#topic.contributions.size > 0) this.#topic.ended = exit
    this.#onEnd(exit)
  }

  #withdraw(reason: string): boolean {
    const { contributions } = this.#topic
    if (!contributions.delete(this)) return false
    if (contributions.size > 0) this.#report("leave", reason)
    return true
  }

  #report(disruption: Disruption, reason: string, why = lostConnection): void {
    const isLive = this.#liveSince !== undefined
    switch (truth[disruption][isLive ? "live" : "not"][this.#others()]) {
      case "-":
        return
      case "gap":
        this.#reportGap(reason)
        return
      case "break":
        this.#topic.broken = reason
        if (isLive) this.#topic.listener.lost(why)
    }
  }

  #reportGap(reason: string): void {
    const topic = this.#topic
    topic.broken = undefined
    topic.reported = ++topic.turn
    topic.listener.gap(reason)
  }

  #others(): OtherConnections {
    const { broken, reported } = this.#topic
    if (this.#othersBring(Math.max(this.#last, reported))) return "everything"
    if (this.#othersBring()) return "later"
    return broken === undefined && reported > this.#last ? "reported" : "nothing"
  }

  #othersBring(since = Number.POSITIVE_INFINITY): boolean {
    for (const other of this.#topic.contributions) {
      if (other !== this && other.#liveSince !== undefined && other.#liveSince <= since) return true
    }
    return false
  }
}
