// From the socket to the inbox: delivers each batch, and keeps what liveness and the policy ask about the reading.
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { InboxOverflow } from "../../ConnectionError.ts"
import type { Activity } from "../../Liveness.ts"
import type { Message } from "../../Transport.ts"
import type { EventLog } from "./eventLog.ts"
import type { Inbox } from "./inbox.ts"
import type { Settings } from "./settings.ts"

export interface Delivery {
  readonly activity: Activity
  /** How many messages this connection has brought. */
  readonly messages: () => number
  /** Notes that the peer said something. */
  readonly hear: () => void
  /** Delivers a batch, and gives back an effect when the socket has to wait for it. */
  readonly deliver: (batch: ReadonlyArray<Message>) => Effect.Effect<void, InboxOverflow> | undefined
}

const complaint = Effect.logWarning("The consumer is slower than the peer: messages are dropped, and counted in the gaps.")

export const make = (options: {
  readonly clock: Clock.Clock
  readonly inbox: Inbox
  readonly log: EventLog
  readonly settings: Settings["inbox"]
}): Delivery => {
  const { clock, inbox, log, settings: { capacity, overflow } } = options
  const now = () => clock.unsafeCurrentTimeMillis()
  const activity: Activity = { lastRead: now(), suspendedAt: undefined, resumedAt: Number.NEGATIVE_INFINITY }
  let messages = 0
  // Once a connection: drops come by the thousand.
  let isQuiet = false
  const lostBefore = inbox.lost()

  const waitForRoom = (rest: ReadonlyArray<Message>) =>
    Effect.suspend(() => {
      activity.suspendedAt = now()
      return Effect.map(inbox.offerAll(rest), () => {
        activity.suspendedAt = undefined
        activity.resumedAt = activity.lastRead = now()
      })
    })

  return {
    activity,
    messages: () => messages,
    hear: () => {
      activity.lastRead = now()
    },
    deliver: (batch) => {
      messages += batch.length
      log.counters().received(batch.length)
      const left = inbox.unsafeOfferAll(batch)
      if (left > 0) {
        return overflow === "fail" ? new InboxOverflow({ capacity }) : waitForRoom(batch.slice(batch.length - left))
      }
      if (isQuiet || inbox.lost() === lostBefore) return undefined
      isQuiet = true
      return complaint
    }
  }
}
