// A slot of a pool: topics that share a connection. It outlives the connections that serve it.
import * as Effect from "effect/Effect"
import type { Topic } from "./coverage.ts"
import type { PooledConnection } from "./pooledConnection.ts"

/** The work under way on a slot. */
export type Work<A> =
  | { readonly _tag: "Idle" }
  /** Its topics move to a successor of its connection. */
  | { readonly _tag: "Renewing"; readonly successor: PooledConnection<A> | undefined }
  /** Its topics move to another slot. */
  | { readonly _tag: "Emptying" }
  /** `expected` topics move here from another slot. */
  | { readonly _tag: "Filling"; readonly expected: number }

export interface Slot<A> {
  readonly path: string
  readonly replica: number
  readonly topics: Set<Topic<A>>
  pooled: PooledConnection<A>
  work: Work<A>
}

export const idle = { _tag: "Idle" } as const

/** The connections that serve the slot: its own, and during a renewal also the successor. */
export const connectionsOf = <A>({ pooled, work }: Slot<A>): ReadonlyArray<PooledConnection<A>> =>
  work._tag === "Renewing" && work.successor !== undefined ? [pooled, work.successor] : [pooled]

/** The slot's topics with this name. There is one for each call of the pool's `listen`. */
export const topicsOf = <A>(slot: Slot<A>, name: string): ReadonlyArray<Topic<A>> =>
  [...slot.topics].filter((topic) => topic.name === name)

/** Whether a connection is open now. */
export const isOpen = <A>({ session }: PooledConnection<A>): Effect.Effect<boolean> =>
  Effect.map(session.connection.state, ({ _tag }) => _tag === "Connected")

/** False when a connection has failed or is closed. */
export const isAlive = <A>({ session }: PooledConnection<A>): Effect.Effect<boolean> =>
  Effect.map(session.connection.state, ({ _tag }) => _tag !== "Failed" && _tag !== "Closed")
