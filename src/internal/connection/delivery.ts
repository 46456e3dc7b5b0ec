// Delivers each batch from the socket to the inbox. Counts messages for the reconnect policy, and records activity for
// liveness.
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { InboxOverflow } from "../../ConnectionError.ts"
import type { Activity } from "../../Liveness.ts"
import type { Message } from "../../Transport.ts"
import { monotonicMillis } from "../time/monotonic.ts"
import type { EventLog } from "./eventLog.ts"
import type { Inbox } from "./inbox.ts"
import type { Settings } from "./settings.ts"

const dropWarning = Effect.logWarning("The readers are slower than the peer, so messages are dropped. The gaps count them.")

interface Options {
  readonly clock: Clock.Clock
  readonly inbox: Inbox
  readonly log: EventLog
  readonly settings: Settings["inbox"]
}

// A class, because each connection has one, and methods take no memory per instance as closures do.
export class Delivery {
  readonly activity: Activity
  readonly #options: Options
  readonly #lostBefore: number
  #messages = 0
  #pongs = 0
  #acceptance: "asked" | "accepted" | undefined
  // The warning is logged once per connection: drops come by the thousand.
  #hasWarned = false

  constructor(options: Options) {
    this.#options = options
    this.#lostBefore = options.inbox.lost()
    this.activity = { lastRead: this.#now(), suspendedAt: undefined, resumedAt: Number.NEGATIVE_INFINITY }
  }

  /** The number of messages that this connection has received. */
  messages(): number {
    return this.#messages
  }

  /** Records that the peer has been asked for something that it has to accept before the connection counts as proven. */
  ask(): void {
    this.#acceptance ??= "asked"
  }

  /** Records that the peer has accepted what it was asked for. */
  accept(): void {
    this.#acceptance = "accepted"
  }

  /** False if the peer has been asked for something and has accepted nothing. */
  isAccepted(): boolean {
    return this.#acceptance !== "asked"
  }

  /** The number of pongs that this connection has received in time. */
  pongs(): number {
    return this.#pongs
  }

  /** Counts a pong. */
  notePong(): void {
    this.#pongs++
  }

  /** Records the time of the latest message. */
  noteActivity(): void {
    this.activity.lastRead = this.#now()
  }

  /** Delivers a batch. Returns an effect if the socket has to wait for it. */
  deliver(batch: ReadonlyArray<Message>): Effect.Effect<void, InboxOverflow> | undefined {
    const { inbox, log, settings: { capacity, maxBytes, overflow } } = this.#options
    this.#messages += batch.length
    log.counters().received(batch.length)
    const left = inbox.unsafeOfferAll(batch)
    if (left > 0) {
      return overflow === "fail"
        ? new InboxOverflow({ capacity, maxBytes, bound: inbox.fullBound() })
        : this.#waitForRoom(batch.slice(batch.length - left))
    }
    if (this.#hasWarned || inbox.lost() === this.#lostBefore) return undefined
    this.#hasWarned = true
    return dropWarning
  }

  #now(): number {
    return monotonicMillis(this.#options.clock)
  }

  #waitForRoom(rest: ReadonlyArray<Message>): Effect.Effect<void> {
    const { activity } = this
    return Effect.suspend(() => {
      activity.suspendedAt = this.#now()
      return Effect.map(this.#options.inbox.offerAll(rest), () => {
        activity.suspendedAt = undefined
        activity.resumedAt = activity.lastRead = this.#now()
      })
    })
  }
}
