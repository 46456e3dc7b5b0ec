// Makes the actual topics of the open connection the desired ones: one request at a time, within the peer's rate limit.
// Each connection begins without actual topics.
import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import type { Connection } from "../../Connection.ts"
import { NotAcknowledged } from "../../ConnectionError.ts"
import * as Item from "../../Item.ts"
import type { SessionError } from "../../SessionError.ts"
import { SubscriptionDropped, SubscriptionRefused, SubscriptionUnanswered, SubscriptionUnavailable } from "../../SessionError.ts"
import * as SessionEvent from "../../SessionEvent.ts"
import type { SessionProtocol } from "../../SessionProtocol.ts"
import type { Message } from "../../Transport.ts"
import type { Handle } from "../connection/handle.ts"
import { formatDuration } from "../time/durationText.ts"
import { isDue } from "../time/monotonic.ts"
import * as RollingWindow from "../time/rollingWindow.ts"
import { sleep } from "../time/sleep.ts"
import type { Redactor } from "../transport/redactor.ts"
import type { Answer, Answered, Outcome } from "./answers.ts"
import * as Answers from "./answers.ts"
import type { Desired, TopicEntry } from "./desired.ts"
import { naming } from "./defect.ts"
import { reasonOf } from "../reason.ts"
import type { Settings } from "./settings.ts"
import { retryOf } from "./settings.ts"
import { untilLate } from "./stuck.ts"
import type { Request, Wire } from "./wire.ts"
import { nextRequest, revoke } from "./wire.ts"
import { writing } from "./writing.ts"

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
  /** Runs an effect in a fibre that ends with the session. */
  readonly fork: (effect: Effect.Effect<void>) => void
  /** Delivers the data that has been read so far. */
  readonly flush: () => void
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

// A topic that had been live is requested again after 1, 2, 4, 8 and 16 seconds. The next setback is final.
const setbacksAtMost = 5
const firstRetry = Duration.seconds(1)
const longestRetry = Duration.minutes(1)

// A topic that was subscribed for so long begins with the first retry again.
const longAfter = 30_000

// After this many fruitless requests in a row, the reconciler replaces the connection.
const fruitlessAtMost = 3

// A topic ends after this many requests without an answer, if the peer serves other topics: one that had been live, and one
// that had not.
const unansweredAtMost = { lived: 6, fresh: 3 }

// After this many in a row, several topics that share a request are not told apart any more.
const unansweredInRowAtMost = 12

// The number of requests whose late answers are taken.
const requestsKept = 1_024

const withoutFullStop = (text: string) => text.replace(/\.$/, "")

const count = (topics: ReadonlyArray<string>) => topics.length === 1 ? String(topics[0]) : `${topics.length} topics`

const halvesOf = (topics: ReadonlyArray<string>) => {
  const middle = Math.ceil(topics.length / 2)
  return [topics.slice(0, middle), topics.slice(middle)].filter((half) => half.length > 0)
}

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
  const { answerTimeout, connection, desired, fiberId, flush, fork, handle, moment, now, onWire, protocol, record, redactor } = options
  const { acknowledgements, maxBatch, pace } = options.settings
  const { finish, topics: desiredTopics } = desired
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
  const entriesOf = (topics: ReadonlyArray<string>) =>
    topics.flatMap((topic) => {
      const entry = desiredTopics.get(topic)
      return entry === undefined ? [] : [entry]
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

  // A topic that was subscribed for long has forgotten its setbacks. One that is dropped as soon as it is acknowledged has not.
  const forgive = (entry: TopicEntry<A>) => {
    if (entry.status !== "requested" && moment() - entry.since >= longAfter) entry.setbacks = 0
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
        notWritten(on, request.method, topics, written.left)
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
        if (method === "subscribe") remember(on, id, topics)
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

  // An answer may still come to these requests, the latest ones.
  const remember = ({ unanswered: requests }: Wire<A>, id: number, topics: ReadonlyArray<string>) => {
    requests.set(id, topics)
    for (const oldest of requests.keys()) {
      if (requests.size <= requestsKept) return
      requests.delete(oldest)
    }
  }

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
        refused(on, requestedBefore, topics, redactor.text(outcome.reason))
        return
      case "Bisected":
        on.unansweredInRow = 0
        refusedSome(on, requestedBefore, topics, redactor.text(outcome.reason))
        return
      case "Postponed":
        on.unansweredInRow = 0
        revoke(on, requestedBefore, topics)
        if (method === "subscribe") recordRefusals(topics, redactor.text(outcome.reason), Option.some(outcome.retry))
        postpone(on, topics, outcome.retry)
        return
      case "Uncertain":
        if (topics.length > 0) record(SessionEvent.Unanswered({ at, topics }))
        for (const topic of topics) on.topics.set(topic, undefined)
        if (method === "subscribe") {
          remember(on, request.id, topics)
          if (on.served.size > 0) unanswered(on, topics)
          else request.isFruitless = true
        } else if (!isForgotten(on, topics)) request.isFruitless = true
        return
      case "StillSubscribed":
        if (!isForgotten(on, topics)) request.isFruitless = true
        return
      case "Lost":
        endWire(on)
        return
      case "Alive":
        return
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Topics that are subscribed

  const setStatus = (topics: ReadonlyArray<string>, status: TopicEntry<A>["status"]) => {
    const at = moment()
    for (const entry of entriesOf(topics)) {
      // Data may come before the acknowledgement.
      if (status === "acknowledged" && entry.status !== "requested") continue
      entry.status = status
      entry.since = at
      entry.tracker.expect(at)
    }
  }

  const subscribed = (on: Wire<A>, topics: ReadonlyArray<string>) => {
    // A gap goes before the data that comes after it.
    if (topics.some((topic) => on.dropped.has(topic))) flush()
    setStatus(topics, "acknowledged")
    record(SessionEvent.Acknowledged({ at: now(), topics }))
    for (const topic of topics) serve(on, topic, acknowledgements === "expected")
  }

  // A request that was sent proves nothing of a topic.
  const serve = (on: Wire<A>, topic: string, isProven: boolean) => {
    on.served.add(topic)
    const entry = desiredTopics.get(topic)
    const dropped = on.dropped.get(topic)
    on.dropped.delete(topic)
    if (entry === undefined) return
    on.topics.set(topic, entry)
    if (isProven) entry.hasLived = true
    entry.unanswered = 0
    if (dropped !== undefined) {
      const cause = new SubscriptionDropped({ topic, reason: dropped.reason })
      const gap = Item.Gap({ epoch: on.epoch, cause, downtime: Duration.millis(moment() - dropped.at), dropped: 0 })
      for (const listener of entry.listeners) {
        // A listener may make another one leave.
        if (entry.listeners.includes(listener)) naming("gap of a listener", () => {
          listener.gap(gap)
        })
      }
    }
    Deferred.unsafeDone(entry.acknowledged, Exit.void)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Topics that are not

  // Data on this connection outranks a refusal such as "already subscribed". Data from before the peer dropped the topic does not.
  const hasData = (on: Wire<A>) => (topic: string) => {
    const entry = desiredTopics.get(topic)
    return entry !== undefined && entry.tracker.observedSince(on.since) && entry.tracker.observed() > entry.observedAtDrop
  }

  const recordRefusals = (topics: ReadonlyArray<string>, reason: string, retry: Option.Option<Duration.Duration>) => {
    const at = now()
    for (const topic of topics) record(SessionEvent.Refused({ at, error: new SubscriptionRefused({ topic, reason }), retry }))
  }

  // The peer refuses each of these topics.
  const refused = (on: Wire<A>, requestedBefore: ReadonlySet<string>, topics: ReadonlyArray<string>, reason: string) => {
    const [without, live] = Arr.partition(topics, hasData(on))
    revoke(on, requestedBefore, without)
    if (live.length > 0) subscribed(on, live)
    for (const [retry, each] of refuseOrRetry(on, without, reason)) recordRefusals(each, reason, Option.some(retry))
  }

  // The peer refuses at least one of these topics. Those that had been live wait first, as a whole: a backend that restarts
  // refuses all of them.
  const refusedSome = (on: Wire<A>, requestedBefore: ReadonlySet<string>, topics: ReadonlyArray<string>, reason: string) => {
    const [without, live] = Arr.partition(topics, hasData(on))
    revoke(on, requestedBefore, without)
    if (live.length > 0) {
      // The refusal may be of these.
      subscribed(on, live)
      if (without.length > 0) on.halves.push(without)
      return
    }
    const [fresh, lived] = Arr.partition(without, hasLived)
    const first = setbacksOf(lived)
    if (lived.length === 0) on.halves.push(...halvesOf(fresh))
    else if (fresh.length > 0) on.halves.push(fresh)
    if (lived.length === 0) return
    if (first >= setbacksAtMost) {
      on.halves.push(...halvesOf(lived))
      return
    }
    const retry = again(on, lived, first === 0 ? [] : halvesOf(lived))
    recordRefusals(lived, reason, Option.some(retry))
    refusedForNow(lived, reason, retry)
  }

  const hasLived = (topic: string) => desiredTopics.get(topic)?.hasLived === true

  const setbacksOf = (topics: ReadonlyArray<string>) => Math.max(0, ...entriesOf(topics).map(({ setbacks }) => setbacks))

  const retryAfter = (setbacks: number) => Duration.min(Duration.times(firstRetry, 2 ** setbacks), longestRetry)

  // Requests topics again after a time that grows with their setbacks, in these groups if there are any.
  const again = (on: Wire<A>, topics: ReadonlyArray<string>, groups: ReadonlyArray<ReadonlyArray<string>> = []) => {
    const retry = retryAfter(setbacksOf(topics))
    for (const entry of entriesOf(topics)) entry.setbacks++
    postpone(on, topics, retry, groups)
    return retry
  }

  const postpone = (
    on: Wire<A>,
    topics: ReadonlyArray<string>,
    retry: Duration.Duration,
    groups: ReadonlyArray<ReadonlyArray<string>> = []
  ) => {
    for (const topic of topics) on.postponed.add(topic)
    const resume = Effect.sync(() => {
      for (const topic of topics) on.postponed.delete(topic)
      on.halves.push(...groups)
      change()
    })
    fork(Effect.raceFirst(Effect.zipRight(sleep(retry), resume), Deferred.await(on.ended)))
  }

  // A backend that restarts may refuse for a while what it accepted before. Ends the other topics. Returns the topics that are
  // requested again, with the time after which they are.
  const refuseOrRetry = (on: Wire<A>, topics: ReadonlyArray<string>, reason: string) => {
    const [final, temporary] = Arr.partition(topics, (topic) => hasLived(topic) && setbacksOf([topic]) < setbacksAtMost)
    for (const topic of final) {
      const error = new SubscriptionRefused({ topic, reason })
      const entry = desiredTopics.get(topic)
      fork(Effect.logWarning(error.message))
      record(SessionEvent.Refused({ at: now(), error, retry: Option.none() }))
      if (entry !== undefined) finish(entry, Exit.fail(error))
    }
    return Object.values(Arr.groupBy(temporary, (topic) => String(setbacksOf([topic])))).map((each) => {
      const retry = again(on, each)
      refusedForNow(each, reason, retry)
      return [retry, each] as const
    })
  }

  const refusedForNow = (topics: ReadonlyArray<string>, reason: string, retry: Duration.Duration) => {
    fork(Effect.logWarning(
      `The peer refuses ${count(topics)} for now: ${withoutFullStop(reason)}. The session asks again in ${formatDuration(retry)}.`
    ))
  }

  // The peer serves other topics, so the fault may be with these: they must not make the others redial.
  const unanswered = (on: Wire<A>, topics: ReadonlyArray<string>) => {
    on.unansweredInRow++
    const entries = entriesOf(topics)
    for (const entry of entries) entry.unanswered++
    const isOver = ({ hasLived, unanswered: times }: TopicEntry<A>) => times >= (hasLived ? unansweredAtMost.lived : unansweredAtMost.fresh)
    if (entries.length > 1 && on.unansweredInRow < unansweredInRowAtMost) {
      on.halves.push(...halvesOf(entries.map(({ topic }) => topic)))
      return
    }
    for (const entry of entries.filter(isOver)) {
      const { topic, unanswered: requests } = entry
      on.served.delete(topic)
      end(entry, new SubscriptionUnanswered({ topic, requests, after: answerTimeout }))
    }
  }

  const end = (entry: TopicEntry<A>, error: SessionError) => {
    fork(Effect.logWarning(error.message))
    finish(entry, Exit.fail(error))
  }

  // A topic that the peer never served on this connection is not worth replacing the connection for, if the peer serves others.
  const isForgotten = (on: Wire<A>, topics: ReadonlyArray<string>) => {
    const never = on.served.size === 0 ? [] : topics.filter((topic) => !on.served.has(topic))
    for (const topic of never) on.topics.delete(topic)
    return never.length > 0 && never.length === topics.length
  }

  // The protocol failed to write a request. One of its topics may be the reason.
  const notWritten = (on: Wire<A>, method: "subscribe" | "unsubscribe", topics: ReadonlyArray<string>, cause: unknown) => {
    const shown = redactor.error(cause)
    const reason = withoutFullStop(reasonOf(shown))
    const tell = (retry: Option.Option<Duration.Duration>) => {
      record(SessionEvent.RequestFailed({ at: now(), method, topics, reason, retry }))
      if (Option.isNone(retry)) return
      fork(Effect.logWarning(
        `The protocol could not write a request to ${method} ${count(topics)}: ${reason}. The session tries again in ${formatDuration(retry.value)}.`
      ))
    }
    if (method === "unsubscribe") {
      const retry = retryAfter(on.unwritten++)
      postpone(on, topics, retry)
      tell(Option.some(retry))
      return
    }
    const [entry, ...others] = entriesOf(topics)
    if (entry === undefined) return
    if (others.length === 0 && !entry.hasLived && entry.setbacks >= setbacksAtMost) {
      tell(Option.none())
      end(entry, new SubscriptionUnavailable({ topic: entry.topic, cause: shown }))
      return
    }
    tell(Option.some(again(on, topics, others.length === 0 ? [] : halvesOf(topics))))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Answers to no request that is under way

  const takeLate = (on: Wire<A>, id: number, answer: Answered) => {
    const asked = on.unanswered.get(id)
    if (asked === undefined) return
    const topics = asked.filter((topic) => answer.topics === undefined || answer.topics.includes(topic))
    if (answer._tag === "Refused") {
      // Where the peer acknowledges, the session asks again, and gets a new answer.
      if (acknowledgements === "none") refuseUnasked(on, topics, answer)
      return
    }
    on.unanswered.delete(id)
    // A later request for them may be under way.
    if (outstanding?.method === "subscribe") take(outstanding, { _tag: "Acknowledged", topics })
    const isLeft = (topic: string) => desiredTopics.has(topic) && on.topics.get(topic) !== desiredTopics.get(topic)
    const left = topics.filter(isLeft)
    if (left.length > 0) subscribed(on, left)
  }

  // Whether an answer that names nothing belongs to a request that data has settled before. Peers answer in order.
  const isOwed = ({ owed }: Wire<A>, { id, topics }: Answered): boolean => {
    if (id !== undefined) {
      const known = owed.findIndex((request) => request.id === id)
      if (known >= 0) owed.splice(known, 1)
      return false
    }
    if (topics !== undefined) return false
    while (isDue(owed[0]?.until ?? Number.POSITIVE_INFINITY, moment())) owed.shift()
    return owed.shift() !== undefined
  }

  const refuseUnasked = (on: Wire<A>, named: ReadonlyArray<string>, answer: Extract<Answered, { readonly _tag: "Refused" }>) => {
    const topics = named.filter((topic) => on.topics.has(topic) && desiredTopics.has(topic))
    if (topics.length === 0) return
    const { reason: said, retry: given } = answer
    const reason = redactor.text(said)
    const retry = retryOf(given)
    if (retry === undefined) {
      refused(on, new Set(), topics, reason)
      return
    }
    revoke(on, new Set(), topics)
    recordRefusals(topics, reason, Option.some(retry))
    postpone(on, topics, retry)
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
      if (wire === undefined || isOwed(wire, answer)) return
      if (answer.id !== undefined && answer.id !== outstanding?.id) {
        takeLate(wire, answer.id, answer)
        return
      }
      if ((outstanding !== undefined && take(outstanding, answer)) || answer._tag !== "Refused") return
      if (answer.topics !== undefined) {
        refuseUnasked(wire, answer.topics, answer)
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
      refuseOrRetry(on, [topic], reason)
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
