// The connections of a pool, and the topics they carry: what a topic's listener hears of them, whichever they are.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Connection from "../Connection.ts"
import * as ConnectionEvent from "../ConnectionEvent.ts"
import * as DialGate from "../DialGate.ts"
import type * as Frame from "../Frame.ts"
import * as Session from "../Session.ts"
import { Transport } from "../Transport.ts"
import { within } from "./within.ts"

export interface Options<A, N> {
  readonly connection: (path: string) => Connection.Options
  readonly protocol: Session.Protocol<A, N>
  /** How long a successor may take to prove itself, before it is given up and the old connection kept. */
  readonly renewalTimeout: Duration.Duration
  /** Whether the venue knows a topic that never had data. */
  readonly isKnown: (topic: string) => Effect.Effect<boolean>
  readonly onEvent: (connection: string, event: ConnectionEvent.ConnectionEvent) => void
  readonly onSessionEvent: (connection: string, event: Session.SessionEvent) => void
}

export interface Listener<A> extends Session.Listener<A> {
  /** The last open connection that carried the topic is lost. */
  readonly lost: () => void
}

/** A connection, and the topics it carries. */
export interface Member<A> {
  readonly name: string
  readonly session: Session.Session<A>
  readonly scope: Scope.CloseableScope
  readonly carries: Map<Topic<A>, Scope.CloseableScope>
  open: boolean
}

export interface Topic<A> {
  readonly name: string
  readonly listener: Listener<A>
  /** The connections that carry it and have not been given up. */
  readonly carriers: Set<Member<A>>
  /** Whether it was moved for its silence, and has not spoken since. */
  moved: boolean
}

// What a topic hears of one of the connections that carry it. A class, since there may be thousands, and each is passed for
// every message.
class Carried<A> implements Session.Listener<A> {
  readonly #topic: Topic<A>
  readonly #member: Member<A>
  readonly #forget: (topic: Topic<A>) => void
  constructor(topic: Topic<A>, member: Member<A>, forget: (topic: Topic<A>) => void) {
    this.#topic = topic
    this.#member = member
    this.#forget = forget
  }

  data(batch: ReadonlyArray<A>): void {
    const topic = this.#topic
    if (topic.moved) topic.moved = false
    topic.listener.data(batch)
  }

  gap(gap: Frame.Gap): void {
    // Where another connection carries it too, nothing is missing.
    if (this.#topic.carriers.size === 1) this.#topic.listener.gap(gap)
  }

  end(exit: Exit.Exit<void, Session.SessionError>): void {
    const topic = this.#topic
    if (!this.#member.carries.delete(topic)) return
    topic.carriers.delete(this.#member)
    if (topic.carriers.size > 0) return
    this.#forget(topic)
    topic.listener.end(exit)
  }
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
  const gate = Option.getOrElse(yield* Effect.serviceOption(DialGate.DialGate), () => DialGate.make())
  const clock = yield* Effect.clock
  let names = 0

  const attach = (member: Member<A>, topic: Topic<A>) =>
    Effect.gen(function*() {
      if (member.carries.has(topic)) return
      const attached = yield* Scope.fork(member.scope, { _tag: "Sequential" })
      member.carries.set(topic, attached)
      topic.carriers.add(member)
      yield* Scope.extend(member.session.listen(topic.name, new Carried(topic, member, forget)), attached)
    })

  const attachAll = (member: Member<A>, topics: Iterable<Topic<A>>) =>
    Effect.forEach([...topics], (topic) => attach(member, topic), { discard: true })

  const detach = (member: Member<A>, topic: Topic<A>) =>
    Effect.suspend(() => {
      const attached = member.carries.get(topic)
      if (attached === undefined) return Effect.void
      member.carries.delete(topic)
      topic.carriers.delete(member)
      // What carries it from here on may just be away.
      if (member.open && topic.carriers.size > 0) tellIfLost(topic)
      return Scope.close(attached, Exit.void)
    })

  const tellIfLost = ({ carriers, listener }: Topic<A>) => {
    if (![...carriers].some((carrier) => carrier.open)) listener.lost()
  }

  const close = (member: Member<A>) =>
    Effect.forEach([...member.carries.keys()], (topic) => detach(member, topic), { discard: true }).pipe(
      Effect.zipRight(Scope.close(member.scope, Exit.void)),
      Effect.zipRight(Effect.sync(() => {
        options.onEvent(member.name, ConnectionEvent.Closed({ at: clock.unsafeCurrentTimeMillis() }))
      }))
    )

  const lose = (member: Member<A>) => {
    member.open = false
    for (const topic of member.carries.keys()) tellIfLost(topic)
  }

  const othersFlow = (since: number) =>
    Effect.map(
      Effect.forEach(sessions(), (session) => session.subscriptions),
      (all) => all.flat().some(({ lastData }) => Option.exists(lastData, (at) => at >= since))
    )

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
        Effect.provideService(DialGate.DialGate, gate),
        Scope.extend(memberScope),
        // The options were checked when the feed was made.
        Effect.orDie
      )
      const member: Member<A> = { name, session, scope: memberScope, carries: new Map(), open: false }
      yield* Stream.runForEach(session.connection.events, (event) =>
        Effect.sync(() => {
          if (event._tag === "Opened") member.open = true
          if (event._tag === "Lost") lose(member)
          options.onEvent(name, event)
        })).pipe(Effect.interruptible, Effect.forkIn(memberScope))
      yield* Stream.runForEach(session.events, (event) =>
        Effect.sync(() => {
          options.onSessionEvent(name, event)
        })).pipe(Effect.interruptible, Effect.forkIn(memberScope))
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
      within(options.renewalTimeout, () => "late" as const)
    )

  return { attach, attachAll, close, detach, open, proof }
})
