// The connection that users hold: its streams, and its operations on the loop.
import type * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Connection } from "../../Connection.ts"
import type { AttemptError, CloseFrame, ConnectionError, NotConnected as NotConnectedError } from "../../ConnectionError.ts"
import { NotConnected, ReconnectRequested } from "../../ConnectionError.ts"
import * as ConnectionEvent from "../../ConnectionEvent.ts"
import * as ConnectionState from "../../ConnectionState.ts"
import type { DialGate } from "../../DialGate.ts"
import type { Listenable } from "../../Listenable.ts"
import type { Activity } from "../../Liveness.ts"
import type { Progress, Socket, Transport } from "../../Transport.ts"
import * as Cursors from "../stream/cursors.ts"
import { holdWakes } from "../stream/wakes.ts"
import type { Redactor } from "../transport/redactor.ts"
import * as EventLog from "./eventLog.ts"
import { check as checkClose } from "./farewell.ts"
import type { BareItem } from "./inbox.ts"
import * as Inbox from "./inbox.ts"
import * as Loop from "./loop.ts"
import { problemOf } from "./sendable.ts"
import { SendQueue } from "./sendQueue.ts"
import type { Settings } from "./settings.ts"
import type { Phase } from "./phase.ts"
import * as Machine from "./stateMachine.ts"
import { progressOf } from "./unmoved.ts"

export interface Vitals {
  readonly activity: Activity
  readonly progress: Progress
}

export interface Handle {
  readonly connection: Connection
  /**
   * Completes when the connection has read everything that the peer has sent so far. It pings: on the socket, the pong comes
   * after all that. It also completes when the socket ends, and at once if no connection is open or the transport cannot
   * ping.
   */
  readonly drain: Effect.Effect<void>
  /** Ends the open connection as a failure. Does nothing if none is open. */
  readonly fail: (cause: AttemptError) => void
  /** The latest activity on the open connection, and the bytes that it has moved. Undefined if none is open. */
  readonly vitals: () => Vitals | undefined
  /** Records that the peer of the open connection has been asked for something that it has to accept. */
  readonly ask: () => void
  /** Records that it has accepted. */
  readonly accept: () => void
  /** The deadline for messages, infinite if there is none. */
  readonly messageTimeout: Duration.Duration
  /** The same as `items`, but messages are not wrapped. */
  readonly bareItems: Listenable<BareItem, ConnectionError>
  /** Removes what the dials have sent from text of the peer before it is shown. */
  readonly redactor: Redactor
}

// Gaps are rare: nearly always the batch is returned as it is.
const messagesOf = (batch: ReadonlyArray<BareItem>) =>
  batch.every(Inbox.isMessage) ? batch : batch.filter(Inbox.isMessage)

const itemsOf = (batch: ReadonlyArray<BareItem>) => batch.map(Inbox.toItem)

interface Parts {
  readonly machine: Machine.Machine
  readonly log: EventLog.EventLog
  readonly loop: Loop.Loop
  readonly clock: Clock.Clock
}

const now = ({ clock }: Parts) => clock.unsafeCurrentTimeMillis()

const notConnected = ({ machine }: Parts) =>
  Effect.suspend(() => {
    const state = machine.current()
    return state._tag === "Connected" ? new NotConnected({ state: "Closing" }) : Machine.notConnected(state)
  })

const connect = (parts: Parts) =>
  Effect.suspend((): Effect.Effect<void, NotConnectedError> => {
    const state = parts.machine.current()
    switch (state._tag) {
      case "Disconnected":
      case "Failed":
        parts.loop.start(state)
        return Effect.void
      case "Closed":
        return notConnected(parts)
      default:
        return Effect.void
    }
  })

const disconnect = Effect.fnUntraced(function*(parts: Parts, close?: CloseFrame) {
  const { log, loop, machine } = parts
  if (!Machine.isActive(machine.current())) return
  yield* loop.stop(close)
  const state = machine.current()
  // The connection may have been given up while the loop stopped: it stays `Failed` then.
  if (!Machine.isActive(state)) return
  holdWakes(() => {
    machine.go(state, ConnectionState.Disconnected({ since: now(parts) }))
    log.record(ConnectionEvent.Disconnected({ at: now(parts) }))
  })
  yield* log.writeLog
  loop.inbox().end(Exit.void)
})

const close = Effect.fnUntraced(function*(parts: Parts) {
  const { log, loop, machine } = parts
  yield* loop.stop()
  const state = machine.current()
  holdWakes(() => {
    if (state._tag !== "Closed") machine.go(state, ConnectionState.Closed({ since: now(parts) }))
    log.record(ConnectionEvent.Closed({ at: now(parts) }))
  })
  yield* log.writeLog
  loop.inbox().end(Exit.void)
  machine.end(Exit.void)
  log.end(Exit.void)
})

const reconnect = (parts: Parts, reason: string, close?: CloseFrame) =>
  Effect.suspend(() => {
    const phase = parts.loop.phase()
    switch (phase._tag) {
      case "Dialling":
        return Effect.void
      case "Open":
        phase.end(new ReconnectRequested({ reason, close }))
        return Effect.void
      case "Closing":
      case "Waiting":
        phase.skipWait.unsafeOpen()
        return Effect.void
      case "Ended":
        return notConnected(parts)
    }
  })

type Open = Extract<Phase, { readonly _tag: "Open" }>

const onOpen = <A extends ReadonlyArray<unknown>>({ loop }: Parts, f: (open: Open, ...args: A) => void) => (...args: A): void => {
  const phase = loop.phase()
  if (phase._tag === "Open") f(phase, ...args)
}

const isSettled = ({ loop }: Parts) => (state: ConnectionState.ConnectionState) => {
  if (!Machine.isActive(state)) return true
  // The state is still Connected while a lost socket is being closed.
  const { _tag } = loop.phase()
  return state._tag === "Connected" && _tag !== "Closing" && _tag !== "Ended"
}

const socketOf = ({ loop }: Pick<Parts, "loop">): Socket | undefined => {
  const phase = loop.phase()
  return phase._tag === "Open" ? phase.socket : undefined
}

// Waits for an open connection, whose socket is not `ended`.
const awaitOther = (parts: Parts, ended: Socket | undefined) =>
  Effect.suspend(() => {
    const isEnded = () => ended !== undefined && socketOf(parts) === ended
    return parts.machine.changes.pipe(
      Stream.filter((state) => isSettled(parts)(state) && !isEnded()),
      Stream.runHead,
      Effect.flatMap((settled): Effect.Effect<void, ConnectionError | NotConnectedError> => {
        if (Option.isNone(settled)) return notConnected(parts)
        if (settled.value._tag === "Connected") return Effect.void
        return settled.value._tag === "Failed" ? settled.value.error : notConnected(parts)
      })
    )
  })

const drain = ({ loop }: Parts, { capabilities }: Transport) =>
  Effect.suspend(() => {
    const phase = loop.phase()
    return phase._tag === "Open" && capabilities.ping ? Effect.ignore(phase.socket.ping) : Effect.void
  })

export const make = Effect.fnUntraced(function*(transport: Transport, gate: DialGate, settings: Settings) {
  const clock = yield* Effect.clock
  const disconnected = ConnectionState.Disconnected({ since: clock.unsafeCurrentTimeMillis() })
  const machine = new Machine.Machine(disconnected)
  const log = new EventLog.EventLog(settings.name)
  const loop = yield* Loop.make({ transport, gate, settings, machine, log })
  const parts: Parts = { machine, log, loop, clock }
  const sends = new SendQueue({
    socket: () => socketOf(parts),
    awaitSocket: (ended) => Effect.catchAll(awaitOther(parts, ended), () => notConnected(parts)),
    notConnected: notConnected(parts)
  })
  loop.start(disconnected)

  // `connect`, `disconnect` and `close` run one at a time.
  let lock: Effect.Semaphore | undefined
  const exclusively = <A, E>(effect: Effect.Effect<A, E>) => (lock ??= Effect.unsafeMakeSemaphore(1)).withPermits(1)(effect)
  // In its own fibre: `disconnect` interrupts the loop, and a handshake that calls it runs inside the loop.
  const detached = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.suspend(() => Effect.flatMap(Effect.forkDaemon(exclusively(effect)), Fiber.join))

  yield* Effect.addFinalizer(() => exclusively(close(parts)))

  const inboxes = () => [loop.inbox()]
  const connection: Connection = {
    messages: Cursors.of(inboxes, messagesOf),
    items: Cursors.of(inboxes, itemsOf),
    events: log.events,
    state: Effect.sync(() => machine.current()),
    changes: machine.changes,
    awaitOpen: awaitOther(parts, undefined),
    send: (message, options) =>
      problemOf(message, options?.deadline) ?? Effect.mapBoth(sends.send(message, options?.deadline), {
        onFailure: (error) => loop.redactor.sendError(error),
        onSuccess: () => {
          log.counters().sent(1)
        }
      }),
    reconnect: (reason, close) =>
      close === undefined
        ? reconnect(parts, reason)
        : Effect.flatMap(checkClose({ code: close.code, reason: close.closeReason }), (closeFrame) => reconnect(parts, reason, closeFrame)),
    disconnect: detached(disconnect(parts)),
    disconnectWith: (close) => Effect.flatMap(checkClose(close), (closeFrame) => detached(disconnect(parts, closeFrame))),
    connect: detached(connect(parts))
  }
  return {
    connection,
    drain: drain(parts, transport),
    fail: onOpen(parts, ({ end }, cause: AttemptError) => {
      end(cause)
    }),
    vitals: () => {
      const phase = loop.phase()
      return phase._tag === "Open" ? { activity: phase.delivery.activity, progress: progressOf(phase.socket)() } : undefined
    },
    ask: onOpen(parts, ({ delivery }) => {
      delivery.ask()
    }),
    accept: onOpen(parts, ({ delivery }) => {
      delivery.accept()
    }),
    messageTimeout: settings.messageTimeout,
    bareItems: Cursors.of(inboxes, identity),
    redactor: loop.redactor
  } satisfies Handle
})
