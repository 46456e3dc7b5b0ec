// Brings what is on the wire of the open connection to what is wanted: one request at a time, within the peer's pace, and
// begun anew with each connection.
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as FiberId from "effect/FiberId"
import * as Queue from "effect/Queue"
import type { Connection } from "../../Connection.ts"
import { SubscriptionRefused } from "../../SessionError.ts"
import * as SessionEvent from "../../SessionEvent.ts"
import type { SessionProtocol } from "../../SessionProtocol.ts"
import * as RollingWindow from "../time/rollingWindow.ts"
import { sleep } from "../time/sleep.ts"
import type { Answer, Answered, Outcome } from "./answers.ts"
import * as Answers from "./answers.ts"
import type { Desired, TopicEntry } from "./desired.ts"
import type { Request, Wire } from "./wire.ts"
import { nextRequest, takeBack } from "./wire.ts"

export interface Options<A, N> {
  readonly connection: Connection
  readonly protocol: SessionProtocol<A, N>
  readonly answerTimeout: Duration.Duration
  readonly desired: Desired<A>
  readonly now: () => number
  readonly record: (event: SessionEvent.SessionEvent) => void
  readonly fiberId: FiberId.FiberId
  readonly isProbeDue: () => boolean
}

export interface Reconciler {
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

const fruitlessAtMost = 3

export const make = <A, N>(
  { answerTimeout, connection, desired, fiberId, isProbeDue, now, protocol, record }: Options<A, N>
): Reconciler => {
  const { finish, topics: desiredTopics } = desired
  let wire: Wire<A> | undefined
  // The latest connection whose wire is over.
  let spent = 0
  let outstanding: { readonly id: number; readonly answers: Queue.Queue<Answer> } | undefined
  let nextId = 1
  // Requests in a row that left what is on the wire in doubt.
  let fruitless = 0
  const next = nextRequest({ protocol, desired: desiredTopics, isProbeDue })
  const dirty = Effect.unsafeMakeLatch(false)
  const change = () => {
    dirty.unsafeOpen()
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The wire

  const beginWire = (epoch: number) => {
    if (wire !== undefined) endWire(wire)
    wire = {
      epoch,
      since: now(),
      topics: new Map(),
      halves: [],
      postponed: new Set(),
      pace: RollingWindow.make(protocol.pace.limit, protocol.pace.window),
      over: Deferred.unsafeMake(fiberId)
    }
    for (const entry of desiredTopics.values()) {
      entry.status = "requested"
      entry.since = now()
    }
  }

  const endWire = (ending: Wire<A>) => {
    spent = Math.max(spent, ending.epoch)
    Deferred.unsafeDone(ending.over, Exit.void)
    if (wire === ending) wire = undefined
  }

  // -------------------------------------------------------------------------------------------------------------------
  // One request

  // From its turn to the answers that settle all of its topics.
  const perform = Effect.fnUntraced(function*(on: Wire<A>, { method, topics, write }: Request) {
    yield* Effect.raceFirst(on.pace.take(1), Deferred.await(on.over))
    if (wire !== on) return
    const id = nextId++
    const answers = yield* Queue.unbounded<Answer>()
    outstanding = { id, answers }
    // Refused or not, they may be on the wire.
    const askedBefore = new Set(topics.filter((topic) => on.topics.has(topic)))
    if (method === "subscribe") {
      for (const topic of topics) on.topics.set(topic, desiredTopics.get(topic))
      became(topics, "requested", now())
      record(SessionEvent.Requested({ at: now(), topics }))
    }
    const sent = yield* Effect.either(connection.send(write(id)))
    const timer = yield* Effect.fork(Effect.sleep(answerTimeout))
    const nextAnswer: Effect.Effect<Answer> = Either.isLeft(sent)
      ? Effect.succeed({ _tag: "Lost" })
      : Effect.raceAll([
        Queue.take(answers),
        Effect.as(Deferred.await(on.over), { _tag: "Lost" } as const),
        Effect.as(Fiber.join(timer), { _tag: "Unanswered" } as const)
      ])
    const open = new Set(topics)
    let isFruitless = false
    do {
      const outcome = Answers.settle(method, yield* nextAnswer, [...open])
      // It is about other topics.
      if (outcome.topics.length === 0 && open.size > 0) continue
      for (const topic of outcome.topics) open.delete(topic)
      isFruitless ||= Answers.isFruitless(outcome)
      yield* apply(on, askedBefore, outcome)
    } while (open.size > 0)
    outstanding = undefined
    yield* Fiber.interruptFork(timer)
    fruitless = isFruitless && wire === on ? fruitless + 1 : 0
    if (fruitless < fruitlessAtMost) return
    fruitless = 0
    endWire(on)
    yield* Effect.ignore(connection.reconnect("requests are refused or not answered"))
  })

  const apply = (on: Wire<A>, askedBefore: ReadonlySet<string>, outcome: Outcome): Effect.Effect<void> =>
    Effect.suspend(() => {
      const at = now()
      const { topics } = outcome
      switch (outcome._tag) {
        case "Carried":
          became(topics, "acknowledged", at)
          record(SessionEvent.Acknowledged({ at, topics }))
          for (const topic of topics) {
            const entry = desiredTopics.get(topic)
            if (entry === undefined) continue
            on.topics.set(topic, entry)
            Deferred.unsafeDone(entry.acknowledged, Exit.void)
          }
          return Effect.void
        case "Released":
          for (const topic of topics) on.topics.delete(topic)
          record(SessionEvent.Released({ at, topics }))
          return Effect.void
        case "Refused":
          takeBack(on, askedBefore, topics)
          return Effect.forEach(topics, (topic) => refuse(topic, outcome.reason, at), { discard: true })
        case "Halved": {
          takeBack(on, askedBefore, topics)
          const middle = Math.ceil(topics.length / 2)
          on.halves.push(topics.slice(0, middle), topics.slice(middle))
          return Effect.void
        }
        case "Postponed":
          takeBack(on, askedBefore, topics)
          return postpone(on, topics, Duration.decode(outcome.retry))
        case "Doubtful":
          for (const topic of topics) on.topics.set(topic, undefined)
          if (topics.length > 0) record(SessionEvent.Unanswered({ at, topics }))
          return Effect.void
        case "Lost":
          endWire(on)
          return Effect.void
        case "Kept":
        case "Heard":
          return Effect.void
      }
    })

  const became = (topics: ReadonlyArray<string>, status: TopicEntry<A>["status"], at: number) => {
    for (const topic of topics) {
      const entry = desiredTopics.get(topic)
      // Data may come before the acknowledgement.
      if (entry === undefined || (status === "acknowledged" && entry.status !== "requested")) continue
      entry.status = status
      entry.since = at
      entry.tracker.expect(at)
    }
  }

  const refuse = (topic: string, reason: string, at: number) => {
    const error = new SubscriptionRefused({ topic, reason })
    const entry = desiredTopics.get(topic)
    record(SessionEvent.Refused({ at, error }))
    return Effect.zipRight(
      Effect.logWarning(error.message),
      Effect.sync(() => {
        if (entry !== undefined) finish(entry, Exit.fail(error))
      })
    )
  }

  const postpone = (on: Wire<A>, topics: ReadonlyArray<string>, retry: Duration.Duration) => {
    for (const topic of topics) on.postponed.add(topic)
    const resume = Effect.sync(() => {
      for (const topic of topics) on.postponed.delete(topic)
      change()
    })
    return Effect.asVoid(Effect.fork(Effect.zipRight(sleep(retry), resume)))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Until there is nothing to ask

  const reconcile = Effect.gen(function*() {
    for (;;) {
      const state = yield* connection.state
      if (state._tag !== "Connected" || state.epoch <= spent) return
      if (wire?.epoch !== state.epoch) beginWire(state.epoch)
      const request = wire === undefined ? undefined : next(wire)
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
    change,
    answer: (answer) => {
      if (outstanding === undefined || (answer.id ?? outstanding.id) !== outstanding.id) return
      outstanding.answers.unsafeOffer(answer)
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
