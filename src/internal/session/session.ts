// A session, put together: the topics that are wanted (desired), the requests that bring them onto the wire (reconciler),
// who hears what comes (dispatcher), and what is done about silence (staleness).
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { NotConnected } from "../../ConnectionError.ts"
import type { ConnectionState } from "../../ConnectionState.ts"
import type * as Session from "../../Session.ts"
import type { SessionError } from "../../SessionError.ts"
import type * as SessionEvent from "../../SessionEvent.ts"
import { defaultMessageTimeout } from "../connection/settings.ts"
import type { Handle } from "../connection/handle.ts"
import * as EventStream from "../stream/eventStream.ts"
import * as Desired from "./desired.ts"
import * as Dispatcher from "./dispatcher.ts"
import * as Reconciler from "./reconciler.ts"
import * as Staleness from "./staleness.ts"
import * as TopicStream from "./topicStream.ts"

const eventsHeld = 4_096

// How a session is. Ended with its connection, it goes on when that is told to connect again. Broken by a defect of the
// protocol or of what hears, it has ended, and its connection not yet.
type Phase =
  | { readonly _tag: "Running" }
  | { readonly _tag: "Ended" | "Broken"; readonly exit: Exit.Exit<void, SessionError> }

// Connected, or on the way to it.
const isUp = ({ _tag }: ConnectionState) => _tag !== "Disconnected" && _tag !== "Failed" && _tag !== "Closed"

export const manage = Effect.fnUntraced(function*<A, N>(
  { connection, bareItems }: Handle,
  options: Session.Options<A, N>
) {
  const { protocol } = options
  const clock = yield* Effect.clock
  const now = () => clock.unsafeCurrentTimeMillis()
  const fiberId = yield* Effect.fiberId

  let phase: Phase = { _tag: "Running" }

  const events = EventStream.make<SessionEvent.SessionEvent>({ capacity: eventsHeld, at: now })
  const record = (event: SessionEvent.SessionEvent) => {
    events.unsafeOfferAll([event])
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What is wanted

  const desired = Desired.make<A>({
    cadence: protocol.cadence,
    now,
    fiberId,
    onChange: () => {
      reconciler.change()
    }
  })
  const { finish, release, topics: desiredTopics, add } = desired

  // How it has ended, if it has. Who hears that it connects again may be sooner than what reads.
  const over = Effect.map(connection.state, (state) =>
    phase._tag === "Broken" || (phase._tag === "Ended" && !isUp(state)) ? phase.exit : undefined)

  const notConnected = Effect.flatMap(connection.state, ({ _tag }) => new NotConnected({ state: _tag }))

  const listen: Session.Session<A>["listen"] = (topic, listener) =>
    Effect.acquireRelease(
      Effect.map(over, (ended) => {
        if (ended !== undefined) {
          listener.end(ended)
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
  // What arrives

  const dispatcher = Dispatcher.make<A, N>({
    protocol,
    topics: desiredTopics,
    now,
    record,
    onAnswer: (answer) => {
      reconciler.answer(answer)
    },
    onNotice: options.onNotice,
    onGap: (gap) => {
      // It may be another connection's, and not only what was dropped of this one.
      reconciler.leave(gap.epoch)
      // What they do with it may be to leave, and to come again: that begins after it.
      const before = [...desiredTopics.values()].map((entry) => ({ entry, listeners: entry.listeners }))
      for (const { entry, listeners } of before) {
        for (const listener of listeners) {
          if (entry.listeners.includes(listener)) listener.gap(gap)
        }
      }
    }
  })

  const stop = (next: Exclude<Phase, { readonly _tag: "Running" }>, how?: "Disconnected" | "Closed") => {
    phase = next
    reconciler.leave(Number.POSITIVE_INFINITY)
    for (const entry of [...desiredTopics.values()]) finish(entry, next.exit, how)
  }

  // Disconnected by hand, or given up: it may be told to connect again, and goes on then.
  const resumed = Effect.map(Stream.runHead(Stream.filter(connection.changes, isUp)), (up) => {
    if (Option.isSome(up)) phase = { _tag: "Running" }
    return Option.isSome(up)
  })

  const read = Effect.gen(function*() {
    do {
      const exit = yield* Effect.exit(bareItems.listen(dispatcher.receive))
      // A connection ends its own defects: this one is of what hears it.
      if (Exit.isFailure(exit) && Cause.isDie(exit.cause) && isUp(yield* connection.state)) {
        return yield* Effect.die(Cause.squash(exit.cause))
      }
      stop({ _tag: "Ended", exit })
    } while (yield* resumed)
  })

  // -------------------------------------------------------------------------------------------------------------------
  // From what is wanted to what is on the wire

  // The connection is dropped for silence that lasts twice as long.
  const quietAfter = Duration.toMillis(options.connection.messageTimeout ?? defaultMessageTimeout) / 2
  const isQuiet = () => now() - Math.max(dispatcher.last(), reconciler.since() ?? 0) >= quietAfter
  // A peer that answers and yet leaves out what is due is no good: then its silence is to end the connection.
  const isOverdue = () => {
    const at = now()
    return [...desiredTopics.values()].some(({ tracker }) => tracker.isStale(at))
  }

  const reconciler: Reconciler.Reconciler = Reconciler.make({
    connection,
    protocol,
    answerTimeout: Duration.decode(options.answerTimeout ?? "5 seconds"),
    desired,
    now,
    record,
    fiberId,
    isProbeDue: () => isQuiet() && !isOverdue()
  })

  // By the state as it is, since what is told of may be long past.
  const watch = Stream.runForEach(connection.changes, () =>
    Effect.map(connection.state, (state) => {
      reconciler.leave(state._tag === "Connected" ? state.epoch : Number.POSITIVE_INFINITY)
      if (state._tag === "Connected") reconciler.change()
    }))

  // -------------------------------------------------------------------------------------------------------------------
  // What has fallen silent

  const checkStaleness = Staleness.check<A>({
    ...options,
    cadence: protocol.cadence,
    desired,
    now,
    record,
    isAsked: reconciler.isAsked,
    askAgain: reconciler.askAgain,
    onChange: reconciler.change,
    scope: yield* Effect.scope
  })
  const look = Effect.suspend(() => {
    if (isQuiet()) reconciler.change()
    return checkStaleness
  })

  const live: Effect.Effect<void> = Effect.all([read, watch, reconciler.run, Effect.repeat(look, Schedule.spaced("1 second"))], {
    concurrency: "unbounded",
    discard: true
  }).pipe(
    // Nothing hears or asks any more, and it must not look like silence.
    Effect.catchAllDefect((defect) =>
      Effect.gen(function*() {
        const exit = Exit.die(defect)
        stop({ _tag: "Broken", exit })
        yield* Effect.logError("The session ended by a defect.", Cause.die(defect))
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

  const session: Session.Session<A> = {
    connection,
    listen,
    stream: TopicStream.make(listen, reconciler.epoch),
    subscribe: (topic) =>
      Effect.flatMap(over, (ended) => {
        if (ended !== undefined) return Exit.isSuccess(ended) ? notConnected : ended
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
        since,
        listeners: listeners.length + held,
        lastData: tracker.last()
      }))
    ),
    events: events.stream
  }
  return session
})
