// The desired topics: those that have subscribers.
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
  /** Calls of `subscribe` that were not undone by `unsubscribe`. */
  held: number
  status: Subscription["status"]
  /** In monotonic time. */
  since: number
  readonly tracker: CadenceTracker.CadenceTracker
  /** Whether the peer has ever acknowledged the topic or sent data of it. */
  hasLived: boolean
  /** Whether it has been checked that the peer knows the topic. */
  isChecked: boolean
  /** How often in a row the topic was refused, dropped, or not to be requested, since it was last subscribed for long. */
  setbacks: number
  /** How often its data had come when the peer last ended its subscription. */
  observedAtDrop: number
  /** The number of requests for it that were not answered while the peer served other topics. */
  unanswered: number
  /** The index of the topic's batch in the dispatcher, while it has one. */
  batchIndex: number
  /** Completes when the peer has acknowledged the topic, or when it has no subscribers left. Fails when the topic ends. */
  readonly acknowledged: Deferred.Deferred<void, SessionError | NotConnected>
}

export interface Desired<A> {
  readonly topics: ReadonlyMap<string, TopicEntry<A>>
  readonly add: (topic: string) => TopicEntry<A>
  /** Removes a topic that has no subscribers left. */
  readonly release: (entry: TopicEntry<A>) => void
  /** Ends a topic for all of its subscribers. If `exit` is a success, `state` is the connection's. */
  readonly finish: (entry: TopicEntry<A>, exit: Exit.Exit<void, SessionError>, state?: "Disconnected" | "Closed") => void
}

export const make = <A>({ cadence, fiberId, moment, onChange, onThrown }: {
  readonly cadence: (topic: string) => Cadence
  readonly moment: () => number
  readonly fiberId: FiberId.FiberId
  readonly onChange: () => void
  /** Called when the `end` of a listener throws. */
  readonly onThrown: (error: unknown) => void
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
        since: moment(),
        tracker: CadenceTracker.make(cadence(topic)),
        hasLived: false,
        isChecked: false,
        setbacks: 0,
        observedAtDrop: 0,
        unanswered: 0,
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
    finish: (entry, exit, state = "Disconnected") => {
      if (entry.isDesired) drop(entry)
      const { listeners } = entry
      entry.listeners = []
      // A stream may end with a success. A `subscribe` without an acknowledgement may not.
      Deferred.unsafeDone(entry.acknowledged, Exit.isSuccess(exit) ? Exit.fail(new NotConnected({ state })) : exit)
      for (const listener of listeners) {
        // The others must learn of the end, too.
        try {
          listener.end(exit)
        } catch (error) {
          onThrown(error)
        }
      }
      onChange()
    }
  }
}
