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
import { Carrier } from "./coverage.ts"

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
export interface Member<A> {
  readonly name: string
  readonly session: Session.Session<A>
  readonly scope: Scope.CloseableScope
  readonly carries: Map<Topic<A>, Attached<A>>
}

interface Attached<A> {
  readonly carrier: Carrier<A>
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

  const attach = (member: Member<A>, topic: Topic<A>) =>
    Effect.gen(function*() {
      if (member.carries.has(topic)) return
      const scope = yield* Scope.fork(member.scope, { _tag: "Sequential" })
      const carrier = new Carrier(topic, (exit) => {
        member.carries.delete(topic)
        if (topic.carriers.size > 0) return
        forget(topic)
        topic.listener.end(exit)
      })
      member.carries.set(topic, { carrier, scope })
      yield* Scope.extend(member.session.listen(topic.name, carrier), scope)
    })

  const attachAll = (member: Member<A>, topics: Iterable<Topic<A>>) =>
    Effect.forEach([...topics], (topic) => attach(member, topic), { discard: true })

  const detach = (member: Member<A>, topic: Topic<A>) =>
    Effect.suspend(() => {
      const attached = member.carries.get(topic)
      if (attached === undefined) return Effect.void
      member.carries.delete(topic)
      attached.carrier.leave("It was moved to another connection.")
      return Scope.close(attached.scope, Exit.void)
    })

  const close = (member: Member<A>) =>
    Effect.forEach([...member.carries.keys()], (topic) => detach(member, topic), { discard: true }).pipe(
      Effect.zipRight(Scope.close(member.scope, Exit.void)),
      Effect.zipRight(Effect.sync(() => {
        options.onEvent(member.name, ConnectionEvent.Closed({ at: clock.unsafeCurrentTimeMillis() }))
      }))
    )

  const othersFlow = (since: number) =>
    Effect.map(
      Effect.forEach(sessions(), (session) => session.subscriptions),
      (all) => all.flat().some(({ lastData }) => Option.exists(lastData, (at) => at >= since))
    )

  const silence = (member: Member<A>, topic: string) => {
    for (const [{ name }, { carrier }] of member.carries) {
      if (name === topic) carrier.cease(`${topic} had fallen silent while others had data.`, "its updates have stopped")
    }
  }

  const open = (path: string, onNotice: (notice: N) => void, relocate: (topic: string) => boolean) =>
    Effect.gen(function*() {
      const name = `${path}#${++names}`
      const memberScope = yield* Scope.fork(scope, { _tag: "Sequential" })
      const session = yield* Session.make({
        connection: options.connection(path),
        protocol: options.protocol,
        onNotice,
        relocate,
        othersFlow,
        isKnown: options.isKnown
      }).pipe(
        Effect.provideService(Transport, transport),
        Effect.provideService(DialGate.DialGate, options.gate),
        Scope.extend(memberScope),
        // The options were checked when the feed was made.
        Effect.orDie
      )
      const member: Member<A> = { name, session, scope: memberScope, carries: new Map() }
      // As it happens, and not when a fibre comes to read of it: what came before the loss has been heard, and nothing after.
      yield* session.connection.events.listen((events) => {
        for (const event of events) {
          if (event._tag === "Lost") for (const { carrier } of member.carries.values()) carrier.cease(event.cause.message)
          options.onEvent(name, event)
        }
      }).pipe(Effect.interruptible, Effect.forkIn(memberScope))
      yield* session.events.listen((events) => {
        for (const event of events) {
          // The last may fail it.
          if (event._tag === "Stale" && event.remedy !== "fail") silence(member, event.topic)
          options.onSessionEvent(name, event)
        }
      }).pipe(Effect.interruptible, Effect.forkIn(memberScope))
      return member
    })

  // A successor is as good as the one before it when it is open and carries each topic (none was refused), and each has
  // had its first data, or, where little is said, has been acknowledged for a while.
  const isProven = (member: Member<A>, topics: ReadonlySet<Topic<A>>) =>
    Effect.zipWith(member.session.subscriptions, member.session.connection.state, (subscriptions, state) => {
      const now = clock.unsafeCurrentTimeMillis()
      return state._tag === "Connected" && [...topics].every((topic) => member.carries.has(topic)) && subscriptions.every(({ since, status }) =>
        status === "live" || (status === "acknowledged" && now - since >= Duration.toMillis(settled))
      )
    })

  const proof = (member: Member<A>, topics: ReadonlySet<Topic<A>>) =>
    member.session.connection.awaitOpen.pipe(
      Effect.zipRight(Effect.repeat(isProven(member, topics), {
        until: (proven) => proven,
        schedule: Schedule.spaced("50 millis")
      })),
      Effect.tap(() => {
        // What says little may say nothing yet.
        for (const topic of topics) member.carries.get(topic)?.carrier.begin()
      }),
      within(options.renewalTimeout, () => "late" as const)
    )

  // Topics that one has begun to bring, and the other, which was to bring them, has not brought since just before.
  const silentBeside = (member: Member<A>, successor: Member<A>) =>
    Effect.zipWith(member.session.subscriptions, successor.session.subscriptions, (ours, theirs) => {
      const last = new Map(ours.map(({ lastData, topic }) => [topic, Option.getOrElse(lastData, () => Number.NEGATIVE_INFINITY)]))
      return theirs.flatMap(({ since, status, topic }) =>
        status === "live" && (last.get(topic) ?? since) < since - Duration.toMillis(options.grace) ? [topic] : []
      )
    })

  /**
   * Ends what a connection is still taken to bring and does not, now that another brings it: it was dead, and nothing had
   * shown it.
   */
  const endSilent = (member: Member<A>, successor: Member<A>) =>
    Effect.map(silentBeside(member, successor), (silent) => {
      const names = new Set(silent)
      for (const [topic, { carrier }] of member.carries) {
        if (names.has(topic.name)) carrier.cease("Its connection had fallen silent.")
      }
    })

  return { attach, attachAll, close, detach, endSilent, open, proof }
})
