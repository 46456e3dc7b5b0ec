// Makes the actual topics of the open connection the desired ones: one request at a time, within the peer's rate limit.
// Each connection begins without actual topics.
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as FiberId from "effect/FiberId"
import type { Connection } from "../../Connection.ts"
import { NotAcknowledged } from "../../ConnectionError.ts"
import * as SessionEvent from "../../SessionEvent.ts"
import type { SessionProtocol } from "../../SessionProtocol.ts"
import type { Message } from "../../Transport.ts"
import type { Handle } from "../connection/handle.ts"
import * as RollingWindow from "../time/rollingWindow.ts"
import type { Answer, Answered, Outcome } from "./answers.ts"
import * as Answers from "./answers.ts"
import * as LateAnswers from "./lateAnswers.ts"
import * as Served from "./served.ts"
import * as Setbacks from "./setbacks.ts"
import type { Settings } from "./settings.ts"
import { untilLate } from "./stuck.ts"
import type { Request, Wire } from "./wire.ts"
import { nextRequest, revoke } from "./wire.ts"
import { writing } from "./writing.ts"

export interface Options<A, N> extends Served.Options<A>, Omit<Setbacks.Options<A>, "served" | "change"> {
  readonly connection: Connection
  readonly protocol: SessionProtocol<A, N>
  readonly fiberId: FiberId.FiberId
  /** Called when a wire begins. */
  readonly onWire: (wire: Wire<A>) => void
  readonly settings: Settings
  readonly isProbeDue: () => boolean
  /** The operations of the connection that its users do not have. */
  readonly handle: Pick<Handle, "fail" | "ask" | "accept" | "vitals">
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

// After this many fruitless requests in a row, the reconciler replaces the connection.
const fruitlessAtMost = 3

// The request under way.
interface Outstanding<A> {
  readonly on: Wire<A>
  readonly id: number
  readonly method: Answers.Method
  /** These topics may be subscribed, even if the peer refuses them now. */
  readonly requestedBefore: ReadonlySet<string>
  readonly unsettled: Set<string>
  /** Completes when all of its topics are settled. */
  readonly settled: Deferred.Deferred<void>
  isFruitless: boolean
}

export const make = <A, N>(options: Options<A, N>): Reconciler => {
  const { answerTimeout, connection, desired, fiberId, flush, handle, moment, now, onWire, protocol, record, redactor } = options
  const { acknowledgements, maxBatch, pace } = options.settings
  const { topics: desiredTopics } = desired
  let wire: Wire<A> | undefined
  // The latest epoch whose wire has ended.
  let endedEpoch = 0
  let outstanding: Outstanding<A> | undefined
  let nextId = 1
  // Fruitless requests in a row.
  let fruitless = 0
  const next = nextRequest({ protocol, maxBatch, desired: desiredTopics, isProbeDue: options.isProbeDue })
  const dirty = Effect.unsafeMakeLatch(false)
  const change = () => {
    dirty.unsafeOpen()
  }
  const served = Served.make(options)
  const { forgive, serve, setStatus, subscribed } = served
  const setbacks = Setbacks.make({ ...options, served, change })
  const late = LateAnswers.make({
    ...options,
    served,
    setbacks,
    acknowledged: (topics) => {
      if (outstanding?.method === "subscribe") take(outstanding, { _tag: "Acknowledged", topics })
    }
  })

  // -------------------------------------------------------------------------------------------------------------------
  // The wire

  const beginWire = (epoch: number) => {
    if (wire !== undefined) endWire(wire)
    const begun: Wire<A> = wire = {
      epoch,
      since: moment(),
      topics: new Map(),
      halves: [],
      postponed: new Set(),
      served: new Set(),
      dropped: new Map(),
      unanswered: new Map(),
      owed: [],
      pace: RollingWindow.make(pace.limit, pace.window),
      ended: Deferred.unsafeMake(fiberId),
      unansweredInRow: 0,
      unwritten: 0
    }
    for (const entry of desiredTopics.values()) {
      forgive(entry)
      entry.status = "requested"
      entry.since = moment()
    }
    onWire(begun)
  }

  const endWire = (ending: Wire<A>) => {
    endedEpoch = Math.max(endedEpoch, ending.epoch)
    if (wire === ending) wire = undefined
    Deferred.unsafeDone(ending.ended, Exit.void)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // One request

  // Makes a request and waits until its topics are settled.
  const perform = Effect.fnUntraced(function*(on: Wire<A>, request: Request) {
    const { method, topics } = request
    const id = nextId++
    const ended = Deferred.await(on.ended)
    let message: Message
    if (request.method === "probe") {
      message = request.write(id)
    } else {
      const written = yield* Effect.raceFirst(
        Effect.either(writing(() => request.write(id), answerTimeout)),
        Effect.as(ended, Either.left<unknown>(undefined))
      )
      if (wire !== on) return
      if (Either.isLeft(written)) {
        setbacks.notWritten(on, request.method, topics, written.left)
        return
      }
      message = written.right
    }
    if (method === "unsubscribe") on.unwritten = 0
    yield* Effect.raceFirst(on.pace.take(1), ended)
    if (wire !== on) return
    const under: Outstanding<A> = {
      on,
      id,
      method,
      requestedBefore: new Set(topics.filter((topic) => on.topics.has(topic))),
      unsettled: new Set(topics),
      settled: Deferred.unsafeMake(fiberId),
      isFruitless: false
    }
    outstanding = under
    if (method === "subscribe") {
      for (const topic of topics) on.topics.set(topic, desiredTopics.get(topic))
      setStatus(topics, "requested")
      if (acknowledgements === "expected") handle.ask()
      record(SessionEvent.Requested({ at: now(), topics }))
    }
    const sending = Effect.map(Effect.either(connection.send(message)), (sent) => {
      if (Either.isLeft(sent)) take(under, { _tag: "Lost" })
      else if (acknowledgements === "none" && method !== "probe") {
        // The peer may refuse it later, by its id.
        if (method === "subscribe") late.remember(on, id, topics)
        take(under, { _tag: "Acknowledged" })
      }
    })
    // A socket may take no more bytes and still be open. An uninterruptible send must not delay the next request.
    const settling = Effect.zipRight(Effect.disconnect(sending), Deferred.await(under.settled))
    const answered: Answer = yield* Effect.raceFirst(settling, ended).pipe(
      Effect.as({ _tag: "Lost" } as const),
      Effect.raceFirst(Effect.as(untilLate(answerTimeout, handle.vitals), { _tag: "Unanswered" } as const))
    )
    take(under, answered)
    fruitless = under.isFruitless && wire === on ? fruitless + 1 : 0
    if (fruitless < fruitlessAtMost) return
    fruitless = 0
    endWire(on)
    handle.fail(new NotAcknowledged({ requests: fruitlessAtMost, after: answerTimeout }))
  })

  // Applies an answer in the turn in which it comes: what comes after it may build on it. Returns false when it is not for the
  // request, or names only other topics.
  const take = (request: Outstanding<A>, answer: Answer): boolean => {
    if (request !== outstanding) return false
    const outcome = Answers.settle(request.method, answer, [...request.unsettled])
    if (outcome.topics.length === 0 && request.unsettled.size > 0) return false
    for (const topic of outcome.topics) request.unsettled.delete(topic)
    if (request.unsettled.size === 0) outstanding = undefined
    if (wire === request.on) apply(request, outcome)
    if (request.unsettled.size === 0) Deferred.unsafeDone(request.settled, Exit.void)
    return true
  }

  const apply = (request: Outstanding<A>, outcome: Outcome): void => {
    const { method, on, requestedBefore } = request
    const { topics } = outcome
    const at = now()
    switch (outcome._tag) {
      case "Subscribed":
        on.unansweredInRow = 0
        subscribed(on, topics)
        return
      case "Unsubscribed":
        for (const topic of topics) on.topics.delete(topic)
        record(SessionEvent.Released({ at, topics }))
        return
      case "Refused":
        on.unansweredInRow = 0
        setbacks.refused(on, requestedBefore, topics, redactor.text(outcome.reason))
        return
      case "Bisected":
        on.unansweredInRow = 0
        setbacks.refusedSome(on, requestedBefore, topics, redactor.text(outcome.reason))
        return
      case "Postponed":
        on.unansweredInRow = 0
        revoke(on, requestedBefore, topics)
        setbacks.postponed(on, topics, outcome.retry, method === "subscribe" ? redactor.text(outcome.reason) : undefined)
        return
      case "Uncertain":
        if (topics.length > 0) record(SessionEvent.Unanswered({ at, topics }))
        for (const topic of topics) on.topics.set(topic, undefined)
        if (method === "subscribe") {
          late.remember(on, request.id, topics)
          if (on.served.size > 0) setbacks.unanswered(on, topics)
          else request.isFruitless = true
        } else if (!setbacks.isForgotten(on, topics)) request.isFruitless = true
        return
      case "StillSubscribed":
        if (!setbacks.isForgotten(on, topics)) request.isFruitless = true
        return
      case "Lost":
        endWire(on)
        return
      case "Alive":
        return
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
      if (wire === undefined || late.isOwed(wire, answer)) return
      if (answer.id !== undefined && answer.id !== outstanding?.id) {
        late.takeLate(wire, answer.id, answer)
        return
      }
      if ((outstanding !== undefined && take(outstanding, answer)) || answer._tag !== "Refused") return
      if (answer.topics !== undefined) {
        late.refuseUnasked(wire, answer.topics, answer)
        return
      }
      const reason = `the peer refused something, but no request is under way: ${redactor.text(answer.reason)}`
      record(SessionEvent.Invalid({ at: now(), reason, excerpt: "" }))
    },
    dropped: (topic, saidReason) => {
      const on = wire
      if (on?.topics.has(topic) !== true) return
      const reason = redactor.text(saidReason)
      // It may be the answer to the request that is under way.
      if (outstanding?.unsettled.has(topic) === true) {
        take(outstanding, outstanding.method === "unsubscribe"
          ? { _tag: "Acknowledged", topics: [topic] }
          : { _tag: "Refused", topics: [topic], reason })
        return
      }
      on.topics.delete(topic)
      on.served.delete(topic)
      const entry = desiredTopics.get(topic)
      if (entry === undefined) return
      flush()
      forgive(entry)
      on.dropped.set(topic, { at: moment(), reason })
      entry.observedAtDrop = entry.tracker.observed()
      record(SessionEvent.Dropped({ at: now(), topic, reason }))
      setStatus([topic], "requested")
      setbacks.dropped(on, topic, reason)
      change()
    },
    hasData: (topic) => {
      const on = wire
      if (on === undefined || !(on.topics.has(topic) || on.dropped.has(topic))) return
      handle.accept()
      const asked = outstanding
      if (asked?.method === "subscribe") take(asked, { _tag: "Acknowledged", topics: [topic] })
      if (asked !== undefined && asked !== outstanding) {
        on.owed.push({ id: asked.id, until: moment() + Duration.toMillis(answerTimeout) })
      }
      // A request for it may have gone unanswered.
      serve(on, topic, true)
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
