// Makes the actual topics of the open connection the desired ones: one request at a time, within the peer's rate limit.
// Each connection begins without actual topics.
import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as FiberId from "effect/FiberId"
import * as Queue from "effect/Queue"
import type { Connection } from "../../Connection.ts"
import { NotAcknowledged } from "../../ConnectionError.ts"
import { SubscriptionRefused } from "../../SessionError.ts"
import * as SessionEvent from "../../SessionEvent.ts"
import type { SessionProtocol } from "../../SessionProtocol.ts"
import type { Handle } from "../connection/handle.ts"
import { formatDuration } from "../time/durationText.ts"
import * as RollingWindow from "../time/rollingWindow.ts"
import { sleep } from "../time/sleep.ts"
import type { Redactor } from "../transport/redactor.ts"
import type { Answer, Answered, Outcome } from "./answers.ts"
import * as Answers from "./answers.ts"
import type { Desired, TopicEntry } from "./desired.ts"
import type { Request, Wire } from "./wire.ts"
import { nextRequest, revoke } from "./wire.ts"

export interface Options<A, N> {
  readonly connection: Connection
  readonly protocol: SessionProtocol<A, N>
  readonly redactor: Redactor
  readonly answerTimeout: Duration.Duration
  readonly desired: Desired<A>
  readonly now: () => number
  /** Monotonic time. */
  readonly moment: () => number
  readonly record: (event: SessionEvent.SessionEvent) => void
  readonly fiberId: FiberId.FiberId
  readonly runFork: (effect: Effect.Effect<void>) => void
  readonly isProbeDue: () => boolean
  /** The operations of the connection that its users do not have. */
  readonly handle: Pick<Handle, "fail" | "ask" | "accept">
}

export interface Reconciler {
  /** Makes the requests. Never ends. */
  readonly run: Effect.Effect<never>
  /** Tells the reconciler that a request may be due. */
  readonly change: () => void
  readonly answer: (answer: Answered) => void
  /** Tells the reconciler that the peer has ended the subscription of a topic. */
  readonly dropped: (topic: string, reason: string) => void
  /** Tells the reconciler that a topic has its first data since it was requested. The data proves the subscription. */
  readonly hasData: (topic: string) => void
  /** The time at which the wire of the open connection began, as Unix time in milliseconds. Undefined when none is open. */
  readonly since: () => number | undefined
  /** The epoch of the open connection, or of the last one. */
  readonly epoch: () => number
  /** Whether the topic was requested on the open connection and is not to be requested again. */
  readonly isRequested: (topic: string) => boolean
  /** Subscribes to a topic again. It does not unsubscribe first, because that could lose data. */
  readonly requestAgain: (topic: string) => void
  /** Makes no more requests on the connections before this epoch. */
  readonly leave: (epoch: number) => void
}

// A topic that had been live is asked for again after 1, 2, 4, 8 and 16 seconds. The next refusal is final.
const refusalsAtMost = 5
const firstRetry = Duration.seconds(1)

const withoutFullStop = (text: string) => text.replace(/\.$/, "")

// After this many fruitless requests in a row, the reconciler replaces the connection.
const fruitlessAtMost = 3

export const make = <A, N>(
  { answerTimeout, connection, desired, fiberId, handle, isProbeDue, moment, now, protocol, record, redactor, runFork }: Options<A, N>
): Reconciler => {
  const { finish, topics: desiredTopics } = desired
  let wire: Wire<A> | undefined
  // The latest epoch whose wire has ended.
  let endedEpoch = 0
  let outstanding: { readonly id: number; readonly method: Answers.Method; readonly answers: Queue.Queue<Answer> } | undefined
  let nextId = 1
  // Fruitless requests in a row.
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
      since: moment(),
      topics: new Map(),
      halves: [],
      postponed: new Set(),
      unanswered: new Map(),
      pace: RollingWindow.make(protocol.pace.limit, protocol.pace.window),
      ended: Deferred.unsafeMake(fiberId)
    }
    for (const entry of desiredTopics.values()) {
      entry.status = "requested"
      entry.since = moment()
    }
  }

  const endWire = (ending: Wire<A>) => {
    endedEpoch = Math.max(endedEpoch, ending.epoch)
    if (wire === ending) wire = undefined
    Deferred.unsafeDone(ending.ended, Exit.void)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // One request

  // Makes a request and waits for the answers that settle all of its topics.
  const perform = Effect.fnUntraced(function*(on: Wire<A>, { method, topics, write }: Request) {
    yield* Effect.raceFirst(on.pace.take(1), Deferred.await(on.ended))
    if (wire !== on) return
    const id = nextId++
    const answers = yield* Queue.unbounded<Answer>()
    outstanding = { id, method, answers }
    // These topics may be subscribed, even if the peer refuses them now.
    const requestedBefore = new Set(topics.filter((topic) => on.topics.has(topic)))
    if (method === "subscribe") {
      for (const topic of topics) on.topics.set(topic, desiredTopics.get(topic))
      setStatus(topics, "requested")
      handle.ask()
      record(SessionEvent.Requested({ at: now(), topics }))
    }
    const sent = yield* Effect.either(connection.send(write(id)))
    const timer = yield* Effect.fork(Effect.sleep(answerTimeout))
    const nextAnswer: Effect.Effect<Answer> = Either.isLeft(sent)
      ? Effect.succeed({ _tag: "Lost" })
      : Effect.raceAll([
        Queue.take(answers),
        Effect.as(Deferred.await(on.ended), { _tag: "Lost" } as const),
        Effect.as(Fiber.join(timer), { _tag: "Unanswered" } as const)
      ])
    const unsettled = new Set(topics)
    let isFruitless = false
    do {
      const outcome = Answers.settle(method, yield* nextAnswer, [...unsettled])
      // The answer names only other topics.
      if (outcome.topics.length === 0 && unsettled.size > 0) continue
      for (const topic of outcome.topics) unsettled.delete(topic)
      isFruitless ||= Answers.isFruitless(outcome)
      if (outcome._tag === "Uncertain" && method === "subscribe") on.unanswered.set(id, outcome.topics)
      yield* apply(on, requestedBefore, outcome)
    } while (unsettled.size > 0)
    outstanding = undefined
    yield* Fiber.interruptFork(timer)
    fruitless = isFruitless && wire === on ? fruitless + 1 : 0
    if (fruitless < fruitlessAtMost) return
    fruitless = 0
    endWire(on)
    handle.fail(new NotAcknowledged({ requests: fruitlessAtMost, after: answerTimeout }))
  })

  const apply = (on: Wire<A>, requestedBefore: ReadonlySet<string>, outcome: Outcome): Effect.Effect<void> =>
    Effect.suspend(() => {
      const at = now()
      const { topics } = outcome
      switch (outcome._tag) {
        case "Subscribed":
          setStatus(topics, "acknowledged")
          record(SessionEvent.Acknowledged({ at, topics }))
          for (const topic of topics) {
            const entry = desiredTopics.get(topic)
            if (entry === undefined) continue
            on.topics.set(topic, entry)
            haveLived(entry)
          }
          return Effect.void
        case "Unsubscribed":
          for (const topic of topics) on.topics.delete(topic)
          record(SessionEvent.Released({ at, topics }))
          return Effect.void
        case "Refused": {
          // Data outranks a refusal such as "already subscribed".
          const reason = redactor.text(outcome.reason)
          const [refused, live] = Arr.partition(topics, (topic) => desiredTopics.get(topic)?.tracker.observedSince(on.since) === true)
          revoke(on, requestedBefore, refused)
          return Effect.zipRight(
            live.length === 0 ? Effect.void : apply(on, requestedBefore, { _tag: "Subscribed", topics: live }),
            Effect.forEach(refused, (topic) => refuseOrRetry(on, topic, reason, at), { discard: true })
          )
        }
        case "Bisected": {
          revoke(on, requestedBefore, topics)
          const middle = Math.ceil(topics.length / 2)
          on.halves.push(topics.slice(0, middle), topics.slice(middle))
          return Effect.void
        }
        case "Postponed":
          revoke(on, requestedBefore, topics)
          return postpone(on, topics, Duration.decode(outcome.retry))
        case "Uncertain":
          for (const topic of topics) on.topics.set(topic, undefined)
          if (topics.length > 0) record(SessionEvent.Unanswered({ at, topics }))
          return Effect.void
        case "Lost":
          endWire(on)
          return Effect.void
        case "StillSubscribed":
        case "Alive":
          return Effect.void
      }
    })

  const setStatus = (topics: ReadonlyArray<string>, status: TopicEntry<A>["status"]) => {
    const at = moment()
    for (const topic of topics) {
      const entry = desiredTopics.get(topic)
      // Data may come before the acknowledgement.
      if (entry === undefined || (status === "acknowledged" && entry.status !== "requested")) continue
      entry.status = status
      entry.since = at
      entry.tracker.expect(at)
    }
  }

  const haveLived = (entry: TopicEntry<A>) => {
    entry.hasLived = true
    entry.refusals = 0
    Deferred.unsafeDone(entry.acknowledged, Exit.void)
  }

  // A backend that restarts may refuse for a while what it accepted before.
  const refuseOrRetry = (on: Wire<A>, topic: string, reason: string, at: number) => {
    const entry = desiredTopics.get(topic)
    if (entry?.hasLived !== true || entry.refusals >= refusalsAtMost) return refuse(topic, reason, at)
    entry.refusals++
    const wait = Duration.times(firstRetry, 2 ** (entry.refusals - 1))
    return Effect.zipRight(
      Effect.logWarning(
        `The peer refuses ${topic} for now: ${withoutFullStop(reason)}. The session asks again in ${formatDuration(wait)}.`
      ),
      postpone(on, [topic], wait)
    )
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

  // An acknowledgement that comes after its deadline is taken for all of its topics that are still desired. A later request
  // for them may be under way.
  const takeLateAnswer = (id: number, { _tag, topics: named }: Answered) => {
    const topics = wire?.unanswered.get(id)?.filter((topic) => named === undefined || named.includes(topic))
    if (wire === undefined || topics === undefined || _tag !== "Acknowledged") return
    wire.unanswered.delete(id)
    if (outstanding?.method === "subscribe") {
      outstanding.answers.unsafeOffer({ _tag: "Acknowledged", topics })
      return
    }
    const at = now()
    setStatus(topics, "acknowledged")
    record(SessionEvent.Acknowledged({ at, topics }))
    for (const topic of topics) {
      const entry = desiredTopics.get(topic)
      if (entry === undefined) continue
      wire.topics.set(topic, entry)
      haveLived(entry)
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // All requests

  const reconcile = Effect.gen(function*() {
    for (;;) {
      const state = yield* connection.state
      if (state._tag !== "Connected" || state.epoch <= endedEpoch) return
      if (wire?.epoch !== state.epoch) beginWire(state.epoch)
      const request = wire === undefined ? undefined : next(wire)
      if (wire === undefined || request === undefined) return
      yield* perform(wire, request)
    }
  })

  return {
    // Yields first, so that topics added in one turn share a request.
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
      // A refusal proves that the peer answers, too.
      handle.accept()
      if (answer.id !== undefined && answer.id !== outstanding?.id) takeLateAnswer(answer.id, answer)
      else outstanding?.answers.unsafeOffer(answer)
    },
    dropped: (topic, saidReason) => {
      const on = wire
      if (on?.topics.has(topic) !== true) return
      const reason = redactor.text(saidReason)
      on.topics.delete(topic)
      const at = now()
      record(SessionEvent.Dropped({ at, topic, reason }))
      setStatus([topic], "requested")
      runFork(Effect.zipRight(refuseOrRetry(on, topic, reason, at), Effect.sync(change)))
    },
    hasData: (topic) => {
      if (wire?.topics.has(topic) !== true) return
      handle.accept()
      const entry = desiredTopics.get(topic)
      if (entry === undefined) return
      haveLived(entry)
      if (outstanding?.method === "subscribe") outstanding.answers.unsafeOffer({ _tag: "Acknowledged", topics: [topic] })
      // A request for it may have gone unanswered.
      else wire.topics.set(topic, entry)
    },
    since: () => wire?.since,
    epoch: () => wire?.epoch ?? endedEpoch,
    isRequested: (topic) => wire?.topics.get(topic) !== undefined,
    requestAgain: (topic) => {
      wire?.topics.set(topic, undefined)
    },
    leave: (epoch) => {
      if (wire !== undefined && wire.epoch < epoch) endWire(wire)
    }
  }
}
