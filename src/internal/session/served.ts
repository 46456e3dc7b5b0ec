// The topics that the peer serves: it has acknowledged them, or their data comes.
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import { SubscriptionDropped } from "../../SessionError.ts"
import * as SessionEvent from "../../SessionEvent.ts"
import * as Item from "../../Item.ts"
import { naming } from "./defect.ts"
import type { Desired, TopicEntry } from "./desired.ts"
import type { Settings } from "./settings.ts"
import type { Wire } from "./wire.ts"

export interface Options<A> {
  readonly desired: Desired<A>
  readonly now: () => number
  /** Monotonic time. */
  readonly moment: () => number
  readonly record: (event: SessionEvent.SessionEvent) => void
  /** Delivers the data that has been read so far. */
  readonly flush: () => void
  readonly settings: Pick<Settings, "acknowledgements">
}

export interface Served<A> {
  /** The desired ones of these topics. */
  readonly entriesOf: (topics: ReadonlyArray<string>) => ReadonlyArray<TopicEntry<A>>
  readonly setStatus: (topics: ReadonlyArray<string>, status: TopicEntry<A>["status"]) => void
  /** Forgets the setbacks of a topic that was subscribed for long. */
  readonly forgive: (entry: TopicEntry<A>) => void
  /** The peer has acknowledged these topics. */
  readonly subscribed: (on: Wire<A>, topics: ReadonlyArray<string>) => void
  /** The peer serves a topic. A request that was sent proves nothing of it. */
  readonly serve: (on: Wire<A>, topic: string, isProven: boolean) => void
  /**
   * Whether a topic has data on this connection. That outranks a refusal such as "already subscribed". Data from before the peer
   * dropped the topic does not.
   */
  readonly hasData: (on: Wire<A>) => (topic: string) => boolean
}

// A topic that was subscribed for so long begins with the first retry again.
const longAfter = 30_000

export const make = <A>({ desired, flush, moment, now, record, settings }: Options<A>): Served<A> => {
  const { acknowledgements } = settings
  const { topics: desiredTopics } = desired

  const entriesOf = (topics: ReadonlyArray<string>) =>
    topics.flatMap((topic) => {
      const entry = desiredTopics.get(topic)
      return entry === undefined ? [] : [entry]
    })

  // One that is dropped as soon as it is acknowledged keeps its setbacks.
  const forgive = (entry: TopicEntry<A>) => {
    if (entry.status !== "requested" && moment() - entry.since >= longAfter) entry.setbacks = 0
  }

  const setStatus = (topics: ReadonlyArray<string>, status: TopicEntry<A>["status"]) => {
    const at = moment()
    for (const entry of entriesOf(topics)) {
      // Data may come before the acknowledgement.
      if (status === "acknowledged" && entry.status !== "requested") continue
      entry.status = status
      entry.since = at
      entry.tracker.expect(at)
    }
  }

  const subscribed = (on: Wire<A>, topics: ReadonlyArray<string>) => {
    // A gap goes before the data that comes after it.
    if (topics.some((topic) => on.dropped.has(topic))) flush()
    setStatus(topics, "acknowledged")
    record(SessionEvent.Acknowledged({ at: now(), topics }))
    for (const topic of topics) serve(on, topic, acknowledgements === "expected")
  }

  const serve = (on: Wire<A>, topic: string, isProven: boolean) => {
    on.served.add(topic)
    const entry = desiredTopics.get(topic)
    const dropped = on.dropped.get(topic)
    on.dropped.delete(topic)
    if (entry === undefined) return
    on.topics.set(topic, entry)
    if (isProven) entry.hasLived = true
    entry.unanswered = 0
    if (dropped !== undefined) {
      const cause = new SubscriptionDropped({ topic, reason: dropped.reason })
      const gap = Item.Gap({ epoch: on.epoch, cause, downtime: Duration.millis(moment() - dropped.at), dropped: 0 })
      for (const listener of entry.listeners) {
        // A listener may make another one leave.
        if (entry.listeners.includes(listener)) naming("gap of a listener", () => {
          listener.gap(gap)
        })
      }
    }
    Deferred.unsafeDone(entry.acknowledged, Exit.void)
  }

  const hasData = (on: Wire<A>) => (topic: string) => {
    const entry = desiredTopics.get(topic)
    return entry !== undefined && entry.tracker.observedSince(on.since) && entry.tracker.observed() > entry.observedAtDrop
  }

  return { entriesOf, forgive, hasData, serve, setStatus, subscribed }
}
