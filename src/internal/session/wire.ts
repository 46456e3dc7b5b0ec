// The wire of one connection: what was asked for on it, and the request that brings it closer to what is wanted.
import type * as Deferred from "effect/Deferred"
import type { SessionProtocol } from "../../SessionProtocol.ts"
import type { Message } from "../../Transport.ts"
import type * as RollingWindow from "../time/rollingWindow.ts"
import type { Method } from "./answers.ts"
import type { Desired, TopicEntry } from "./desired.ts"

export interface Wire<A> {
  readonly epoch: number
  readonly since: number
  /**
   * Asked for, and not taken back for certain, each with the entry it was asked for. Without one it is to be asked for
   * again, if it is wanted: whether it is on the wire is not known, or it is silent.
   */
  readonly topics: Map<string, TopicEntry<A> | undefined>
  /** Requests to be made as they are, before any other: the halves of one that was refused. */
  readonly halves: Array<ReadonlyArray<string>>
  /** Topics that the peer does not want to be asked about for now. */
  readonly postponed: Set<string>
  /** Peers count the requests of a connection: a new one begins at none. */
  readonly pace: RollingWindow.RollingWindow
  /** Completed when nothing more is asked on it, since it is gone, or as good as gone. */
  readonly over: Deferred.Deferred<void>
}

export interface Request {
  readonly method: Method
  readonly topics: ReadonlyArray<string>
  readonly write: (id: number) => Message
}

export interface Options<A, N> {
  readonly protocol: SessionProtocol<A, N>
  readonly desired: Desired<A>["topics"]
  /** Whether the peer has been quiet for so long that it is to show that it is there. */
  readonly isProbeDue: () => boolean
}

/** Gives the request to make next, if any: halves first, then what is not wanted any more, then what is missing. */
export const nextRequest = <A, N>({ isProbeDue, protocol, desired }: Options<A, N>) => {
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
    if (superfluous.length > 0) return request("unsubscribe", superfluous.slice(0, protocol.maxBatch))
    const missing = [...desired.keys()].filter(isMissing)
    if (missing.length > 0) return request("subscribe", missing.slice(0, protocol.maxBatch))
    return protocol.probe !== undefined && isProbeDue() ? { method: "probe", topics: [], write: protocol.probe } : undefined
  }
}

/** Takes back what was asked for and not granted. What had been asked for before may be on the wire all the same. */
export const takeBack = <A>(wire: Wire<A>, askedBefore: ReadonlySet<string>, topics: ReadonlyArray<string>): void => {
  for (const topic of topics) {
    if (askedBefore.has(topic)) wire.topics.set(topic, undefined)
    else wire.topics.delete(topic)
  }
}
