// A session: what is wanted, who hears it, and what is done about what is silent.
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { InboxOverflow, NotConnected } from "../../ConnectionError.ts"
import type { ConnectionState } from "../../ConnectionState.ts"
import * as Frame from "../../Frame.ts"
import type * as Session from "../../Session.ts"
import { SessionEvent } from "../../Session.ts"
import * as Broadcast from "../stream/broadcast.ts"
import * as Hearing from "./dispatcher.ts"
import { merge } from "../stream/cursors.ts"
import * as Requests from "./reconciler.ts"
import { defaultMessageTimeout } from "../connection/settings.ts"
import * as Silence from "./staleness.ts"
import type { Handle } from "../connection/handle.ts"
import * as Wanted from "./desired.ts"

const eventsHeld = 4_096

// Connected, or on the way to it.
const isUp = ({ _tag }: ConnectionState) => _tag !== "Disconnected" && _tag !== "Failed" && _tag !== "Closed"

export const manage = Effect.fnUntraced(function*<A, N>(
  { connection, entries }: Handle,
  options: Session.Options<A, N>
) {
  const { protocol } = options
  const clock = yield* Effect.clock
  const now = () => clock.unsafeCurrentTimeMillis()
  const fiberId = yield* Effect.fiberId

  let ended: Exit.Exit<void, Session.SessionError> | undefined
  // It has ended by a defect of what hears, and its connection not yet.
  let isBroken = false

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
      requests.change()
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

  // -------------------------------------------------------------------------------------------------------------------
  // What arrives

  const hearing = Hearing.make<A, N>({
    protocol,
    topics: wanted,
    now,
    record,
    onAnswer: (answer) => {
      requests.answer(answer)
    },
    onNotice: options.onNotice,
    onGap: (gap) => {
      // It may be another connection's, and not only what was dropped of this one.
      requests.leave(gap.epoch)
      // What they do with it may be to leave, and to come again: that begins after it.
      const hearing = [...wanted.values()].map((entry) => ({ entry, listeners: entry.listeners }))
      for (const { entry, listeners } of hearing) {
        for (const listener of listeners) {
          if (entry.listeners.includes(listener)) listener.gap(gap)
        }
      }
    }
  })

  const stop = (exit: Exit.Exit<void, Session.SessionError>, how?: "Disconnected" | "Closed") => {
    ended = exit
    requests.leave(Number.POSITIVE_INFINITY)
    for (const entry of [...wanted.values()]) finish(entry, exit, how)
  }

  // Disconnected by hand, or given up: it may be told to connect again, and goes on then.
  const resumed = Effect.map(Stream.runHead(Stream.filter(connection.changes, isUp)), (up) => {
    if (Option.isSome(up)) ended = undefined
    return Option.isSome(up)
  })

  const read = Effect.gen(function*() {
    do {
      const exit = yield* Effect.exit(entries.listen(hearing.receive))
      // A connection ends its own defects: this one is of what hears it.
      if (Exit.isFailure(exit) && Cause.isDie(exit.cause) && isUp(yield* connection.state)) {
        return yield* Effect.die(Cause.squash(exit.cause))
      }
      stop(exit)
    } while (yield* resumed)
  })

  // -------------------------------------------------------------------------------------------------------------------
  // From what is wanted to what is on the wire

  // The connection is dropped for silence that lasts twice as long.
  const quietAfter = Duration.toMillis(options.connection.messageTimeout ?? defaultMessageTimeout) / 2
  const isQuiet = () => now() - Math.max(hearing.last(), requests.since() ?? 0) >= quietAfter
  // A peer that answers and yet leaves out what is due is no good: then its silence is to end the connection.
  const isOverdue = () => {
    const at = now()
    return [...wanted.values()].some(({ pulse }) => pulse.isStale(at))
  }

  const requests: Requests.Requests = Requests.make({
    connection,
    protocol,
    answerTimeout: Duration.decode(options.answerTimeout ?? "5 seconds"),
    wanted: registry,
    now,
    record,
    fiberId,
    isProbeDue: () => isQuiet() && !isOverdue()
  })

  // By the state as it is, since what is told of may be long past.
  const watch = Stream.runForEach(connection.changes, () =>
    Effect.map(connection.state, (state) => {
      requests.leave(state._tag === "Connected" ? state.epoch : Number.POSITIVE_INFINITY)
      if (state._tag === "Connected") requests.change()
    }))

  // -------------------------------------------------------------------------------------------------------------------
  // What has fallen silent

  const checkSilence = Silence.check<A>({
    ...options,
    cadence: protocol.cadence,
    wanted: registry,
    now,
    record,
    isAsked: requests.isAsked,
    askAgain: requests.askAgain,
    onChange: requests.change,
    scope: yield* Effect.scope
  })
  const look = Effect.suspend(() => {
    if (isQuiet()) requests.change()
    return checkSilence
  })

  const live: Effect.Effect<void> = Effect.all([read, watch, requests.run, Effect.repeat(look, Schedule.spaced("1 second"))], {
    concurrency: "unbounded",
    discard: true
  }).pipe(
    // A bug in the protocol: nothing hears or asks any more, and it must not look like a quiet market.
    Effect.catchAllDefect((defect) =>
      Effect.gen(function*() {
        isBroken = true
        stop(Exit.die(defect))
        yield* Effect.logError("The session ended by a defect.", Cause.die(defect))
        yield* connection.disconnect
        isBroken = false
        if (yield* resumed) yield* live
      })
    )
  )
  yield* Effect.forkScoped(Effect.interruptible(live))
  yield* Effect.addFinalizer(() => Effect.sync(() => {
    stop(Exit.void, "Closed")
    events.end(Exit.void)
  }))

  const session: Session.Session<A> = {
    connection,
    listen,
    stream: (topic, { capacity = 4_096 } = {}) =>
      merge(Effect.gen(function*() {
        const cause = new InboxOverflow({ capacity })
        const asGap = (item: Session.Item<A>): Frame.Gap =>
          item._tag === "Gap" ? item : Frame.Gap({ epoch: requests.epoch(), cause, downtime: Duration.zero, dropped: 1 })
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
        return Effect.uninterruptibleMask((restore) => {
          const entry = want(topic)
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
