// The connection as users hold it: its streams, and what they may ask of its loop.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Connection } from "../../Connection.ts"
import type { ConnectionError, NotConnected as NotConnectedError } from "../../ConnectionError.ts"
import { NotConnected, ReconnectRequested, SendTimeout } from "../../ConnectionError.ts"
import * as ConnectionEvent from "../../ConnectionEvent.ts"
import * as ConnectionState from "../../ConnectionState.ts"
import type { DialGate } from "../../DialGate.ts"
import type { Listenable } from "../../Listenable.ts"
import type { Socket, Transport } from "../../Transport.ts"
import * as Reading from "../stream/cursors.ts"
import { within } from "../time/timeout.ts"
import * as EventLog from "./eventLog.ts"
import type { Entry } from "./inbox.ts"
import * as Inbox from "./inbox.ts"
import * as Loop from "./loop.ts"
import type { Settings } from "./settings.ts"
import * as Machine from "./stateMachine.ts"

export interface Handle {
  readonly connection: Connection
  /** The same as `frames`, with the messages bare. */
  readonly entries: Listenable<Entry, ConnectionError>
}

// Gaps are rare: nearly always the batch passes as it is.
const messagesOf = (entries: ReadonlyArray<Entry>) =>
  entries.every(Inbox.isMessage) ? entries : entries.filter(Inbox.isMessage)

const framesOf = (entries: ReadonlyArray<Entry>) => entries.map(Inbox.toFrame)

export const make = Effect.fnUntraced(function*(transport: Transport, gate: DialGate, settings: Settings) {
  const clock = yield* Effect.clock
  const now = () => clock.unsafeCurrentTimeMillis()
  const disconnected = ConnectionState.Disconnected({ since: now() })
  const machine = Machine.make(disconnected)
  const log = EventLog.make()
  const loop = yield* Loop.make({ transport, gate, settings, machine, log })
  loop.start(disconnected)

  // One at a time: `connect`, `disconnect` and the end.
  let lock: Effect.Semaphore | undefined
  const alone = <A, E>(effect: Effect.Effect<A, E>) => (lock ??= Effect.unsafeMakeSemaphore(1)).withPermits(1)(effect)
  // In a fibre of its own: who disconnects from within the loop, such as a handshake, is itself ended by it.
  const detached = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.suspend(() => Effect.flatMap(Effect.forkDaemon(alone(effect)), Fiber.join))

  const notConnected = Effect.suspend(() => {
    const { _tag } = machine.current()
    return new NotConnected({ state: _tag === "Connected" ? "Closing" : _tag })
  })

  const connect = Effect.suspend((): Effect.Effect<void, NotConnectedError> => {
    const state = machine.current()
    switch (state._tag) {
      case "Disconnected":
      case "Failed":
        loop.start(state)
        return Effect.void
      case "Closed":
        return notConnected
      default:
        return Effect.void
    }
  })

  const disconnect = Effect.gen(function*() {
    if (!Machine.isActive(machine.current())) return
    yield* loop.stop
    const state = machine.current()
    // It may have been given up in the meantime: then that is how it ended.
    if (!Machine.isActive(state)) return
    machine.go(state, ConnectionState.Disconnected({ since: now() }))
    log.record(ConnectionEvent.Disconnected({ at: now() }))
    yield* log.writeLog
    loop.inbox().end(Exit.void)
  })

  yield* Effect.addFinalizer(() =>
    alone(Effect.gen(function*() {
      yield* loop.stop
      const state = machine.current()
      if (state._tag !== "Closed") machine.go(state, ConnectionState.Closed({ since: now() }))
      log.record(ConnectionEvent.Closed({ at: now() }))
      yield* log.writeLog
      loop.inbox().end(Exit.void)
      machine.end(Exit.void)
      log.end(Exit.void)
    }))
  )

  const reconnect = (reason: string) =>
    Effect.suspend(() => {
      const phase = loop.phase()
      switch (phase._tag) {
        case "Dialling":
          return Effect.void
        case "Open":
          phase.replace(new ReconnectRequested({ reason }))
          return Effect.void
        case "Closing":
        case "Waiting":
          phase.hurry.unsafeOpen()
          return Effect.void
        case "Ended":
          return notConnected
      }
    })

  const isSettled = (state: ConnectionState.ConnectionState) => {
    if (!Machine.isActive(state)) return true
    // The state says Connected until the old socket is gone.
    const { _tag } = loop.phase()
    return state._tag === "Connected" && _tag !== "Closing" && _tag !== "Ended"
  }

  const awaitOpen = Effect.suspend(() =>
    machine.changes.pipe(
      Stream.filter(isSettled),
      Stream.runHead,
      Effect.flatMap((settled): Effect.Effect<void, ConnectionError | NotConnectedError> => {
        if (Option.isNone(settled)) return notConnected
        if (settled.value._tag === "Connected") return Effect.void
        return settled.value._tag === "Failed" ? settled.value.error : notConnected
      })
    )
  )

  const openSocket: Effect.Effect<Socket, NotConnectedError> = Effect.suspend(() => {
    const phase = loop.phase()
    return phase._tag === "Open"
      ? Effect.succeed(phase.socket)
      : Effect.zipRight(Effect.catchAll(awaitOpen, () => notConnected), openSocket)
  })

  const socketFor = (deadline: Duration.DurationInput | undefined) =>
    Effect.suspend((): Effect.Effect<Socket, NotConnectedError | SendTimeout> => {
      const phase = loop.phase()
      if (phase._tag === "Open") return Effect.succeed(phase.socket)
      if (deadline === undefined) return notConnected
      const after = Duration.decode(deadline)
      return within(after, () => new SendTimeout({ after }))(openSocket)
    })

  const inboxes = () => [loop.inbox()]
  const connection: Connection = {
    messages: Reading.of(inboxes, messagesOf),
    frames: Reading.of(inboxes, framesOf),
    events: log.events,
    state: Effect.sync(machine.current),
    changes: machine.changes,
    awaitOpen,
    send: (message, options) =>
      Effect.map(Effect.flatMap(socketFor(options?.deadline), (socket) => socket.send(message)), () => {
        log.counters().sent(1)
      }),
    reconnect,
    disconnect: detached(disconnect),
    connect: detached(connect)
  }
  return { connection, entries: Reading.of(inboxes, identity) } satisfies Handle
})
