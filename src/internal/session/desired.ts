// The topics that somebody wants.
import * as Deferred from "effect/Deferred"
import * as Exit from "effect/Exit"
import type * as FiberId from "effect/FiberId"
import { NotConnected } from "../../ConnectionError.ts"
import type { Listener, Subscription } from "../../Session.ts"
import type { SessionError } from "../../SessionError.ts"
import type { Cadence } from "../../SessionProtocol.ts"
import * as CadenceTracker from "./cadence.ts"

export interface TopicEntry<A> {
  readonly topic: string
  isDesired: boolean
  listeners: ReadonlyArray<Listener<A>>
  /** How many wanted it with `subscribe`. */
  held: number
  status: Subscription["status"]
  since: number
  readonly tracker: CadenceTracker.CadenceTracker
  /** Where it is among those of which something came in this turn that listeners have not heard yet, if anything did. */
  batchIndex: number
  /** Completed when it is acknowledged, or will never be. */
  readonly acknowledged: Deferred.Deferred<void, SessionError | NotConnected>
}

export interface Desired<A> {
  readonly topics: ReadonlyMap<string, TopicEntry<A>>
  readonly add: (topic: string) => TopicEntry<A>
  /** Drops it when nobody wants it any more. */
  readonly release: (entry: TopicEntry<A>) => void
  /** Ends it for all who want it. Without an error, it is the connection that has ended so. */
  readonly finish: (entry: TopicEntry<A>, exit: Exit.Exit<void, SessionError>, how?: "Disconnected" | "Closed") => void
}

export const make = <A>({ cadence, fiberId, now, onChange }: {
  readonly cadence: (topic: string) => Cadence
  readonly now: () => number
  readonly fiberId: FiberId.FiberId
  readonly onChange: () => void
}): Desired<A> => {
  const topics = new Map<string, TopicEntry<A>>()
  const drop = (entry: TopicEntry<A>) => {
    entry.isDesired = false
    topics.delete(entry.topic)
  }
  return {
    topics,
    add: (topic) => {
      const known = topics.get(topic)
      if (known !== undefined) return known
      const entry: TopicEntry<A> = {
        topic,
        isDesired: true,
        listeners: [],
        held: 0,
        status: "requested",
        since: now(),
        tracker: CadenceTracker.make(cadence(topic)),
        batchIndex: 0,
        acknowledged: Deferred.unsafeMake(fiberId)
      }
      topics.set(topic, entry)
      onChange()
      return entry
    },
    release: (entry) => {
      if (entry.listeners.length > 0 || entry.held > 0 || !entry.isDesired) return
      drop(entry)
      Deferred.unsafeDone(entry.acknowledged, Exit.void)
      onChange()
    },
    finish: (entry, exit, how = "Disconnected") => {
      if (entry.isDesired) drop(entry)
      // Streams end with it. What never was acknowledged has not come about.
      Deferred.unsafeDone(entry.acknowledged, Exit.isSuccess(exit) ? Exit.fail(new NotConnected({ state: how })) : exit)
      const { listeners } = entry
      entry.listeners = []
      for (const listener of listeners) listener.end(exit)
      onChange()
    }
  }
}
