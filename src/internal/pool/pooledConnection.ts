// The connections of a pool, and the topics they carry: how they are opened, prove themselves, and are closed.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type * as Connection from "../../Connection.ts"
import * as ConnectionEvent from "../../ConnectionEvent.ts"
import * as DialGate from "../../DialGate.ts"
import * as Session from "../../Session.ts"
import type { SessionEvent } from "../../SessionEvent.ts"
import type { SessionProtocol } from "../../SessionProtocol.ts"
import { Transport } from "../../Transport.ts"
import { within } from "../time/timeout.ts"
import type { Topic } from "./coverage.ts"
import { Contribution } from "./coverage.ts"

export interface Options<A, N> {
  readonly connection: (path: string) => Connection.Options
  readonly protocol: SessionProtocol<A, N>
  /** What all dials of the pool go through. */
  readonly gate: DialGate.DialGate
  /** How far connections may lag behind each other. */
  readonly grace: Duration.Duration
  /** How long a successor may take to prove itself, before it is given up and the old connection kept. */
  readonly renewalTimeout: Duration.Duration
  /** Whether the peer knows a topic that never had data. */
  readonly isKnown: (topic: string) => Effect.Effect<boolean>
  readonly onEvent: (connection: string, event: ConnectionEvent.ConnectionEvent) => void
  readonly onSessionEvent: (connection: string, event: SessionEvent) => void
}

/** A connection, and the topics it carries. */
export interface PooledConnection<A> {
  readonly name: string
  readonly session: Session.Session<A>
  readonly scope: Scope.CloseableScope
  readonly contributions: Map<Topic<A>, Attached<A>>
}

interface Attached<A> {
  readonly contribution: Contribution<A>
  /** Closing it unsubscribes. */
  readonly scope: Scope.CloseableScope
}

// How long what is acknowledged must have been so, to pass for proven without data.
const settled = Duration.seconds(5)

export const make = Effect.fnUntraced(function*<A, N>(options: Options<A, N>, { forget, sessions }: {
  /** Those of the pool. */
  readonly sessions: () => ReadonlyArray<Session.Session<A>>
  /** The topic has ended on the last connection that carried it. */
  readonly forget: (topic: Topic<A>) => void
}) {
  const scope = yield* Effect.scope
  const transport = yield* Transport
  const clock = yield* Effect.clock
  let names = 0

  const attach = (pooled: PooledConnection<A>, topic: Topic<A>) =>
    Effect.gen(function*() {
      if (pooled.contributions.has(topic)) return
      const scope = yield* Scope.fork(pooled.scope, { _tag: "Sequential" })
      const contribution = new Contribution(topic, (exit) => {
        pooled.contributions.delete(topic)
        if (topic.contributions.size > 0) return
        forget(topic)
        topic.listener.end(exit)
      })
      pooled.contributions.set(topic, { contribution, scope })
      yield* Scope.extend(pooled.session.listen(topic.name, contribution), scope)
    })

  const attachAll = (pooled: PooledConnection<A>, topics: Iterable<Topic<A>>) =>
    Effect.forEach([...topics], (topic) => attach(pooled, topic), { discard: true })

  const detach = (pooled: PooledConnection<A>, topic: Topic<A>) =>
    Effect.suspend(() => {
      const attached = pooled.contributions.get(topic)
      if (attached === undefined) return Effect.void
      pooled.contributions.delete(topic)
      attached.contribution.leave("It was moved to another connection.")
      return Scope.close(attached.scope, Exit.void)
    })

  const close = (pooled: PooledConnection<A>) =>
    Effect.forEach([...pooled.contributions.keys()], (topic) => detach(pooled, topic), { discard: true }).pipe(
      Effect.zipRight(Scope.close(pooled.scope, Exit.void)),
      Effect.zipRight(Effect.sync(() => {
        options.onEvent(pooled.name, ConnectionEvent.Closed({ at: clock.unsafeCurrentTimeMillis() }))
      }))
    )

  const hasDataElsewhere = (since: number) =>
    Effect.map(
      Effect.forEach(sessions(), (session) => session.subscriptions),
      (all) => all.flat().some(({ lastData }) => Option.exists(lastData, (at) => at >= since))
    )

  const markStalled = (pooled: PooledConnection<A>, topic: string) => {
    for (const [{ name }, { contribution }] of pooled.contributions) {
      if (name === topic) contribution.cease(`${topic} had fallen silent while others had data.`, "its updates have stopped")
    }
  }

  const open = (path: string, onNotice: (notice: N) => void, relocate: (topic: string) => boolean) =>
    Effect.gen(function*() {
      const name = `${path}#${++names}`
      const pooledScope = yield* Scope.fork(scope, { _tag: "Sequential" })
      const session = yield* Session.make({
        connection: options.connection(path),
        protocol: options.protocol,
        onNotice,
        relocate,
        hasDataElsewhere,
        isKnown: options.isKnown
      }).pipe(
        Effect.provideService(Transport, transport),
        Effect.provideService(DialGate.DialGate, options.gate),
        Scope.extend(pooledScope),
        // The options were checked when the feed was made.
        Effect.orDie
      )
      const pooled: PooledConnection<A> = { name, session, scope: pooledScope, contributions: new Map() }
      // As it happens, and not when a fibre comes to read of it: what came before the loss has been heard, and nothing after.
      yield* session.connection.events.listen((events) => {
        for (const event of events) {
          if (event._tag === "Lost") for (const { contribution } of pooled.contributions.values()) contribution.cease(event.cause.message)
          options.onEvent(name, event)
        }
      }).pipe(Effect.interruptible, Effect.forkIn(pooledScope))
      yield* session.events.listen((events) => {
        for (const event of events) {
          // The last may fail it.
          if (event._tag === "Stale" && event.remedy !== "fail") markStalled(pooled, event.topic)
          options.onSessionEvent(name, event)
        }
      }).pipe(Effect.interruptible, Effect.forkIn(pooledScope))
      return pooled
    })

  // A successor is as good as the one before it when it is open and carries each topic (none was refused), and each has
  // had its first data, or, where little is said, has been acknowledged for a while.
  const isProven = (pooled: PooledConnection<A>, topics: ReadonlySet<Topic<A>>) =>
    Effect.zipWith(pooled.session.subscriptions, pooled.session.connection.state, (subscriptions, state) => {
      const now = clock.unsafeCurrentTimeMillis()
      return state._tag === "Connected" && [...topics].every((topic) => pooled.contributions.has(topic)) && subscriptions.every(({ since, status }) =>
        status === "live" || (status === "acknowledged" && now - since >= Duration.toMillis(settled))
      )
    })

  const proof = (pooled: PooledConnection<A>, topics: ReadonlySet<Topic<A>>) =>
    pooled.session.connection.awaitOpen.pipe(
      Effect.zipRight(Effect.repeat(isProven(pooled, topics), {
        until: (proven) => proven,
        schedule: Schedule.spaced("50 millis")
      })),
      Effect.tap(() => {
        // What says little may say nothing yet.
        for (const topic of topics) pooled.contributions.get(topic)?.contribution.begin()
      }),
      within(options.renewalTimeout, () => "late" as const)
    )

  // Topics that one has begun to bring, and the other, which was to bring them, has not brought since just before.
  const stalledBeside = (pooled: PooledConnection<A>, successor: PooledConnection<A>) =>
    Effect.zipWith(pooled.session.subscriptions, successor.session.subscriptions, (ours, theirs) => {
      const last = new Map(ours.map(({ lastData, topic }) => [topic, Option.getOrElse(lastData, () => Number.NEGATIVE_INFINITY)]))
      return theirs.flatMap(({ since, status, topic }) =>
        status === "live" && (last.get(topic) ?? since) < since - Duration.toMillis(options.grace) ? [topic] : []
      )
    })

  /**
   * Ends what a connection is still taken to bring and does not, now that another brings it: it was dead, and nothing had
   * shown it.
   */
  const endStalled = (pooled: PooledConnection<A>, successor: PooledConnection<A>) =>
    Effect.map(stalledBeside(pooled, successor), (stalled) => {
      const names = new Set(stalled)
      for (const [topic, { contribution }] of pooled.contributions) {
        if (names.has(topic.name)) contribution.cease("Its connection had fallen silent.")
      }
    })

  return { attach, attachAll, close, detach, endStalled, open, proof }
})
