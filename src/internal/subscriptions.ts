// What is wanted and what is on the wire, and the requests that bring the second to the first.
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { InboxOverflow } from "../ConnectionError.ts"
import * as Frame from "../Frame.ts"
import type * as Session from "../Session.ts"
import { SessionEvent, SubscriptionRefused, SubscriptionStale } from "../Session.ts"
import type { Message } from "../Transport.ts"
import * as Broadcast from "./broadcast.ts"
import * as Freshness from "./freshness.ts"
import * as Inbox from "./inbox.ts"
import * as RollingWindow from "./rollingWindow.ts"
import { defaultMessageTimeout } from "./settings.ts"
import type { Supervised } from "./supervisor.ts"

// A topic that somebody wants.
interface Entry<A> {
  readonly topic: string
  readonly listeners: Set<Session.Listener<A>>
  /** How many wanted it with `subscribe`. */
  held: number
  status: Session.Subscription["status"]
  since: number
  readonly pulse: Freshness.Pulse
  /** What came in this turn, and listeners have not heard yet. */
  unheard: ReadonlyArray<A>
  /** Completed when it is acknowledged, or will never be. */
  readonly acknowledged: Deferred.Deferred<void, Session.SessionError>
}

// What ends with a connection: what was asked for on it, and how fast it may be asked.
interface Wire {
  readonly epoch: number
  readonly since: number
  /** Asked for, and not taken back. */
  readonly topics: Set<string>
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

const eventsHeld = 4_096
const fruitlessAtMost = 3

export const manage = Effect.fnUntraced(function*<A, N>(
  { connection, handOver }: Supervised,
  options: Session.Options<A, N>
) {
  const { protocol } = options
  const clock = yield* Effect.clock
  const now = () => clock.unsafeCurrentTimeMillis()
  const answerTimeout = Duration.decode(options.answerTimeout ?? "5 seconds")
  const fiberId = yield* Effect.fiberId

  const wanted = new Map<string, Entry<A>>()
  let wire: Wire | undefined
  // The latest connection whose wire is over.
  let spent = 0
  let outstanding: { readonly id: number; readonly answer: Deferred.Deferred<Answer> } | undefined
  let nextId = 1
  // Requests in a row that left what is on the wire in doubt.
  let fruitless = 0
  let lastHeard = now()
  let ended: Exit.Exit<void, Session.SessionError> | undefined
  const dirty = Effect.unsafeMakeLatch(false)

  const events = Broadcast.make<Session.SessionEvent>({
    capacity: eventsHeld,
    overflow: "sliding",
    fold: (marker, lost) =>
      SessionEvent.EventsDropped({
        at: now(),
        count: lost.length + (marker?._tag === "EventsDropped" ? marker.count : 0)
      })
  })
  const record = (event: Session.SessionEvent) => {
    events.unsafeOfferAll([event])
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What is wanted

  const want = (topic: string): Entry<A> => {
    const known = wanted.get(topic)
    if (known !== undefined) return known
    const entry: Entry<A> = {
      topic,
      listeners: new Set(),
      held: 0,
      status: "requested",
      since: now(),
      pulse: Freshness.make(protocol.cadence(topic)),
      unheard: [],
      acknowledged: Deferred.unsafeMake(fiberId)
    }
    wanted.set(topic, entry)
    dirty.unsafeOpen()
    return entry
  }

  const release = (entry: Entry<A>) => {
    if (entry.listeners.size > 0 || entry.held > 0 || wanted.get(entry.topic) !== entry) return
    wanted.delete(entry.topic)
    Deferred.unsafeDone(entry.acknowledged, Exit.void)
    dirty.unsafeOpen()
  }

  const finish = (entry: Entry<A>, exit: Exit.Exit<void, Session.SessionError>) => {
    wanted.delete(entry.topic)
    Deferred.unsafeDone(entry.acknowledged, exit)
    for (const listener of entry.listeners) listener.end(exit)
    dirty.unsafeOpen()
  }

  const listen: Session.Session<A>["listen"] = (topic, listener) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        if (ended !== undefined) {
          listener.end(ended)
          return undefined
        }
        const entry = want(topic)
        entry.listeners.add(listener)
        return entry
      }),
      (entry) =>
        Effect.sync(() => {
          entry?.listeners.delete(listener)
          if (entry !== undefined) release(entry)
        })
    ).pipe(Effect.asVoid)

  const beginWire = (epoch: number) => {
    if (wire !== undefined) endWire(wire)
    wire = {
      epoch,
      since: now(),
      topics: new Set(),
      halves: [],
      pace: RollingWindow.make(protocol.pace.limit, protocol.pace.window),
      over: Deferred.unsafeMake(fiberId)
    }
    for (const entry of wanted.values()) {
      entry.status = "requested"
      entry.since = now()
    }
  }

  const endWire = (ending: Wire) => {
    spent = Math.max(spent, ending.epoch)
    Deferred.unsafeDone(ending.over, Exit.void)
    if (wire === ending) wire = undefined
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What arrives

  // What came at once for a topic is heard at once. Between two gaps, the order of different topics says nothing.
  let fresh: Array<Entry<A>> = []
  const hear = (at: number) => {
    const entries = fresh
    fresh = []
    for (const entry of entries) {
      const batch = entry.unheard
      entry.unheard = []
      if (entry.status !== "live") {
        entry.status = "live"
        entry.since = at
        record(SessionEvent.Live({ at, topic: entry.topic }))
      }
      entry.pulse.beat(at)
      for (const listener of entry.listeners) listener.data(batch)
    }
  }

  const keep = (topic: string, data: ReadonlyArray<A>) => {
    const entry = wanted.get(topic)
    if (entry === undefined) return
    if (entry.unheard.length === 0) {
      fresh.push(entry)
      entry.unheard = data
    } else {
      entry.unheard = entry.unheard.concat(data)
    }
  }

  const settle = (answer: Answer) => {
    if (outstanding !== undefined) Deferred.unsafeDone(outstanding.answer, Exit.succeed(answer))
  }

  const take = (incoming: Session.Incoming<A, N>) => {
    switch (incoming._tag) {
      case "Data":
        keep(incoming.topic, [incoming.data])
        return
      case "Acknowledged":
        if (incoming.id === outstanding?.id) settle({ _tag: "Acknowledged" })
        return
      case "Refused":
        if (incoming.id === undefined || incoming.id === outstanding?.id) {
          settle({ _tag: "Refused", reason: incoming.reason })
        }
        return
      case "Notice":
        options.onNotice?.(incoming.notice)
        return
      case "Invalid":
        record(SessionEvent.Invalid({ at: now(), reason: incoming.reason, excerpt: incoming.excerpt }))
    }
  }

  const understand = (messages: ReadonlyArray<Message>, at: number) => {
    if (protocol.parseAll !== undefined) protocol.parseAll(messages, take, keep)
    else for (const message of messages) take(protocol.parse(message))
    hear(at)
  }

  const receive = (entries: ReadonlyArray<Inbox.Entry>) => {
    const at = now()
    lastHeard = at
    // Gaps are rare: nearly always there is one batch.
    if (entries.every(Inbox.isMessage)) {
      understand(entries, at)
      return
    }
    let messages: Array<Message> = []
    for (const item of entries) {
      if (Inbox.isMessage(item)) {
        messages.push(item)
        continue
      }
      understand(messages, at)
      messages = []
      // Another connection's, and not only what was dropped of this one.
      if (wire !== undefined && item.epoch > wire.epoch) endWire(wire)
      for (const entry of wanted.values()) {
        for (const listener of entry.listeners) listener.gap(item)
      }
    }
    understand(messages, at)
  }

  const stop = (exit: Exit.Exit<void, Session.SessionError>) => {
    ended = exit
    if (wire !== undefined) endWire(wire)
    for (const entry of [...wanted.values()]) finish(entry, exit)
  }

  // Disconnected by hand, or given up: it may be told to connect again, and is listened to again then.
  const read = Effect.gen(function*() {
    for (;;) {
      stop(yield* Effect.exit(handOver(receive)))
      const resumed = yield* connection.changes.pipe(
        Stream.filter(({ _tag }) => _tag !== "Disconnected" && _tag !== "Failed" && _tag !== "Closed"),
        Stream.runHead
      )
      if (Option.isNone(resumed)) return
      ended = undefined
    }
  })

  // -------------------------------------------------------------------------------------------------------------------
  // From what is wanted to what is on the wire

  // The connection is dropped for silence that lasts twice as long.
  const quietAfter = Duration.toMillis(options.connection.messageTimeout ?? defaultMessageTimeout) / 2
  const isQuiet = () => now() - Math.max(lastHeard, wire?.since ?? 0) >= quietAfter
  // A peer that answers and yet leaves out what is due is no good: then its silence is to end the connection.
  const isOverdue = () => {
    const at = now()
    return [...wanted.values()].some(({ pulse }) => pulse.isStale(at))
  }

  const request = (method: "subscribe" | "unsubscribe", topics: ReadonlyArray<string>): Request => ({
    method,
    topics,
    write: (id) => protocol[method](topics, id)
  })

  const nextRequest = ({ halves, topics }: Wire): Request | undefined => {
    const half = halves.shift()?.filter((topic) => wanted.has(topic) && !topics.has(topic))
    if (half !== undefined && half.length > 0) return request("subscribe", half)
    const superfluous = [...topics].filter((topic) => !wanted.has(topic))
    if (superfluous.length > 0) return request("unsubscribe", superfluous.slice(0, protocol.maxBatch))
    const missing = [...wanted.keys()].filter((topic) => !topics.has(topic))
    if (missing.length > 0) return request("subscribe", missing.slice(0, protocol.maxBatch))
    return protocol.probe !== undefined && isQuiet() && !isOverdue() ? { method: "probe", topics: [], write: protocol.probe } : undefined
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

  const perform = Effect.fnUntraced(function*(on: Wire, { method, topics, write }: Request) {
    yield* Effect.raceFirst(on.pace.take(1), Deferred.await(on.over))
    if (wire !== on) return
    const id = nextId++
    const answer = yield* Deferred.make<Answer>()
    outstanding = { id, answer }
    if (method === "subscribe") {
      for (const topic of topics) on.topics.add(topic)
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
          if (entry !== undefined) Deferred.unsafeDone(entry.acknowledged, Exit.void)
        }
        return
      case "Refused": {
        // What is not released is still there, and is taken back again.
        if (method !== "subscribe") return
        for (const topic of topics) on.topics.delete(topic)
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
        // What was not taken back for certain is still there, and is taken back again.
        if (method === "subscribe") for (const topic of topics) on.topics.delete(topic)
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

  // What is asked for in one turn goes out together.
  const follow = Effect.forever(
    dirty.await.pipe(
      Effect.zipRight(Effect.yieldNow()),
      Effect.zipRight(Effect.sync(() => {
        dirty.unsafeClose()
      })),
      Effect.zipRight(reconcile)
    )
  )

  // By the state as it is, since what is told of may be long past.
  const watch = Stream.runForEach(connection.changes, () =>
    Effect.map(connection.state, (state) => {
      if (wire !== undefined && (state._tag !== "Connected" || state.epoch !== wire.epoch)) endWire(wire)
      if (state._tag === "Connected") dirty.unsafeOpen()
    }))

  // -------------------------------------------------------------------------------------------------------------------
  // What has fallen silent

  const remedies = { 1: "resubscribe", 2: "relocate" } as const

  const complain = (entry: Entry<A>, silentFor: Duration.Duration, remedy: "resubscribe" | "relocate" | "fail") => {
    const at = now()
    entry.status = "stale"
    entry.since = at
    record(SessionEvent.Stale({ at, topic: entry.topic, silentFor, remedy }))
    if (remedy === "fail") finish(entry, Exit.fail(new SubscriptionStale({ topic: entry.topic, silentFor })))
    // Subscribing to what may be subscribed loses nothing; unsubscribing first could.
    else if (remedy === "resubscribe") wire?.topics.delete(entry.topic)
    dirty.unsafeOpen()
    return Effect.logWarning(`${entry.topic} is silent while others have data.`).pipe(
      Effect.annotateLogs({ silentFor: Duration.format(silentFor), remedy })
    )
  }

  // A topic that never spoke may not exist: an acknowledgement proves nothing. Or its market is a quiet one.
  const failUnlessKnown = (entry: Entry<A>, silentFor: Duration.Duration, isKnown: Effect.Effect<boolean>) =>
    Effect.flatMap(isKnown, (known) =>
      known || wanted.get(entry.topic) !== entry || Option.isSome(entry.pulse.last())
        ? Effect.void
        : complain(entry, silentFor, "fail"))

  const othersFlow = (entry: Entry<A>, since: number) =>
    [...wanted.values()].some((other) => other !== entry && other.pulse.beatSince(since))
      ? Effect.succeed(true)
      : options.othersFlow?.(since) ?? Effect.succeed(false)

  const scope = yield* Effect.scope

  const checkFreshness = Effect.gen(function*() {
    const at = now()
    if (isQuiet()) dirty.unsafeOpen()
    for (const entry of [...wanted.values()]) {
      if (wire?.topics.has(entry.topic) !== true || entry.status === "requested" || !entry.pulse.isStale(at)) continue
      // When all are silent, it is the connection's own deadlines that judge it.
      if (!(yield* othersFlow(entry, at - flowing))) continue
      const silentFor = Duration.millis(entry.pulse.silentFor(at))
      const neverSpoke = Option.isNone(entry.pulse.last())
      const isKnown = neverSpoke ? options.isKnown?.(entry.topic) : undefined
      if (isKnown !== undefined) yield* Effect.forkIn(failUnlessKnown(entry, silentFor, isKnown), scope)
      let step = entry.pulse.complain(at)
      if (step === 2 && options.relocate?.(entry.topic) !== true) step = 3
      if (step === 1 || step === 2) yield* complain(entry, silentFor, remedies[step])
      else if (neverSpoke && protocol.cadence(entry.topic) === "adaptive") entry.pulse.excuse()
      else yield* complain(entry, silentFor, "fail")
    }
  })

  yield* Effect.forkScoped(Effect.interruptible(Effect.all([
    read,
    watch,
    follow,
    Effect.repeat(checkFreshness, Schedule.spaced("1 second"))
  ], { concurrency: "unbounded", discard: true })))
  yield* Effect.addFinalizer(() => Effect.sync(() => {
    stop(Exit.void)
    events.end(Exit.void)
  }))

  const session: Session.Session<A> = {
    connection,
    listen,
    stream: (topic, { capacity = 4_096 } = {}) =>
      Stream.unwrapScoped(Effect.gen(function*() {
        const cause = new InboxOverflow({ capacity })
        const asGap = (item: Session.Item<A>): Frame.Gap =>
          item._tag === "Gap" ? item : Frame.Gap({ epoch: wire?.epoch ?? spent, cause, downtime: Duration.zero, dropped: 1 })
        const buffer = Broadcast.make<Session.Item<A>, Session.SessionError>({
          capacity,
          overflow: "sliding",
          fold: (marker, lost) => (marker === undefined ? lost : [marker, ...lost]).map(asGap).reduce(Frame.mergeGaps)
        })
        yield* listen(topic, {
          data: (batch) => {
            buffer.unsafeOfferAll(batch.map((data) => ({ _tag: "Data", data })))
          },
          gap: (gap) => {
            buffer.unsafeOfferAll([gap])
          },
          end: (exit) => {
            buffer.end(exit)
          }
        })
        return buffer.stream
      })),
    subscribe: (topic) =>
      Effect.suspend(() => {
        if (ended !== undefined) return ended
        const entry = want(topic)
        entry.held++
        return Deferred.await(entry.acknowledged)
      }),
    unsubscribe: (topic) =>
      Effect.sync(() => {
        const entry = wanted.get(topic)
        if (entry === undefined || entry.held === 0) return
        entry.held--
        release(entry)
      }),
    subscriptions: Effect.sync(() =>
      [...wanted.values()].map(({ held, listeners, pulse, since, status, topic }) => ({
        topic,
        status,
        since,
        listeners: listeners.size + held,
        lastData: pulse.last()
      }))
    ),
    events: events.stream
  }
  return session
})

// How recent the data of others must be for a silent topic to be an exception.
const flowing = 5_000
