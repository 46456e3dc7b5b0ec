// The connections of a pool, with their topics: opens them, proves them, and closes them.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type * as Connection from "../../Connection.ts"
import * as ConnectionEvent from "../../ConnectionEvent.ts"
import * as DialGate from "../../DialGate.ts"
import type * as Session from "../../Session.ts"
import type { SessionEvent } from "../../SessionEvent.ts"
import type { SessionProtocol } from "../../SessionProtocol.ts"
import { Transport } from "../../Transport.ts"
import { closeScope } from "../closeScope.ts"
import { connect } from "../connection/connect.ts"
import type { ManagedSession } from "../session/session.ts"
import { defaultAnswerTimeout, manage } from "../session/session.ts"
import type { Ask } from "../session/idle.ts"
import { resolve } from "../session/settings.ts"
import { within } from "../time/timeout.ts"
import type { Topic } from "./coverage.ts"
import { Contribution } from "./coverage.ts"

export interface Options<A, N> {
  readonly connection: (path: string) => Connection.Options
  readonly protocol: SessionProtocol<A, N>
  /** The gate for all dials of the pool. */
  readonly gate: DialGate.DialGate
  /** The most time by which one connection may lag behind another. */
  readonly grace: Duration.Duration
  /**
   * The deadline for a successor to prove itself; after that, the pool closes it and keeps the predecessor. Also the deadline
   * for the predecessor to answer a last ping.
   */
  readonly renewalTimeout: Duration.Duration
  /** Whether the peer knows a topic that never had data. */
  readonly isKnown: (topic: string) => Effect.Effect<boolean>
  /** Asks for the activity of topics. Undefined: it cannot be asked for. */
  readonly activity: Ask | undefined
  readonly onEvent: (connection: string, event: ConnectionEvent.ConnectionEvent) => void
  readonly onSessionEvent: (connection: string, event: SessionEvent) => void
}

/** A connection of the pool, with its topics. */
export interface PooledConnection<A> {
  readonly name: string
  readonly session: ManagedSession<A>
  /** Completes when the connection has read everything that the peer has sent so far. */
  readonly drain: Effect.Effect<void>
  readonly scope: Scope.CloseableScope
  readonly contributions: Map<Topic<A>, Attached<A>>
}

interface Attached<A> {
  readonly contribution: Contribution<A>
  /** Closing it unsubscribes. */
  readonly scope: Scope.CloseableScope
}

// A topic without data counts as proven when it has been acknowledged for this long.
const settled = Duration.seconds(5)

export const make = Effect.fnUntraced(function*<A, N>(options: Options<A, N>, { forget, sessions }: {
  /** All sessions of the pool. */
  readonly sessions: () => ReadonlyArray<Session.Session<A>>
  /** Called when a topic has ended on all of its connections. */
  readonly forget: (topic: Topic<A>) => void
}) {
  const scope = yield* Effect.scope
  const transport = yield* Transport
  const clock = yield* Effect.clock
  let names = 0
  // The paths on which the server has served a connection. What refuses the next one there is likely to pass.
  const served = new Set<string>()

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
      return closeScope(attached.scope, Exit.void)
    })

  const close = (pooled: PooledConnection<A>) =>
    Effect.forEach([...pooled.contributions.keys()], (topic) => detach(pooled, topic), { discard: true }).pipe(
      Effect.zipRight(closeScope(pooled.scope, Exit.void)),
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
      if (name === topic) contribution.cease(`${topic} had activity, but no data came.`, "its updates have stopped")
    }
  }

  const open = (path: string, onNotice: (notice: N) => void, relocate: (topic: string) => boolean) =>
    Effect.gen(function*() {
      const name = `${path}#${++names}`
      const pooledScope = yield* Scope.fork(scope, { _tag: "Sequential" })
      const { protocol } = options
      const connection = options.connection(path)
      const settings = yield* Effect.orDie(resolve(protocol))
      const { drain, session } = yield* connect(connection, () => served.has(path)).pipe(
        Effect.flatMap((handle) =>
          Effect.map(
            manage(handle, {
              connection,
              protocol,
              answerTimeout: defaultAnswerTimeout,
              settings,
              onNotice,
              relocate,
              hasDataElsewhere,
              isKnown: options.isKnown,
              activity: options.activity
            }),
            (session) => ({ session, drain: handle.drain })
          )
        ),
        Effect.provideService(Transport, transport),
        Effect.provideService(DialGate.DialGate, options.gate),
        Scope.extend(pooledScope),
        // The options were checked when the feed was made.
        Effect.orDie
      )
      const pooled: PooledConnection<A> = { name, session, drain, scope: pooledScope, contributions: new Map() }
      // With a listener, which runs in the turn of the loss: it gets the loss after all earlier data and before any later data.
      yield* session.connection.events.listen((events) => {
        for (const event of events) {
          if (event._tag === "Lost") for (const { contribution } of pooled.contributions.values()) contribution.cease(event.cause.message)
          options.onEvent(name, event)
        }
      }).pipe(Effect.interruptible, Effect.forkIn(pooledScope))
      yield* session.events.listen((events) => {
        for (const event of events) {
          if (event._tag === "Live" || event._tag === "Acknowledged") served.add(path)
          // With the remedy `fail` the session ends the topic, and the contribution leaves instead.
          if (event._tag === "Stale" && event.remedy !== "fail") markStalled(pooled, event.topic)
          options.onSessionEvent(name, event)
        }
      }).pipe(Effect.interruptible, Effect.forkIn(pooledScope))
      return pooled
    })

  // A connection is proven when it is open, none of the topics has ended on it, and each has had its first data or was
  // acknowledged long enough ago.
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
        // A topic with rare data may have had none yet.
        for (const topic of topics) pooled.contributions.get(topic)?.contribution.begin()
      }),
      within(options.renewalTimeout, () => "late" as const)
    )

  // The topics that are live on the successor, and had no data on its predecessor since `grace` before they went live.
  const stalledBeside = (pooled: PooledConnection<A>, successor: PooledConnection<A>) =>
    Effect.zipWith(pooled.session.subscriptions, successor.session.subscriptions, (ours, theirs) => {
      const last = new Map(ours.map(({ lastData, topic }) => [topic, Option.getOrElse(lastData, () => Number.NEGATIVE_INFINITY)]))
      return theirs.flatMap(({ since, status, topic }) =>
        status === "live" && (last.get(topic) ?? since) < since - Duration.toMillis(options.grace) ? [topic] : []
      )
    })

  /** Ceases the contributions of the predecessor that had stopped unnoticed: those without data where the successor has some. */
  const endStalled = (pooled: PooledConnection<A>, successor: PooledConnection<A>) =>
    Effect.map(stalledBeside(pooled, successor), (stalled) => {
      const names = new Set(stalled)
      for (const [topic, { contribution }] of pooled.contributions) {
        if (names.has(topic.name)) contribution.cease("Its connection had stopped bringing data.")
      }
    })

  // Waits until a connection has read everything that the peer has sent so far. It may lag far behind its successor, and events
  // of some kinds do not show that one is missing. If it does not answer in time, its contributions cease.
  const drain = (pooled: PooledConnection<A>) =>
    pooled.drain.pipe(
      Effect.disconnect,
      within(options.renewalTimeout, () => "late" as const),
      Effect.catchAll(() =>
        Effect.sync(() => {
          for (const { contribution } of pooled.contributions.values()) contribution.cease("Its connection does not answer.")
        })
      )
    )

  return { attach, attachAll, close, detach, drain, endStalled, open, proof }
})
