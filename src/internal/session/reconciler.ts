// What is on the wire of the open connection, and the requests that bring it to what is wanted: one at a time, within the
// venue's pace, and begun anew with each connection.
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as FiberId from "effect/FiberId"
import type { Connection } from "../../Connection.ts"
import type * as Session from "../../Session.ts"
import { SessionEvent, SubscriptionRefused } from "../../Session.ts"
import type { Message } from "../../Transport.ts"
import * as RollingWindow from "../time/rollingWindow.ts"
import type { Entry, Wanted } from "./desired.ts"

export interface Options<A, N> {
  readonly connection: Connection
  readonly protocol: Session.Protocol<A, N>
  readonly answerTimeout: Duration.Duration
  readonly wanted: Wanted<A>
  readonly now: () => number
  readonly record: (event: Session.SessionEvent) => void
  readonly fiberId: FiberId.FiberId
  /** Whether the peer has been quiet for so long that it is to show that it is there. */
  readonly isProbeDue: () => boolean
}

export interface Requests {
  /** Makes the requests, for ever. */
  readonly run: Effect.Effect<never>
  /** Something else is wanted, or may be asked for now. */
  readonly change: () => void
  readonly answer: (answer: Answered) => void
  /** Since when there is a connection to ask on, if there is. */
  readonly since: () => number | undefined
  /** Of the connection that is asked on, or was last. */
  readonly epoch: () => number
  /** Whether a topic was asked for on the connection that is open now, and need not be again. */
  readonly isAsked: (topic: string) => boolean
  /** A topic is asked for again: subscribing to what may be subscribed loses nothing, unsubscribing first could. */
  readonly askAgain: (topic: string) => void
  /** Nothing more is asked on a connection before this one. */
  readonly leave: (epoch: number) => void
}

type Answered = Extract<Session.Incoming<never, never>, { readonly _tag: "Acknowledged" | "Refused" }>

// What ends with a connection: what was asked for on it, and how fast it may be asked.
interface Wire<A> {
  readonly epoch: number
  readonly since: number
  /**
   * Asked for, and not taken back for certain, each with the entry it was asked for. Without one it is to be asked for
   * again, if it is wanted: whether it is on the wire is not known, or it is silent.
   */
  readonly topics: Map<string, Entry<A> | undefined>
  /** Requests to be made as they are, before any other: the halves of one that was refused. */
  readonly halves: Array<ReadonlyArray<string>>
  /** Venues count the requests of a connection: a new one begins at none. */
  readonly pace: RollingWindow.RollingWindow
  /** Completed when nothing more is asked on it, since it is gone, or as good as gone. */
  readonly over: Deferred.Deferred<void>
}

interface Request {
  readonly method: "subscribe" | "unsubscribe" | "probe"
  readonly topics: ReadonlyArray<string>
  readonly write: (id: number) => Message
}

type Answer =
  | { readonly _tag: "Acknowledged" }
  | { readonly _tag: "Refused"; readonly reason: string }
  | { readonly _tag: "Unanswered" }
  | { readonly _tag: "Lost" }

const fruitlessAtMost = 3

export const make = <A, N>(
  { answerTimeout, connection, fiberId, isProbeDue, now, protocol, record, wanted: registry }: Options<A, N>
): Requests => {
  const { finish, topics: wanted } = registry
  let wire: Wire<A> | undefined
  // The latest connection whose wire is over.
  let spent = 0
  let outstanding: { readonly id: number; readonly answer: Deferred.Deferred<Answer> } | undefined
  let nextId = 1
  // Requests in a row that left what is on the wire in doubt.
  let fruitless = 0
  const dirty = Effect.unsafeMakeLatch(false)

  const beginWire = (epoch: number) => {
    if (wire !== undefined) endWire(wire)
    wire = {
      epoch,
      since: now(),
      topics: new Map(),
      halves: [],
      pace: RollingWindow.make(protocol.pace.limit, protocol.pace.window),
      over: Deferred.unsafeMake(fiberId)
    }
    for (const entry of wanted.values()) {
      entry.status = "requested"
      entry.since = now()
    }
  }

  const endWire = (ending: Wire<A>) => {
    spent = Math.max(spent, ending.epoch)
    Deferred.unsafeDone(ending.over, Exit.void)
    if (wire === ending) wire = undefined
  }

  const request = (method: "subscribe" | "unsubscribe", topics: ReadonlyArray<string>): Request => ({
    method,
    topics,
    write: (id) => protocol[method](topics, id)
  })

  const nextRequest = ({ halves, topics }: Wire<A>): Request | undefined => {
    const isMissing = (topic: string) => wanted.has(topic) && topics.get(topic) !== wanted.get(topic)
    const half = halves.shift()?.filter(isMissing)
    if (half !== undefined && half.length > 0) return request("subscribe", half)
    const superfluous = [...topics.keys()].filter((topic) => !wanted.has(topic))
    if (superfluous.length > 0) return request("unsubscribe", superfluous.slice(0, protocol.maxBatch))
    const missing = [...wanted.keys()].filter(isMissing)
    if (missing.length > 0) return request("subscribe", missing.slice(0, protocol.maxBatch))
    return protocol.probe !== undefined && isProbeDue() ? { method: "probe", topics: [], write: protocol.probe } : undefined
  }

  const became = (topics: ReadonlyArray<string>, status: Entry<A>["status"], at: number) => {
    for (const topic of topics) {
      const entry = wanted.get(topic)
      // Data may come before the acknowledgement.
      if (entry === undefined || (status === "acknowledged" && entry.status !== "requested")) continue
      entry.status = status
      entry.since = at
      entry.pulse.expect(at)
    }
  }

  const perform = Effect.fnUntraced(function*(on: Wire<A>, { method, topics, write }: Request) {
    yield* Effect.raceFirst(on.pace.take(1), Deferred.await(on.over))
    if (wire !== on) return
    const id = nextId++
    const answer = yield* Deferred.make<Answer>()
    outstanding = { id, answer }
    // Asked for before: refused or not, it may be on the wire.
    const askedBefore = new Set(topics.filter((topic) => on.topics.has(topic)))
    if (method === "subscribe") {
      for (const topic of topics) on.topics.set(topic, wanted.get(topic))
      became(topics, "requested", now())
      record(SessionEvent.Requested({ at: now(), topics }))
    }
    const sent = yield* Effect.either(connection.send(write(id)))
    const lost: Answer = { _tag: "Lost" }
    const late: Answer = { _tag: "Unanswered" }
    const answered = Either.isLeft(sent)
      ? lost
      : yield* Effect.raceAll([
        Deferred.await(answer),
        Effect.as(Deferred.await(on.over), lost),
        Effect.as(Effect.sleep(answerTimeout), late)
      ])
    outstanding = undefined
    const at = now()
    const isFruitless = answered._tag === "Unanswered" || (answered._tag === "Refused" && method === "unsubscribe")
    fruitless = isFruitless ? fruitless + 1 : 0
    if (fruitless === fruitlessAtMost) {
      fruitless = 0
      endWire(on)
      yield* Effect.ignore(connection.reconnect("requests are refused or not answered"))
    }

    switch (answered._tag) {
      case "Acknowledged":
        if (method === "probe") return
        if (method === "unsubscribe") {
          for (const topic of topics) on.topics.delete(topic)
          record(SessionEvent.Released({ at, topics }))
          return
        }
        became(topics, "acknowledged", at)
        record(SessionEvent.Acknowledged({ at, topics }))
        for (const topic of topics) {
          const entry = wanted.get(topic)
          if (entry === undefined) continue
          on.topics.set(topic, entry)
          Deferred.unsafeDone(entry.acknowledged, Exit.void)
        }
        return
      case "Refused": {
        // What is not released is still there, and is taken back again.
        if (method !== "subscribe") return
        for (const topic of topics) {
          if (askedBefore.has(topic)) on.topics.set(topic, undefined)
          else on.topics.delete(topic)
        }
        const [topic = ""] = topics
        if (topics.length > 1) {
          // One of them is to blame: it is found by halves.
          const middle = Math.ceil(topics.length / 2)
          on.halves.push(topics.slice(0, middle), topics.slice(middle))
          return
        }
        const error = new SubscriptionRefused({ topic, reason: answered.reason })
        const entry = wanted.get(topic)
        record(SessionEvent.Refused({ at, error }))
        yield* Effect.logWarning(error.message)
        if (entry !== undefined) finish(entry, Exit.fail(error))
        return
      }
      case "Unanswered":
        // Whether it was done is not known: what is wanted is asked for again, and all else taken back.
        for (const topic of topics) on.topics.set(topic, undefined)
        if (method !== "probe") record(SessionEvent.Unanswered({ at, topics }))
        return
      case "Lost":
        // What was asked of a connection that is gone is asked anew of the next one.
        endWire(on)
    }
  })

  const reconcile = Effect.gen(function*() {
    for (;;) {
      const state = yield* connection.state
      if (state._tag !== "Connected" || state.epoch <= spent) return
      if (wire?.epoch !== state.epoch) beginWire(state.epoch)
      const request = wire === undefined ? undefined : nextRequest(wire)
      if (wire === undefined || request === undefined) return
      yield* perform(wire, request)
    }
  })

  return {
    // What is asked for in one turn goes out together.
    run: Effect.forever(
      dirty.await.pipe(
        Effect.zipRight(Effect.yieldNow()),
        Effect.zipRight(Effect.sync(() => {
          dirty.unsafeClose()
        })),
        Effect.zipRight(reconcile)
      )
    ),
    change: () => {
      dirty.unsafeOpen()
    },
    answer: (incoming) => {
      if (outstanding === undefined || (incoming.id ?? outstanding.id) !== outstanding.id) return
      const answer: Answer = incoming._tag === "Acknowledged" ? { _tag: "Acknowledged" } : { _tag: "Refused", reason: incoming.reason }
      Deferred.unsafeDone(outstanding.answer, Exit.succeed(answer))
    },
    since: () => wire?.since,
    epoch: () => wire?.epoch ?? spent,
    isAsked: (topic) => wire?.topics.get(topic) !== undefined,
    askAgain: (topic) => {
      wire?.topics.set(topic, undefined)
    },
    leave: (epoch) => {
      if (wire !== undefined && wire.epoch < epoch) endWire(wire)
    }
  }
}
