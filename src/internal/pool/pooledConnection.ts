// The connections of a pool, and the topics they carry: what a topic's listener hears of them, whichever they are.
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type * as Connection from "../../Connection.ts"
import * as ConnectionEvent from "../../ConnectionEvent.ts"
import * as DialGate from "../../DialGate.ts"
import type * as Frame from "../../Frame.ts"
import * as Session from "../../Session.ts"
import { Transport } from "../../Transport.ts"
import { within } from "../time/timeout.ts"

export interface Options<A, N> {
  readonly connection: (path: string) => Connection.Options
  readonly protocol: Session.Protocol<A, N>
  /** How far connections may lag behind each other. */
  readonly grace: Duration.Duration
  /** How long a successor may take to prove itself, before it is given up and the old connection kept. */
  readonly renewalTimeout: Duration.Duration
  /** Whether the venue knows a topic that never had data. */
  readonly isKnown: (topic: string) => Effect.Effect<boolean>
  readonly onEvent: (connection: string, event: ConnectionEvent.ConnectionEvent) => void
  readonly onSessionEvent: (connection: string, event: Session.SessionEvent) => void
}

/** Hears a topic, whichever connections carry it. Nothing here may wait or throw. */
export interface Listener<A> {
  readonly data: (batch: ReadonlyArray<A>) => void
  /** Something may be missing from here on, and no connection brought it. */
  readonly gap: (reason: string) => void
  /** The last connection that brought the topic does so no more: why, in words that follow a colon. */
  readonly lost: (why: string) => void
  /** Nothing more will come. */
  readonly end: (exit: Exit.Exit<void, Session.SessionError>) => void
}

/** A connection, and the topics it carries. */
export interface Member<A> {
  readonly name: string
  readonly session: Session.Session<A>
  readonly scope: Scope.CloseableScope
  readonly carries: Map<Topic<A>, Carrier<A>>
}

/** A topic, and the order in which its carriers came to bring it and ceased to. */
export interface Topic<A> {
  readonly name: string
  readonly listener: Listener<A>
  /** On the connections that have not been given up. */
  readonly carriers: Set<Carrier<A>>
  /** Whether it was moved for its silence, and has not spoken since. */
  moved: boolean
  /** Why none brings it, when one did and no gap has been told since. */
  broken: string | undefined
  /** Grows by one whenever a carrier begins beside another or ceases, and when a gap is told. */
  turn: number
  /** The turn of the gap that was told last. */
  told: number
}

export const makeTopic = <A>(name: string, listener: Listener<A>): Topic<A> => ({
  name,
  listener,
  carriers: new Set(),
  moved: false,
  broken: undefined,
  turn: 0,
  told: 0
})

const lostConnection = "the connection was lost"

// A topic on one of the connections that carry it. What one misses is no gap where another brought it all the while. That
// one is open, or subscribed anew, proves nothing, and data does; and one that ends had ended with its last data, however
// late that shows. A class, since there may be thousands, and each is passed for every message.
export class Carrier<A> implements Session.Listener<A> {
  readonly #topic: Topic<A>
  readonly #member: Member<A>
  readonly #forget: (topic: Topic<A>) => void
  readonly scope: Scope.CloseableScope
  /** The turn from which on it has brought everything, or a gap was told. */
  #liveSince: number | undefined
  /** The turn of its last data, or at which it ceased. */
  #last = 0
  constructor(topic: Topic<A>, member: Member<A>, scope: Scope.CloseableScope, forget: (topic: Topic<A>) => void) {
    this.#topic = topic
    this.#member = member
    this.#forget = forget
    this.scope = scope
  }

  data(batch: ReadonlyArray<A>): void {
    const topic = this.#topic
    if (topic.moved) topic.moved = false
    if (this.#liveSince === undefined) this.begin()
    this.#last = topic.turn
    topic.listener.data(batch)
  }

  gap({ cause }: Frame.Gap): void {
    const { broken, told } = this.#topic
    const isLive = this.#liveSince !== undefined
    // Whether others made up for it when it ceased was seen then. Where none brings it, a gap told since stands for this
    // one's, too.
    const isMadeUpFor = isLive ? this.#isCovered() : this.#othersBring() || told > this.#last
    if (broken !== undefined || !isMadeUpFor) this.#tell(cause.message)
    if (isLive) this.#liveSince = ++this.#topic.turn
  }

  // Another has brought all that came after its last data, or after a gap that was told.
  #isCovered(): boolean {
    return this.#othersBring(Math.max(this.#last, this.#topic.told))
  }

  #othersBring(since = Number.POSITIVE_INFINITY): boolean {
    for (const other of this.#topic.carriers) {
      if (other !== this && other.#liveSince !== undefined && other.#liveSince <= since) return true
    }
    return false
  }

  #tell(reason: string): void {
    const topic = this.#topic
    topic.broken = undefined
    topic.told = ++topic.turn
    topic.listener.gap(reason)
  }

  /** It brings the topic from here on. */
  begin(): void {
    if (this.#liveSince !== undefined) return
    const topic = this.#topic
    if (topic.broken !== undefined) this.#tell(topic.broken)
    // What was before, another brings; or nobody did, and a gap was told.
    this.#liveSince = this.#othersBring() ? ++topic.turn : topic.told
  }

  /** It was lost, or has fallen silent. */
  cease(reason: string, why = lostConnection): void {
    const topic = this.#topic
    const wasLive = this.#liveSince !== undefined
    this.#liveSince = undefined
    // Whoever comes to bring it next may have been subscribed later than this one.
    if (!this.#othersBring()) this.#break(reason, wasLive, why)
    else if (wasLive && !this.#isCovered()) this.#tell(reason)
    this.#last = ++topic.turn
  }

  #break(reason: string, wasLive: boolean, why: string): void {
    this.#topic.broken = reason
    if (wasLive) this.#topic.listener.lost(why)
  }

  /** The topic is left to others, if there are any. Says whether it was carried by this one. */
  leave(reason: string): boolean {
    const topic = this.#topic
    if (!this.#member.carries.delete(topic)) return false
    topic.carriers.delete(this)
    if (topic.carriers.size > 0 && this.#liveSince !== undefined && !this.#othersBring()) this.#break(reason, true, lostConnection)
    return true
  }

  end(exit: Exit.Exit<void, Session.SessionError>): void {
    const topic = this.#topic
    const error = Exit.isFailure(exit) ? Cause.failureOption(exit.cause) : Option.none()
    const reason = Option.match(error, { onNone: () => "The connection has ended.", onSome: ({ message }) => message })
    if (!this.leave(reason) || topic.carriers.size > 0) return
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
  const gate = Option.getOrElse(yield* Effect.serviceOption(DialGate.DialGate), () => DialGate.open)
  const clock = yield* Effect.clock
  let names = 0

  const attach = (member: Member<A>, topic: Topic<A>) =>
    Effect.gen(function*() {
      if (member.carries.has(topic)) return
      const attached = yield* Scope.fork(member.scope, { _tag: "Sequential" })
      const carrier = new Carrier(topic, member, attached, forget)
      member.carries.set(topic, carrier)
      topic.carriers.add(carrier)
      yield* Scope.extend(member.session.listen(topic.name, carrier), attached)
    })

  const attachAll = (member: Member<A>, topics: Iterable<Topic<A>>) =>
    Effect.forEach([...topics], (topic) => attach(member, topic), { discard: true })

  const detach = (member: Member<A>, topic: Topic<A>) =>
    Effect.suspend(() => {
      const carrier = member.carries.get(topic)
      if (carrier === undefined) return Effect.void
      carrier.leave("It was moved to another connection.")
      return Scope.close(carrier.scope, Exit.void)
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
    for (const [{ name }, carrier] of member.carries) {
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
        Effect.provideService(DialGate.DialGate, gate),
        Scope.extend(memberScope),
        // The options were checked when the feed was made.
        Effect.orDie
      )
      const member: Member<A> = { name, session, scope: memberScope, carries: new Map() }
      // As it happens, and not when a fibre comes to read of it: what came before the loss has been heard, and nothing after.
      yield* session.connection.events.listen((events) => {
        for (const event of events) {
          if (event._tag === "Lost") for (const carrier of member.carries.values()) carrier.cease(event.cause.message)
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
        for (const topic of topics) member.carries.get(topic)?.begin()
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
      for (const [topic, carrier] of member.carries) {
        if (names.has(topic.name)) carrier.cease("Its connection had fallen silent.")
      }
    })

  return { attach, attachAll, close, detach, endSilent, open, proof }
})
