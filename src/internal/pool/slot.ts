// A slot of a pool: a place with its topics, which outlives the connections that carry them.
import * as Effect from "effect/Effect"
import type { Topic } from "./coverage.ts"
import type { PooledConnection } from "./pooledConnection.ts"

/** What is being done with a slot: its topics move to a successor of its connection, to another slot, or come from one. */
export type Work<A> =
  | { readonly _tag: "Idle" }
  | { readonly _tag: "Renewing"; readonly successor: PooledConnection<A> | undefined }
  | { readonly _tag: "Emptying" }
  | { readonly _tag: "Filling"; readonly expected: number }

export interface Slot<A> {
  readonly path: string
  readonly replica: number
  readonly topics: Set<Topic<A>>
  pooled: PooledConnection<A>
  work: Work<A>
}

export const idle = { _tag: "Idle" } as const

/** The connections that carry its topics. */
export const connectionsOf = <A>({ pooled, work }: Slot<A>): ReadonlyArray<PooledConnection<A>> =>
  work._tag === "Renewing" && work.successor !== undefined ? [pooled, work.successor] : [pooled]

/** The topics of this name: one may be read in several ways. */
export const topicsOf = <A>(slot: Slot<A>, name: string): ReadonlyArray<Topic<A>> =>
  [...slot.topics].filter((topic) => topic.name === name)

/** Whether a connection has not been given up. */
export const isAlive = <A>({ session }: PooledConnection<A>): Effect.Effect<boolean> =>
  Effect.map(session.connection.state, ({ _tag }) => _tag !== "Failed" && _tag !== "Closed")
