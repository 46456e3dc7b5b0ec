// The wire of one connection: its actual topics, and the next request that brings them closer to the desired ones.
import type * as Deferred from "effect/Deferred"
import type { SessionProtocol, Written } from "../../SessionProtocol.ts"
import type { Message } from "../../Transport.ts"
import type * as RollingWindow from "../time/rollingWindow.ts"
import { naming } from "./defect.ts"
import type { Desired, TopicEntry } from "./desired.ts"

export interface Wire<A> {
  readonly epoch: number
  /** In monotonic time. */
  readonly since: number
  /**
   * The actual topics: requested, and not certainly unsubscribed since. Each has the entry it was requested for. A topic
   * without an entry is stale, or it is uncertain whether it is subscribed. If it is desired, it is requested again.
   */
  readonly topics: Map<string, TopicEntry<A> | undefined>
  /** Topics to request first, each array in a request of its own: the halves of a refused request. */
  readonly halves: Array<ReadonlyArray<string>>
  /** Topics to request later. No request may have them. */
  readonly postponed: Set<string>
  /** Topics that the peer has acknowledged, or sent data of, and that it still seems to serve. */
  readonly served: Set<string>
  /** Topics whose subscription the peer has ended, until they are subscribed again. */
  readonly dropped: Map<string, { readonly at: number; readonly reason: string }>
  /** Requests to subscribe to which an answer may still come, by their id. */
  readonly unanswered: Map<number, ReadonlyArray<string>>
  /**
   * Requests that data has settled before their answers came, oldest first: their ids, and until when an answer is taken for
   * theirs.
   */
  readonly owed: Array<{ readonly id: number; readonly until: number }>
  /** The rate limit, which peers count per connection. */
  readonly pace: RollingWindow.RollingWindow
  /** Completes when no more requests are made on the connection: it is lost, or about to be replaced. */
  readonly ended: Deferred.Deferred<void>
  /** Requests to subscribe in a row that were not answered while the peer served other topics. */
  unansweredInRow: number
  /** Requests to unsubscribe in a row that could not be written. */
  unwritten: number
}

export type Request =
  | {
    readonly method: "subscribe" | "unsubscribe"
    readonly topics: ReadonlyArray<string>
    readonly write: (id: number) => Written
  }
  | { readonly method: "probe"; readonly topics: readonly []; readonly write: (id: number) => Message }

export interface Options<A, N> {
  readonly protocol: SessionProtocol<A, N>
  readonly maxBatch: number
  readonly desired: Desired<A>["topics"]
  /** Whether the peer has sent nothing for so long that a probe is due. */
  readonly isProbeDue: () => boolean
}

/** Finds the next request, if any: halves first, then topics to unsubscribe, then topics to subscribe, then a probe. */
export const nextRequest = <A, N>({ isProbeDue, maxBatch, protocol, desired }: Options<A, N>) => {
  const request = (method: "subscribe" | "unsubscribe", topics: ReadonlyArray<string>): Request => ({
    method,
    topics,
    write: (id) => protocol[method](topics, id)
  })
  return ({ halves, postponed, topics }: Wire<A>): Request | undefined => {
    const isMissing = (topic: string) =>
      desired.has(topic) && topics.get(topic) !== desired.get(topic) && !postponed.has(topic)
    const half = halves.shift()?.filter(isMissing)
    if (half !== undefined && half.length > 0) return request("subscribe", half)
    const superfluous = [...topics.keys()].filter((topic) => !desired.has(topic) && !postponed.has(topic))
    if (superfluous.length > 0) return request("unsubscribe", superfluous.slice(0, maxBatch))
    const missing = [...desired.keys()].filter(isMissing)
    if (missing.length > 0) {
      // Topics that were not answered go last, in requests of their own: they must not hold up the others.
      const fresh = missing.filter((topic) => !topics.has(topic))
      return request("subscribe", (fresh.length > 0 ? fresh : missing).slice(0, maxBatch))
    }
    const { probe } = protocol
    return probe !== undefined && isProbeDue()
      ? { method: "probe", topics: [], write: (id) => naming("probe of the protocol", () => probe(id)) }
      : undefined
  }
}

/** Removes topics that the peer has refused. A topic that was requested before may still be subscribed: it is kept. */
export const revoke = <A>(wire: Wire<A>, requestedBefore: ReadonlySet<string>, topics: ReadonlyArray<string>): void => {
  for (const topic of topics) {
    if (requestedBefore.has(topic)) wire.topics.set(topic, undefined)
    else wire.topics.delete(topic)
  }
}
