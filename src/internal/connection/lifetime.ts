// One connection, from its dial until all of it is closed.
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { AttemptError, Defect, ReconnectRequested } from "../../ConnectionError.ts"
import * as ConnectionEvent from "../../ConnectionEvent.ts"
import * as ConnectionState from "../../ConnectionState.ts"
import type { DialGate } from "../../DialGate.ts"
import * as Item from "../../Item.ts"
import type { Socket, Transport } from "../../Transport.ts"
import * as Attempt from "./attempt.ts"
import type { Delivery } from "./delivery.ts"
import { logDefects } from "./dial.ts"
import type { EventLog } from "./eventLog.ts"
import type { Inbox } from "./inbox.ts"
import * as Phase from "./phase.ts"
import * as Reconnection from "./reconnection.ts"
import type { Settings } from "./settings.ts"
import type { Machine, State } from "./stateMachine.ts"

/** A connection's own: its settings and services, and where it stands. */
export interface Context {
  readonly transport: Transport
  readonly gate: DialGate
  readonly settings: Settings
  readonly clock: Clock.Clock
  readonly machine: Machine
  readonly log: EventLog
  phase: Phase.Phase
  /** How many connections were opened. */
  epoch: number
  /** The option whose function ended the run with a defect, until that is reported. */
  failing: Defect["option"]
}

/** From one dial to the next. */
export interface DialContext {
  readonly inbox: Inbox
  readonly dialled: State<"Connecting">
  /** Gives the loss that is healed now, if there was one before, and forgets it. */
  readonly takeLoss: () => Lost | undefined
}

/** A connection that was begun. */
export interface Started {
  readonly attempt: Fiber.RuntimeFiber<void>
  readonly scope: Scope.CloseableScope
  /** Waits until it has ended, and its socket is still to be closed. Fails by a defect only, such as a transport's. */
  readonly ended: Effect.Effect<Lifetime>
}

type EndError = AttemptError | ReconnectRequested

export interface Lost {
  readonly at: number
  readonly cause: EndError
}

/** How it went, from the dial to the end. */
export interface Lifetime {
  readonly reached: State<"Connecting" | "Connected">
  readonly opened: boolean
  readonly openFor: Duration.Duration
  readonly messages: number
  /** Whether it was long and good enough to forget the failures before it. */
  readonly proven: boolean
  readonly lost: Lost
  /** Opened when the next dial shall not wait. */
  readonly skipWait: Effect.Latch
}

/** Begins the attempt, in a fibre of its own: it leaves nothing behind in the loop's. */
export const begin = Effect.fnUntraced(function*(context: Context, dialContext: DialContext) {
  const { clock, gate, log, machine, settings, transport } = context
  const { dialled, inbox } = dialContext
  const now = () => clock.unsafeCurrentTimeMillis()
  // A latch, and not a Deferred, which weighs 0.6 KiB for as long as the connection lives.
  const ending = Effect.unsafeMakeLatch()
  let outcome: Effect.Effect<Lifetime> = Effect.never
  const settle = (how: Effect.Effect<Lifetime>) => {
    outcome = how
    ending.unsafeOpen()
  }
  let reading: Delivery | undefined

  // The first end counts. It is told in the same turn: who relies on the connection must not act on what came just before.
  const end = (cause: Cause.Cause<EndError>) => {
    if (context.phase._tag !== "Dialling" && context.phase._tag !== "Open") return
    const { skipWait } = context.phase = Phase.closing(context.phase)
    const error = Cause.failureOrCause(cause)
    if (Either.isRight(error)) {
      settle(Effect.failCause(error.right))
      return
    }
    const state = machine.current()
    const reached = state._tag === "Connected" ? state : dialled
    const lifetime = lifetimeOf(context, { reached, messages: reading?.messages() ?? 0, lost: { at: now(), cause: error.left }, skipWait })
    recordLoss(context, lifetime)
    settle(Effect.succeed(lifetime))
  }
  const open = (socket: Socket, delivery: Delivery) =>
    Effect.suspend(() => {
      // It must not open what is being closed.
      if (context.phase._tag !== "Dialling") return Effect.interrupt
      context.epoch++
      context.phase = {
        _tag: "Open",
        socket,
        replace: (request) => {
          end(Cause.fail(request))
        }
      }
      reading = delivery
      const opened = machine.go(dialled, ConnectionState.Connected({ since: now(), epoch: context.epoch }))
      recordOpened(context, dialContext, opened, socket.protocol)
      return Effect.void
    })

  log.record(ConnectionEvent.Dialling({ at: dialled.since, attempt: dialled.attempt }))
  const scope = yield* Scope.make()
  const attempt = yield* Attempt.run({ transport, gate, settings, log, inbox, scope, attempt: dialled.attempt, open, end }).pipe(
    Effect.flatten,
    Effect.catchAllCause((cause) => Effect.sync(() => {
      end(cause)
    })),
    Effect.interruptible,
    Effect.fork
  )
  // The dial is on its way before the log is written.
  yield* Effect.yieldNow()
  yield* log.writeLog
  const begun: Started = { attempt, scope, ended: Effect.zipRight(ending.await, Effect.suspend(() => outcome)) }
  return begun
})

/** Closes all of a connection, which has ended, or was stopped. */
export const close = (context: Context, { attempt, scope }: Started, ended: Exit.Exit<Lifetime>): Effect.Effect<void> =>
  Effect.suspend(() => {
    context.phase = Phase.closing(context.phase)
    const exit = Exit.flatMap(ended, ({ lost }) => Exit.fail(lost.cause))
    return inOwnFiber(logDefects(Effect.zipRight(Fiber.interrupt(attempt), Scope.close(scope, exit))))
  }).pipe(
    Effect.map(() => {
      if (context.machine.current()._tag === "Connected") context.log.counters().gone()
    })
  )

const lifetimeOf = (
  { settings }: Context,
  { skipWait, lost, messages, reached }: Pick<Lifetime, "skipWait" | "lost" | "messages" | "reached">
): Lifetime => {
  const opened = reached._tag === "Connected"
  const openFor = Duration.millis(opened ? lost.at - reached.since : 0)
  const proven = Reconnection.isProven(settings.reconnect)({ opened, openFor, messages })
  return { reached, opened, openFor, messages, proven, lost, skipWait }
}

const recordLoss = ({ log }: Context, { lost: { at, cause }, messages, openFor, proven, reached }: Lifetime) => {
  if (reached._tag !== "Connected") return
  log.record(ConnectionEvent.Lost({ at, epoch: reached.epoch, cause, proven, openFor, messages }))
}

// In a fibre that does not live long. effect 3.22 hands the fibre that closes a scope the fibre references of whoever added
// its finalizers, and keeps a history of those: 4 KiB, and some time, for each turn of a loop.
const inOwnFiber = <A, E>(effect: Effect.Effect<A, E>) => Effect.flatMap(Effect.fork(effect), Fiber.await)

const recordOpened = ({ log }: Context, { dialled, takeLoss, inbox }: DialContext, opened: State<"Connected">, protocol: string) => {
  const { epoch, since: at } = opened
  const lost = Option.fromNullable(takeLoss())
  const outage = Option.map(lost, (before) => Duration.millis(at - before.at))
  const took = Duration.millis(at - dialled.since)
  log.record(ConnectionEvent.Opened({ at, epoch, attempt: dialled.attempt, protocol, took, outage }))
  if (Option.isSome(lost)) {
    const { at: lostAt, cause } = lost.value
    inbox.mark(Item.Gap({ epoch, cause, downtime: Duration.millis(at - lostAt), dropped: 0 }))
  }
}
