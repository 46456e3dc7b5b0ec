// What is wanted and what is on the wire, and the requests that bring the second to the first.
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { InboxOverflow, NotConnected } from "../ConnectionError.ts"
import type { ConnectionState } from "../ConnectionState.ts"
import * as Frame from "../Frame.ts"
import type * as Session from "../Session.ts"
import { SessionEvent, SubscriptionRefused } from "../Session.ts"
import type { Message } from "../Transport.ts"
import * as Broadcast from "./broadcast.ts"
import * as Hearing from "./hearing.ts"
import { merge } from "./reading.ts"
import * as RollingWindow from "./rollingWindow.ts"
import { defaultMessageTimeout } from "./settings.ts"
import * as Silence from "./silence.ts"
import type { Supervised } from "./supervisor.ts"
import type { Entry } from "./wanted.ts"
import * as Wanted from "./wanted.ts"

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

const eventsHeld = 4_096

// Connected, or on the way to it.
const isUp = ({ _tag }: ConnectionState) => _tag !== "Disconnected" && _tag !== "Failed" && _tag !== "Closed"

const fruitlessAtMost = 3

export const manage = Effect.fnUntraced(function*<A, N>(
  { connection, entries }: Supervised,
  options: Session.Options<A, N>
) {
  const { protocol } = options
  const clock = yield* Effect.clock
  const now = () => clock.unsafeCurrentTimeMillis()
  const answerTimeout = Duration.decode(options.answerTimeout ?? "5 seconds")
  const fiberId = yield* Effect.fiberId

  let wire: Wire<A> | undefined
  // The latest connection whose wire is over.
  let spent = 0
  let outstanding: { readonly id: number; readonly answer: Deferred.Deferred<Answer> } | undefined
  let nextId = 1
  // Requests in a row that left what is on the wire in doubt.
  let fruitless = 0
  let ended: Exit.Exit<void, Session.SessionError> | undefined
  // It has ended by a defect of what hears, and its connection not yet.
  let isBroken = false
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

  const registry = Wanted.make<A>({
    cadence: protocol.cadence,
    now,
    fiberId,
    onChange: () => {
      dirty.unsafeOpen()
    }
  })
  const { finish, release, topics: wanted, want } = registry

  // Who hears that it connects again may be sooner than what reads.
  const over = Effect.map(connection.state, (state) => isBroken || !isUp(state) ? ended : undefined)

  const notConnected = Effect.flatMap(connection.state, ({ _tag }) => new NotConnected({ state: _tag }))

  const listen: Session.Session<A>["listen"] = (topic, listener) =>
    Effect.acquireRelease(
      Effect.map(over, (ended) => {
        if (ended !== undefined) {
          listener.end(ended)
          return undefined
        }
        const entry = want(topic)
        entry.listeners = [...entry.listeners, listener]
        return entry
      }),
      (entry) =>
        Effect.sync(() => {
          if (entry === undefined) return
          entry.listeners = entry.listeners.filter((other) => other !== listener)
          release(entry)
        })
    ).pipe(Effect.asVoid)

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

  // -------------------------------------------------------------------------------------------------------------------
  // What arrives

  const hearing = Hearing.make<A, N>({
    protocol,
    topics: wanted,
    now,
    record,
    onAnswer: (incoming) => {
      if (outstanding === undefined || (incoming.id ?? outstanding.id) !== outstanding.id) return
      const answer: Answer = incoming._tag === "Acknowledged" ? { _tag: "Acknowledged" } : { _tag: "Refused", reason: incoming.reason }
      Deferred.unsafeDone(outstanding.answer, Exit.succeed(answer))
    },
    onNotice: options.onNotice,
    onGap: (gap) => {
      // Another connection's, and not only what was dropped of this one.
      if (wire !== undefined && gap.epoch > wire.epoch) endWire(wire)
      // What they do with it may be to leave, and to come again: that begins after it.
      const hearing = [...wanted.values()].map((entry) => ({ entry, listeners: entry.listeners }))
      for (const { entry, listeners } of hearing) {
        for (const listener of listeners) {
          if (entry.listeners.includes(listener)) listener.gap(gap)
        }
      }
    }
  })

  const stop = (exit: Exit.Exit<void, Session.SessionError>) => {
    ended = exit
    if (wire !== undefined) endWire(wire)
    for (const entry of [...wanted.values()]) finish(entry, exit)
  }

  // Disconnected by hand, or given up: it may be told to connect again, and is listened to again then.
  const read = Effect.gen(function*() {
    for (;;) {
      const exit = yield* Effect.exit(entries.listen(hearing.receive))
      isBroken = Exit.isFailure(exit) && Cause.isDie(exit.cause) && isUp(yield* connection.state)
      stop(exit)
      // A connection ends its own defects. One of what hears it is a bug in the protocol: nothing hears it any more, and it
      // must not look like a quiet market.
      if (Exit.isFailure(exit) && isBroken) {
        yield* Effect.logError("The session ended by a defect.", exit.cause)
        yield* connection.disconnect
        isBroken = false
      }
      const resumed = yield* connection.changes.pipe(
        Stream.filter(isUp),
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
  const isQuiet = () => now() - Math.max(hearing.last(), wire?.since ?? 0) >= quietAfter
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

  const nextRequest = ({ halves, topics }: Wire<A>): Request | undefined => {
    const isMissing = (topic: string) => wanted.has(topic) && topics.get(topic) !== wanted.get(topic)
    const half = halves.shift()?.filter(isMissing)
    if (half !== undefined && half.length > 0) return request("subscribe", half)
    const superfluous = [...topics.keys()].filter((topic) => !wanted.has(topic))
    if (superfluous.length > 0) return request("unsubscribe", superfluous.slice(0, protocol.maxBatch))
    const missing = [...wanted.keys()].filter(isMissing)
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

  const checkSilence = Silence.check<A>({
    ...options,
    cadence: protocol.cadence,
    wanted: registry,
    now,
    record,
    isAsked: (topic) => wire?.topics.get(topic) !== undefined,
    askAgain: (topic) => {
      wire?.topics.set(topic, undefined)
    },
    onChange: () => {
      dirty.unsafeOpen()
    },
    scope: yield* Effect.scope
  })
  const look = Effect.suspend(() => {
    if (isQuiet()) dirty.unsafeOpen()
    return checkSilence
  })

  yield* Effect.forkScoped(Effect.interruptible(Effect.all([
    read,
    watch,
    follow,
    Effect.repeat(look, Schedule.spaced("1 second"))
  ], { concurrency: "unbounded", discard: true })))
  yield* Effect.addFinalizer(() => Effect.sync(() => {
    stop(Exit.void)
    events.end(Exit.void)
  }))

  const session: Session.Session<A> = {
    connection,
    listen,
    stream: (topic, { capacity = 4_096 } = {}) =>
      merge(Effect.gen(function*() {
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
        return [buffer]
      }), identity),
    subscribe: (topic) =>
      Effect.flatMap(over, (ended) => {
        if (ended !== undefined) return Exit.isSuccess(ended) ? notConnected : ended
        const entry = want(topic)
        entry.held++
        return Effect.onInterrupt(Deferred.await(entry.acknowledged), () =>
          Effect.sync(() => {
            entry.held--
            release(entry)
          }))
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
        listeners: listeners.length + held,
        lastData: pulse.last()
      }))
    ),
    events: events.stream
  }
  return session
})
