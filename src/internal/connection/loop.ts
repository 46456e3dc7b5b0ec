// The life of a connection: it dials, lives until it is lost, decides, waits, and dials again, until it is given up or
// stopped.
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import type { ConnectionError } from "../../ConnectionError.ts"
import * as ConnectionEvent from "../../ConnectionEvent.ts"
import * as ConnectionState from "../../ConnectionState.ts"
import { sleep } from "../time/sleep.ts"
import * as Inbox from "./inbox.ts"
import type { Context, Lifetime, Lost } from "./lifetime.ts"
import { begin, close } from "./lifetime.ts"
import * as Phase from "./phase.ts"
import * as RetryState from "./retryState.ts"
import type { State } from "./stateMachine.ts"
import { isActive } from "./stateMachine.ts"

const run = Effect.fnUntraced(function*(context: Context, inbox: Inbox.Inbox, first: State<"Connecting">) {
  let dialled = first
  // Until it is healed, and no longer: the stack of its error keeps the attempt that made it in memory.
  let lost: Lost | undefined
  const takeLoss = () => {
    const healed = lost
    lost = undefined
    return healed
  }
  // Made for the first loss: many a connection has none.
  let retries: RetryState.RetryState | undefined
  for (;;) {
    const connection = yield* begin(context, { dialled, takeLoss, inbox })
    const ended = yield* Effect.exit(Effect.interruptible(connection.ended))
    yield* close(context, connection, ended)
    // Whoever stops the connection, before or while it closes, decides what comes next.
    const lifetime = yield* Effect.interruptible(ended)
    if (lifetime.opened) lost = lifetime.lost
    retries ??= RetryState.make(context.settings.reconnect, context.settings.classify)
    const next = yield* decide(context, retries, lifetime)
    if (next._tag === "GivenUp") {
      inbox.end(Exit.fail(next.error))
      return
    }
    yield* wait(context, next.delay, lifetime.skipWait)
    dialled = dial(context, next.state, next.state.attempt)
  }
})

type Next =
  | { readonly _tag: "Dial"; readonly state: State<"Reconnecting">; readonly delay: Duration.Duration }
  | { readonly _tag: "GivenUp"; readonly error: ConnectionError }

const dialNext = (state: State<"Reconnecting">, delay: Duration.Duration): Next => ({ _tag: "Dial", state, delay })
const givenUp = (error: ConnectionError): Next => ({ _tag: "GivenUp", error })

const decide = Effect.fnUntraced(function*(
  context: Context,
  retries: RetryState.RetryState,
  lifetime: Lifetime
) {
  const { clock, log, machine } = context
  const { lost: { cause }, reached } = lifetime
  const at = clock.unsafeCurrentTimeMillis()
  retries.settle(lifetime)
  if (cause._tag === "ReconnectRequested") {
    const requested = { since: at, attempt: retries.attempt(), nextDialAt: at, cause }
    return dialNext(machine.go(reached, ConnectionState.Reconnecting(requested)), Duration.zero)
  }
  if (reached._tag === "Connecting") log.record(ConnectionEvent.AttemptFailed({ at, attempt: reached.attempt, cause }))
  const decision = yield* Effect.tapDefect(retries.decide(lifetime, cause), () =>
    Effect.sync(() => {
      context.failing = retries.running()
    }))
  if (decision._tag === "GivenUp") {
    context.phase = Phase.ended
    machine.go(reached, ConnectionState.Failed({ since: at, error: decision.error }))
    log.record(ConnectionEvent.Failed({ at, ...decision }))
    yield* log.writeLog
    return givenUp(decision.error)
  }
  const until = at + Duration.toMillis(decision.delay)
  const waiting = { since: at, attempt: decision.attempt, nextDialAt: until, cause }
  const state = machine.go(reached, ConnectionState.Reconnecting(waiting))
  log.record(ConnectionEvent.Waiting({ at, cause, until, ...decision }))
  if (until > at) yield* log.writeLog
  return dialNext(state, decision.delay)
})

const wait = (context: Context, delay: Duration.Duration, skipWait: Effect.Latch) =>
  Effect.suspend(() => {
    if (Duration.equals(delay, Duration.zero)) return Effect.void
    context.phase = { _tag: "Waiting", skipWait }
    // Who was told of the wait may hurry it, or stop the connection, before it begins.
    return Effect.zipRight(Effect.yieldNow(), Effect.raceFirst(sleep(delay), skipWait.await))
  }).pipe(Effect.interruptible)

// The state is Connecting when this returns.
const dial = (context: Context, from: State<"Disconnected" | "Failed" | "Reconnecting">, attempt: number) => {
  context.phase = Phase.dialling
  return context.machine.go(from, ConnectionState.Connecting({ since: context.clock.unsafeCurrentTimeMillis(), attempt }))
}

// A defect must not look like a quiet market, nor like a dial that is still under way.
const die = (context: Context, inbox: Inbox.Inbox, cause: Cause.Cause<never>) => {
  const { clock, failing: option, log, machine } = context
  const subject = option === undefined ? "A defect ended the connection" : `The option ${option} ended the connection with a defect`
  return Effect.map(Effect.logError(`${subject}. Nothing is dialled until connect is called.`, cause), () => {
    context.failing = undefined
    context.phase = Phase.ended
    const at = clock.unsafeCurrentTimeMillis()
    const state = machine.current()
    if (isActive(state)) machine.go(state, ConnectionState.Disconnected({ since: at, defect: { option, cause } }))
    log.publish(ConnectionEvent.Died({ at, cause, option }))
    inbox.end(Exit.failCause(cause))
  })
}

export interface Loop {
  readonly phase: () => Phase.Phase
  /** What the connection brings, from one `start` to the end of its run. */
  readonly inbox: () => Inbox.Inbox
  /** Begins a run. The state is Connecting when this returns. */
  readonly start: (from: State<"Disconnected" | "Failed">) => void
  /** Ends the run, whatever goes on, and returns when its socket is gone. */
  readonly stop: Effect.Effect<void>
}

export const make = Effect.fnUntraced(function*(
  { gate, log, machine, settings, transport }: Omit<Context, "clock" | "phase" | "epoch" | "failing">
) {
  const runFork = Runtime.runFork(yield* Effect.runtime())
  const clock = yield* Effect.clock
  // Written out: V8 gives an object that is spread a shape of its own, which weighs as much again.
  const context: Context = { transport, gate, settings, clock, machine, log, phase: Phase.ended, epoch: 0, failing: undefined }

  const { capacity, overflow } = settings.inbox
  const newInbox = () => Inbox.make({ capacity, overflow, epoch: () => context.epoch, clock, log })
  let inbox = newInbox()
  let fiber: Fiber.RuntimeFiber<void> | undefined

  const loop: Loop = {
    phase: () => context.phase,
    inbox: () => inbox,
    start: (from) => {
      inbox = newInbox()
      const going = run(context, inbox, dial(context, from, 0)).pipe(
        // Unless it is stopped: that interrupts.
        Effect.catchAllCause((cause) => Effect.interruptible(die(context, inbox, cause)))
      )
      fiber = runFork(Effect.uninterruptible(going), { immediate: false })
    },
    stop: Effect.suspend(() => fiber === undefined ? Effect.void : Fiber.interrupt(fiber)).pipe(
      Effect.map(() => {
        context.phase = Phase.ended
      })
    )
  }
  return loop
})
