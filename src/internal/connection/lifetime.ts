// One lifetime: a connection from its dial until its socket is closed.
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { AttemptError, CloseFrame, Defect, ReconnectRequested } from "../../ConnectionError.ts"
import * as ConnectionEvent from "../../ConnectionEvent.ts"
import * as ConnectionState from "../../ConnectionState.ts"
import type { DialGate } from "../../DialGate.ts"
import * as Item from "../../Item.ts"
import type { Socket, Transport } from "../../Transport.ts"
import { holdWakes } from "../stream/wakes.ts"
import { monotonicMillis } from "../time/monotonic.ts"
import type { Redactor } from "../transport/redactor.ts"
import * as Attempt from "./attempt.ts"
import type { Delivery } from "./delivery.ts"
import { logDefects } from "./dial.ts"
import * as Endpoints from "./endpoints.ts"
import type { EventLog } from "./eventLog.ts"
import { Disconnecting } from "./farewell.ts"
import type { Inbox } from "./inbox.ts"
import * as Phase from "./phase.ts"
import * as Reconnection from "./reconnection.ts"
import type { Settings } from "./settings.ts"
import type { Machine, State } from "./stateMachine.ts"

/** The settings and services of a connection, with its phase and epoch. */
export interface Context {
  readonly transport: Transport
  readonly gate: DialGate
  readonly settings: Settings
  readonly clock: Clock.Clock
  readonly machine: Machine
  readonly log: EventLog
  readonly redactor: Redactor
  phase: Phase.Phase
  /** Which URL to dial next. */
  choice: Endpoints.Choice
  /** The close frame that `disconnect` asked for. */
  leaving: CloseFrame | undefined
  /** The number of connections that have opened so far. */
  epoch: number
  /** The option whose function ended the run with a defect; undefined once the defect is reported. */
  failing: Defect["option"]
}

/** The context of one dial. */
export interface DialContext {
  readonly inbox: Inbox
  readonly dialled: State<"Connecting">
  /** Returns the loss that this dial recovers from, if there was one, and forgets it. */
  readonly takeLoss: () => Lost | undefined
}

/** An attempt that is under way. */
export interface Started {
  readonly attempt: Fiber.RuntimeFiber<void>
  readonly scope: Scope.CloseableScope
  /** Completes when the attempt has ended; its socket is not closed yet. Fails only with a defect, such as a transport's. */
  readonly ended: Effect.Effect<Lifetime>
}

type EndError = AttemptError | ReconnectRequested

export interface Lost {
  /** Unix time in milliseconds. */
  readonly at: number
  /** The same moment in monotonic time. */
  readonly moment: number
  readonly cause: EndError
}

/** The facts of a lifetime, from its dial to its end. */
export interface Lifetime {
  readonly reached: State<"Connecting" | "Connected">
  readonly opened: boolean
  readonly openFor: Duration.Duration
  readonly messages: number
  readonly pongs: number
  /** False if a session has asked for topics, and the peer has accepted none. */
  readonly isAccepted: boolean
  /** True if the connection was proven: it resets the backoff. */
  readonly proven: boolean
  readonly lost: Lost
  /** Opening it makes the next dial start at once. */
  readonly skipWait: Effect.Latch
}

/** Starts an attempt in its own fibre, so that the loop's fibre keeps none of its memory. */
export const begin = Effect.fnUntraced(function*(context: Context, dialContext: DialContext) {
  const { clock, gate, log, machine, redactor, settings, transport } = context
  const { dialled, inbox } = dialContext
  const now = () => clock.unsafeCurrentTimeMillis()
  const dialledAt = monotonicMillis(clock)
  let openedAt: number | undefined
  // A latch, because a Deferred takes 0.6 KiB for each open connection.
  const ending = Effect.unsafeMakeLatch()
  let outcome: Effect.Effect<Lifetime> = Effect.never
  const settle = (result: Effect.Effect<Lifetime>) => {
    outcome = result
    ending.unsafeOpen()
  }
  let reading: Delivery | undefined

  // The first end counts. It is recorded in the same turn of the event loop, before anything that relies on the connection
  // can act as if it were still open.
  const end = (cause: Cause.Cause<EndError>) => {
    if (context.phase._tag !== "Dialling" && context.phase._tag !== "Open") return
    if (context.phase._tag === "Open") log.counters().gone()
    const { skipWait } = context.phase = Phase.closing(context.phase)
    const error = Cause.failureOrCause(cause)
    if (Either.isRight(error)) {
      settle(Effect.failCause(error.right))
      return
    }
    const state = machine.current()
    const reached = state._tag === "Connected" ? state : dialled
    const moment = monotonicMillis(clock)
    const lifetime = lifetimeOf(context, {
      reached,
      openFor: Duration.millis(openedAt === undefined ? 0 : moment - openedAt),
      messages: reading?.messages() ?? 0,
      pongs: reading?.pongs() ?? 0,
      isAccepted: reading?.isAccepted() ?? true,
      lost: { at: now(), moment, cause: redactor.end(error.left) },
      skipWait
    })
    holdWakes(() => {
      recordLoss(context, lifetime)
    })
    settle(Effect.succeed(lifetime))
  }
  const open = (socket: Socket, delivery: Delivery) =>
    Effect.suspend(() => {
      // The attempt may have ended while its handshake completed.
      if (context.phase._tag !== "Dialling") return Effect.interrupt
      context.epoch++
      context.choice = Endpoints.opened(context.choice)
      context.phase = {
        _tag: "Open",
        socket,
        delivery,
        end: (cause) => {
          end(Cause.fail(cause))
        }
      }
      reading = delivery
      const at = openedAt = monotonicMillis(clock)
      holdWakes(() => {
        const opened = machine.go(dialled, ConnectionState.Connected({ since: now(), epoch: context.epoch }))
        recordOpened(context, dialContext, opened, { protocol: redactor.text(socket.protocol), dialledAt, openedAt: at })
      })
      return Effect.void
    })

  log.record(ConnectionEvent.Dialling({ at: dialled.since, attempt: dialled.attempt }))
  const scope = yield* Scope.make()
  const attempt = yield* Attempt.run({
    transport,
    gate,
    settings,
    log,
    redactor,
    inbox,
    scope,
    attempt: dialled.attempt,
    choice: () => context.choice,
    open,
    end
  }).pipe(
    Effect.flatten,
    Effect.catchAllCause((cause) => Effect.sync(() => {
      end(cause)
    })),
    Effect.interruptible,
    Effect.fork
  )
  // Lets the dial start before the log is written.
  yield* Effect.yieldNow()
  yield* log.writeLog
  const begun: Started = { attempt, scope, ended: Effect.zipRight(ending.await, Effect.suspend(() => outcome)) }
  return begun
})

/** Closes the socket and stops the fibres of an attempt that has ended or is being stopped. */
export const close = (context: Context, { attempt, scope }: Started, ended: Exit.Exit<Lifetime>): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (context.phase._tag === "Open") context.log.counters().gone()
    // A connection that was given up may be connecting again by now.
    if (Exit.isFailure(ended)) context.phase = Phase.closing(context.phase)
    const { leaving } = context
    const exit = Exit.isSuccess(ended)
      ? Exit.fail(ended.value.lost.cause)
      : leaving === undefined ? ended : Exit.fail(new Disconnecting({ close: leaving }))
    return inOwnFiber(logDefects(Effect.zipRight(Fiber.interrupt(attempt), Scope.close(scope, exit)), context.redactor))
  })

const lifetimeOf = (
  { settings }: Context,
  { isAccepted, skipWait, lost, messages, openFor, pongs, reached }: Omit<Lifetime, "opened" | "proven">
): Lifetime => {
  const opened = reached._tag === "Connected"
  const proven = Reconnection.isProven(settings.reconnect)({ opened, openFor, messages, pongs, isAccepted })
  return { reached, opened, openFor, messages, pongs, isAccepted, proven, lost, skipWait }
}

const recordLoss = ({ log }: Context, { lost: { at, cause }, messages, openFor, proven, reached }: Lifetime) => {
  if (reached._tag !== "Connected") return
  log.record(ConnectionEvent.Lost({ at, epoch: reached.epoch, cause, proven, openFor, messages }))
}

// Runs an effect in a fibre of its own. In effect 3.22, a fibre that closes a scope takes over the fibre references of the
// fibres that added its finalizers, with their history: in the loop's fibre that would be 4 KiB more for each attempt.
const inOwnFiber = <A, E>(effect: Effect.Effect<A, E>) => Effect.flatMap(Effect.fork(effect), Fiber.await)

interface Opening {
  readonly protocol: string
  /** In monotonic time. */
  readonly dialledAt: number
  readonly openedAt: number
}

const recordOpened = (
  { log }: Context,
  { dialled, takeLoss, inbox }: DialContext,
  { epoch, since: at }: State<"Connected">,
  { dialledAt, openedAt, protocol }: Opening
) => {
  const lost = Option.fromNullable(takeLoss())
  const outage = Option.map(lost, (before) => Duration.millis(openedAt - before.moment))
  const took = Duration.millis(openedAt - dialledAt)
  log.record(ConnectionEvent.Opened({ at, epoch, attempt: dialled.attempt, protocol, took, outage }))
  if (Option.isSome(lost)) {
    const { cause, moment } = lost.value
    inbox.mark(Item.Gap({ epoch, cause, downtime: Duration.millis(openedAt - moment), dropped: 0 }))
  }
}
