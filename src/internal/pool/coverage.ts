// Which breaks of a connection are gaps of a topic: those that no other connection made up for.
//
// Several connections may carry a topic at once, each by a carrier. That its connection is open, or subscribed anew,
// proves nothing, and data does: a carrier is live from its first data on. One that ceases had done so with its last data,
// however late that shows.
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Item from "../../Item.ts"
import type * as Session from "../../Session.ts"
import type { SessionError } from "../../SessionError.ts"

/** What the other carriers of a topic bring. */
type OtherConnections =
  /** One brought everything since this one's last data, or since a gap that was told after that. */
  | "everything"
  /** One brings it now, and came to it later: what was before that may be missing. */
  | "later"
  /** None brings it, and a gap that was told since this one ceased stands for all. */
  | "reported"
  | "nothing"

/** What is told of it. After a `break`, the gap is told when a carrier brings the topic again. */
type Report = "-" | "gap" | "break"

type TruthTable = Readonly<Record<OtherConnections, Report>>

/** A gap in what came over the connection; the connection lost or the topic silent; the topic left to others. */
type Disruption = "gap" | "cease" | "leave"

// What is told when this happens to a carrier that is live, or not (yet, or again).
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

/** Hears a topic, whichever connections carry it. Nothing here may wait or throw. */
export interface Listener<A> {
  readonly data: (batch: ReadonlyArray<A>) => void
  /** Something may be missing from here on, and no connection brought it. */
  readonly gap: (reason: string) => void
  /** The last connection that brought the topic does so no more: why, in words that follow a colon. */
  readonly lost: (why: string) => void
  /** Nothing more will come. */
  readonly end: (exit: Exit.Exit<void, SessionError>) => void
}

/** A topic, and the order in which its carriers came to bring it and ceased to. */
export interface Topic<A> {
  readonly name: string
  readonly listener: Listener<A>
  /** On the connections that have not been given up. */
  readonly contributions: Set<Contribution<A>>
  /** How a connection has ended that shared the topic with others, until another one comes. */
  ended: Exit.Exit<void, SessionError> | undefined
  /** Whether it was moved for its silence, and has not spoken since. */
  moved: boolean
  /** Why none brings it, when one did and no gap has been told since. */
  broken: string | undefined
  /** Grows by one whenever a carrier begins beside another or ceases, and when a gap is told. */
  turn: number
  /** The turn of the gap that was told last. */
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

/** A topic on one of the connections that carry it. */
// A class, since there may be thousands, and each is passed for every message.
export class Contribution<A> implements Session.Listener<A> {
  readonly #topic: Topic<A>
  readonly #onEnd: (exit: Exit.Exit<void, SessionError>) => void
  /** The turn from which on it has brought everything, or a gap was told. */
  #liveSince: number | undefined
  /** The turn of its last data, or at which it ceased. */
  #last = 0

  /** `onEnd` is told when the connection has ended, and the carrier has left the topic. */
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

  /** It brings the topic from here on. */
  begin(): void {
    if (this.#liveSince !== undefined) return
    const topic = this.#topic
    if (topic.broken !== undefined) this.#reportGap(topic.broken)
    // What was before, another brings; or nobody did, and a gap was told.
    this.#liveSince = this.#othersBring() ? ++topic.turn : topic.reported
  }

  gap({ cause }: Item.Gap): void {
    this.#report("gap", cause.message)
    if (this.#liveSince !== undefined) this.#liveSince = ++this.#topic.turn
  }

  /** It was lost, or has fallen silent. */
  cease(reason: string, why = lostConnection): void {
    this.#report("cease", reason, why)
    this.#liveSince = undefined
    this.#last = ++this.#topic.turn
  }

  /**
   * Leaves the topic to the other connections. If the last of these has ended meanwhile, the topic ends as that one did.
   * Says whether it was there.
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

  #report(happening: Disruption, reason: string, why = lostConnection): void {
    const isLive = this.#liveSince !== undefined
    switch (truth[happening][isLive ? "live" : "not"][this.#others()]) {
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
