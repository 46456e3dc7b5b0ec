// From the socket to the inbox: delivers each batch, and keeps what liveness and the policy ask about the reading.
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { InboxOverflow } from "../../ConnectionError.ts"
import type { Activity } from "../../Liveness.ts"
import type { Message } from "../../Transport.ts"
import type { EventLog } from "./eventLog.ts"
import type { Inbox } from "./inbox.ts"
import type { Settings } from "./settings.ts"

const complaint = Effect.logWarning("The consumer is slower than the peer: messages are dropped, and counted in the gaps.")

interface Options {
  readonly clock: Clock.Clock
  readonly inbox: Inbox
  readonly log: EventLog
  readonly settings: Settings["inbox"]
}

// A class, as all that each connection has one of: what a closure weighs, a method does not.
export class Delivery {
  readonly activity: Activity
  readonly #options: Options
  readonly #lostBefore: number
  #messages = 0
  // Once a connection: drops come by the thousand.
  #isQuiet = false

  constructor(options: Options) {
    this.#options = options
    this.#lostBefore = options.inbox.lost()
    this.activity = { lastRead: this.#now(), suspendedAt: undefined, resumedAt: Number.NEGATIVE_INFINITY }
  }

  /** How many messages this connection has brought. */
  messages(): number {
    return this.#messages
  }

  /** Notes that the peer said something. */
  noteActivity(): void {
    this.activity.lastRead = this.#now()
  }

  /** Delivers a batch, and gives back an effect when the socket has to wait for it. */
  deliver(batch: ReadonlyArray<Message>): Effect.Effect<void, InboxOverflow> | undefined {
    const { inbox, log, settings: { capacity, overflow } } = this.#options
    this.#messages += batch.length
    log.counters().received(batch.length)
    const left = inbox.unsafeOfferAll(batch)
    if (left > 0) {
      return overflow === "fail" ? new InboxOverflow({ capacity }) : this.#waitForRoom(batch.slice(batch.length - left))
    }
    if (this.#isQuiet || inbox.lost() === this.#lostBefore) return undefined
    this.#isQuiet = true
    return complaint
  }

  #now(): number {
    return this.#options.clock.unsafeCurrentTimeMillis()
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
