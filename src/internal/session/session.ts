// Assembles a session: the desired topics (desired), the requests that subscribe them (reconciler), the delivery of their
// data (dispatcher), and the remedies for topics without data (idle).
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { ConnectionTimeout } from "../../ConnectionError.ts"
import type { ConnectionState } from "../../ConnectionState.ts"
import type * as Session from "../../Session.ts"
import type { SessionError } from "../../SessionError.ts"
import type * as SessionEvent from "../../SessionEvent.ts"
import type { Handle } from "../connection/handle.ts"
import * as Machine from "../connection/stateMachine.ts"
import { monotonicMillis } from "../time/monotonic.ts"
import * as EventStream from "../stream/eventStream.ts"
import { naming } from "./defect.ts"
import * as Desired from "./desired.ts"
import * as Dispatcher from "./dispatcher.ts"
import * as Heartbeat from "./heartbeat.ts"
import * as Reconciler from "./reconciler.ts"
import * as Idle from "./idle.ts"
import type { Settings } from "./settings.ts"
import * as TopicStream from "./topicStream.ts"

const eventsHeld = 4_096

// The phases of a session.
//
// - Ended: its connection has ended. When the user connects it again, the session runs again.
// - Broken: the protocol or a listener threw. The session has ended, and its connection is about to end.
type Phase =
  | { readonly _tag: "Running" }
  | { readonly _tag: "Ended" | "Broken"; readonly exit: Exit.Exit<void, SessionError> }

// Whether a connection is open or will be.
const isUp = ({ _tag }: ConnectionState) => _tag !== "Disconnected" && _tag !== "Failed" && _tag !== "Closed"

/** A session as the pool uses it. */
export interface ManagedSession<A> extends Session.Session<A> {
  /** Subscribes to a topic again, if it has subscribers: some peers then send what they send first. */
  readonly requestAgain: (topic: string) => void
}

export const defaultAnswerTimeout = Duration.seconds(5)

export const manage = Effect.fnUntraced(function*<A, N>(
  handle: Handle,
  options: Omit<Session.Options<A, N>, "activity"> & {
    readonly answerTimeout: Duration.Duration
    /** The checked settings of the protocol. */
    readonly settings: Settings
    readonly activity: Idle.Ask | undefined
  }
) {
  const { bareItems, connection, messageTimeout, redactor } = handle
  const { answerTimeout, protocol, settings } = options
  const clock = yield* Effect.clock
  const now = () => clock.unsafeCurrentTimeMillis()
  const moment = () => monotonicMillis(clock)
  // The present wall time of a moment in monotonic time.
  const shown = (at: number) => Math.round(now() - (moment() - at))
  const fiberId = yield* Effect.fiberId

  const scope = yield* Effect.scope
  const runFork = Runtime.runFork(yield* Effect.runtime())
  const fork = (effect: Effect.Effect<void>) => {
    // The session may be made where nothing may be interrupted, as in a layer.
    runFork(Effect.interruptible(effect), { scope })
  }
  const cadence: typeof protocol.cadence = (topic) => naming("cadence of the protocol", () => protocol.cadence(topic))

  let phase: Phase = { _tag: "Running" }

  const events = EventStream.make<SessionEvent.SessionEvent>({ capacity: eventsHeld, at: now })
  const record = (event: SessionEvent.SessionEvent) => {
    events.unsafeOfferAll([event])
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The desired topics

  const desired = Desired.make<A>({
    cadence,
    moment,
    fiberId,
    onChange: () => {
      reconciler.change()
    },
    onThrown: (error) => {
      // Outside of the scope, which may be closing.
      runFork(Effect.logError("The function end of a listener threw.", Cause.die(redactor.error(error))))
    }
  })
  const { finish, release, topics: desiredTopics, add } = desired

  // The exit of the session, if it has ended. Checks the state too, since a listener of the connection's changes may run
  // before the phase is "Running" again.
  const ended = Effect.map(connection.state, (state) =>
    phase._tag === "Broken" || (phase._tag === "Ended" && !isUp(state)) ? phase.exit : undefined)

  const notConnected = Effect.flatMap(connection.state, Machine.notConnected)

  const listen: Session.Session<A>["listen"] = (topic, listener) =>
    Effect.acquireRelease(
      Effect.map(ended, (exit) => {
        if (exit !== undefined) {
          listener.end(exit)
          return undefined
        }
        const entry = add(topic)
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

  // -------------------------------------------------------------------------------------------------------------------
  // The messages of the connection

  const heartbeat = protocol.heartbeat === undefined || settings.heartbeat === undefined
    ? undefined
    : Heartbeat.make({ handle, redactor, heartbeat: protocol.heartbeat, durations: settings.heartbeat })

  const dispatcher = Dispatcher.make<A, N>({
    redactor,
    protocol,
    topics: desiredTopics,
    now,
    moment,
    record,
    onAnswer: (answer) => {
      reconciler.answer(answer)
    },
    onDropped: (topic, reason) => {
      reconciler.dropped(topic, reason)
    },
    onLive: (topic) => {
      reconciler.hasData(topic)
    },
    onNotice: options.onNotice,
    isAnswer: heartbeat === undefined ? undefined : protocol.heartbeat?.isAnswer,
    onHeartbeat: () => heartbeat?.answered(),
    onGap: (gap) => {
      // A gap may begin a new connection.
      reconciler.leave(gap.epoch)
      // A copy: during this loop a listener may leave and come back, and a new listener has no gap here.
      const before = [...desiredTopics.values()].map((entry) => ({ entry, listeners: entry.listeners }))
      for (const { entry, listeners } of before) {
        for (const listener of listeners) {
          if (entry.listeners.includes(listener)) naming("gap of a listener", () => {
            listener.gap(gap)
          })
        }
      }
    }
  })

  const stop = (next: Exclude<Phase, { readonly _tag: "Running" }>, state?: "Disconnected" | "Closed") => {
    phase = next
    reconciler.leave(Number.POSITIVE_INFINITY)
    for (const entry of [...desiredTopics.values()]) finish(entry, next.exit, state)
  }

  // Waits until the user connects again, after a disconnect or a failure. False when the connection's scope has closed.
  const resumed = Effect.map(Stream.runHead(Stream.filter(connection.changes, isUp)), (up) => {
    if (Option.isSome(up)) phase = { _tag: "Running" }
    return Option.isSome(up)
  })

  const read = Effect.gen(function*() {
    do {
      const exit = yield* Effect.exit(bareItems.listen(dispatcher.receive))
      // The connection is still up, so the defect is not its own: the dispatcher threw.
      if (Exit.isFailure(exit) && Cause.isDie(exit.cause) && isUp(yield* connection.state)) {
        return yield* Effect.die(Cause.squash(exit.cause))
      }
      stop({ _tag: "Ended", exit })
    } while (yield* resumed)
  })

  // -------------------------------------------------------------------------------------------------------------------
  // The requests

  // Half of the time after which the connection drops a silent peer.
  const quietAfter = Duration.toMillis(messageTimeout) / 2
  const isQuiet = () => moment() - Math.max(dispatcher.last(), reconciler.since() ?? 0) >= quietAfter
  // Sends no probe while data is late: a peer may answer probes but send no data. Then `messageTimeout` must end the
  // connection. Where activity can be asked for, only activity without data counts.
  const isDataLate = () => {
    const at = moment()
    return [...desiredTopics.values()].some(({ status, tracker }) =>
      status === "stale" || (!tracker.hasActivity() && options.activity === undefined && tracker.isLate(at))
    )
  }

  // Answers to heartbeats are messages: to the connection, a peer that sends nothing else is not silent.
  const isMuted = () => {
    const since = reconciler.since()
    return heartbeat !== undefined && since !== undefined && isDataLate() &&
      handle.vitals()?.activity.suspendedAt === undefined &&
      moment() - Math.max(dispatcher.last(), since) >= Duration.toMillis(messageTimeout)
  }

  const reconciler: Reconciler.Reconciler = Reconciler.make({
    redactor,
    connection,
    handle,
    protocol,
    answerTimeout,
    desired,
    now,
    moment,
    record,
    fiberId,
    fork,
    flush: dispatcher.flush,
    onWire: ({ ended: left, epoch, pace }) => {
      if (heartbeat !== undefined) fork(heartbeat.run({ ended: left, epoch, pace }))
    },
    settings,
    isProbeDue: () => isQuiet() && !isDataLate()
  })

  // Reads the present state at each change: the stream of changes may lag behind.
  const watch = Stream.runForEach(connection.changes, () =>
    Effect.map(connection.state, (state) => {
      reconciler.leave(state._tag === "Connected" ? state.epoch : Number.POSITIVE_INFINITY)
      if (state._tag === "Connected") reconciler.change()
    }))

  // -------------------------------------------------------------------------------------------------------------------
  // Idle topics

  const checkIdle = Idle.make<A>({
    ...options,
    desired,
    now,
    moment,
    record,
    isRequested: reconciler.isRequested,
    requestAgain: reconciler.requestAgain,
    onChange: reconciler.change,
    hasReadSince: (at) => {
      const activity = handle.vitals()?.activity
      return activity !== undefined && activity.suspendedAt === undefined && activity.resumedAt <= at
    },
    scope
  })
  const checkTopics = Effect.suspend(() => {
    if (isQuiet()) reconciler.change()
    if (isMuted()) handle.fail(new ConnectionTimeout({ deadline: "message", after: messageTimeout }))
    return checkIdle
  })

  const live: Effect.Effect<void> = Effect.all([
    read,
    watch,
    reconciler.run,
    Effect.repeat(checkTopics, Schedule.spaced("1 second"))
  ], {
    concurrency: "unbounded",
    discard: true
  }).pipe(
    // A session that has stopped working must fail its subscribers, and not look like a silent peer.
    Effect.catchAllDefect((thrown) =>
      Effect.gen(function*() {
        const defect = redactor.error(thrown)
        const exit = Exit.die(defect)
        stop({ _tag: "Broken", exit })
        yield* Effect.logError("The session ended, because a function that was given to it threw.", Cause.die(defect))
        yield* connection.disconnect
        if (phase._tag === "Broken") phase = { _tag: "Ended", exit }
        if (yield* resumed) yield* live
      })
    )
  )
  yield* Effect.forkScoped(Effect.interruptible(live))
  yield* Effect.addFinalizer(() => Effect.sync(() => {
    stop({ _tag: "Ended", exit: Exit.void }, "Closed")
    events.end(Exit.void)
  }))

  const session: ManagedSession<A> = {
    connection,
    requestAgain: (topic) => {
      if (desiredTopics.has(topic)) reconciler.requestAgain(topic)
      reconciler.change()
    },
    listen,
    stream: TopicStream.make(listen, reconciler.epoch),
    subscribe: (topic) =>
      Effect.flatMap(ended, (exit) => {
        if (exit !== undefined) return Exit.isSuccess(exit) ? notConnected : exit
        return Effect.uninterruptibleMask((restore) => {
          const entry = add(topic)
          entry.held++
          return Effect.onInterrupt(restore(Deferred.await(entry.acknowledged)), () =>
            Effect.sync(() => {
              entry.held--
              release(entry)
            }))
        })
      }),
    unsubscribe: (topic) =>
      Effect.sync(() => {
        const entry = desiredTopics.get(topic)
        if (entry === undefined || entry.held === 0) return
        entry.held--
        release(entry)
      }),
    subscriptions: Effect.sync(() =>
      [...desiredTopics.values()].map(({ held, listeners, tracker, since, status, topic }) => ({
        topic,
        status,
        since: shown(since),
        listeners: listeners.length + held,
        lastData: Option.map(tracker.last(), shown)
      }))
    ),
    events: events.stream
  }
  return session
})
