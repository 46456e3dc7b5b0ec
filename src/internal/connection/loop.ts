// The loop of a connection: dials, reads until the loss, decides, waits, and dials again, until it is given up or stopped.
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import type { CloseFrame } from "../../ConnectionError.ts"
import * as ConnectionEvent from "../../ConnectionEvent.ts"
import * as ConnectionState from "../../ConnectionState.ts"
import { holdWakes } from "../stream/wakes.ts"
import { monotonicMillis } from "../time/monotonic.ts"
import { sleep } from "../time/sleep.ts"
import { Redactor } from "../transport/redactor.ts"
import { countOf } from "./dialRequest.ts"
import * as Endpoints from "./endpoints.ts"
import * as Inbox from "./inbox.ts"
import type { Context, Lifetime, Lost } from "./lifetime.ts"
import { begin, close } from "./lifetime.ts"
import { untilOnline } from "./network.ts"
import * as Phase from "./phase.ts"
import * as RetryState from "./retryState.ts"
import type { State } from "./stateMachine.ts"
import { isActive } from "./stateMachine.ts"

const run = Effect.fnUntraced(function*(context: Context, inbox: Inbox.Inbox, first: State<"Connecting">) {
  const urlCount = countOf(context.settings.request.source)
  let dialled = first
  // The last loss, forgotten when the next connection opens: the stack trace of its error keeps the attempt in memory.
  let lost: Lost | undefined
  const takeLoss = () => {
    const healed = lost
    lost = undefined
    return healed
  }
  // Made at the first loss: most connections have none for a long time.
  let retries: RetryState.RetryState | undefined
  for (;;) {
    const connection = yield* begin(context, { dialled, takeLoss, inbox })
    const ended = yield* Effect.exit(Effect.interruptible(connection.ended))
    // Decides before the socket is closed, which may take `closeTimeout`: the state shows at once that the connection is lost.
    const decided = yield* Effect.exit(Effect.flatMap(ended, (lifetime) => {
      if (lifetime.opened) lost = lifetime.lost
      context.choice = Endpoints.after(context.choice, urlCount, { proven: lifetime.proven, cause: lifetime.lost.cause })
      retries ??= RetryState.make(context.settings)
      return decide(context, inbox, retries, lifetime)
    }))
    yield* close(context, connection, ended)
    const next = yield* decided
    if (next === undefined) return
    yield* wait(context, next)
    dialled = enterDialling(context, next.state, next.state.attempt)
  }
})

interface NextDial {
  readonly state: State<"Reconnecting">
  /** The wait, which began at this moment in monotonic time. */
  readonly delay: Duration.Duration
  readonly decidedAt: number
  readonly skipWait: Effect.Latch
}

// Returns undefined when the connection is given up.
const decide = Effect.fnUntraced(function*(
  context: Context,
  inbox: Inbox.Inbox,
  retries: RetryState.RetryState,
  lifetime: Lifetime
) {
  const { clock, log, machine } = context
  const { lost: { cause }, reached, skipWait } = lifetime
  const dialNext = (state: State<"Reconnecting">, delay: Duration.Duration): NextDial =>
    ({ state, delay, decidedAt: monotonicMillis(clock), skipWait })
  const at = clock.unsafeCurrentTimeMillis()
  retries.settle(lifetime)
  if (cause._tag === "ReconnectRequested") {
    const requested = { since: at, attempt: retries.attempt(), nextDialAt: at, cause }
    return dialNext(machine.go(reached, ConnectionState.Reconnecting(requested)), Duration.zero)
  }
  if (reached._tag === "Connecting") log.record(ConnectionEvent.AttemptFailed({ at, attempt: reached.attempt, cause }))
  const decision = yield* Effect.tapDefect(retries.decide(lifetime, cause, context.choice.untried), () =>
    Effect.sync(() => {
      context.failing = retries.running()
    }))
  if (decision._tag === "GivenUp") {
    context.phase = Phase.ended
    holdWakes(() => {
      machine.go(reached, ConnectionState.Failed({ since: at, error: decision.error }))
      log.record(ConnectionEvent.Failed({ at, ...decision }))
      inbox.end(Exit.fail(decision.error))
    })
    yield* log.writeLog
    return undefined
  }
  const until = at + Duration.toMillis(decision.delay)
  const waiting = { since: at, attempt: decision.attempt, nextDialAt: until, cause }
  const state = holdWakes(() => {
    log.record(ConnectionEvent.Waiting({ at, cause, until, ...decision }))
    return machine.go(reached, ConnectionState.Reconnecting(waiting))
  })
  if (until > at) yield* log.writeLog
  return dialNext(state, decision.delay)
})

const wait = (context: Context, { decidedAt, delay, skipWait }: NextDial) =>
  Effect.suspend(() => {
    const left = Duration.subtract(delay, Duration.millis(monotonicMillis(context.clock) - decidedAt))
    if (Duration.equals(left, Duration.zero)) return Effect.void
    context.phase = { _tag: "Waiting", skipWait }
    const { network } = context.transport
    const skipped = network === undefined ? skipWait.await : Effect.raceFirst(skipWait.await, untilOnline(network))
    // Lets readers of the events skip the wait or stop the connection before it begins.
    return Effect.zipRight(Effect.yieldNow(), Effect.raceFirst(sleep(left), skipped))
  }).pipe(Effect.interruptible)

// Sets phase and state for the next dial.
const enterDialling = (context: Context, from: State<"Disconnected" | "Failed" | "Reconnecting">, attempt: number) => {
  context.phase = Phase.dialling
  return context.machine.go(from, ConnectionState.Connecting({ since: context.clock.unsafeCurrentTimeMillis(), attempt }))
}

// Ends the connection after a defect, with an event, a log line and a failure of its streams: it must not look as if the
// peer had nothing to send.
const die = (context: Context, inbox: Inbox.Inbox, given: Cause.Cause<never>) => {
  const cause = context.redactor.cause(given)
  const { clock, failing: option, log, machine } = context
  const subject = option === undefined ? "A defect ended the connection" : `The option ${option} ended the connection with a defect`
  return Effect.map(Effect.logError(`${subject}. Call connect to dial again.`, cause), () => {
    context.failing = undefined
    context.phase = Phase.ended
    const at = clock.unsafeCurrentTimeMillis()
    holdWakes(() => {
      const state = machine.current()
      if (isActive(state)) machine.go(state, ConnectionState.Disconnected({ since: at, defect: { option, cause } }))
      log.publish(ConnectionEvent.Died({ at, cause, option }))
      inbox.end(Exit.failCause(cause))
    })
  })
}

export interface Loop {
  /** Removes what the dials have sent from text that is shown. */
  readonly redactor: Redactor
  readonly phase: () => Phase.Phase
  /** The inbox of the current run. Each `start` makes a new one. */
  readonly inbox: () => Inbox.Inbox
  /** Starts a run. The state is `Connecting` when this returns. */
  readonly start: (from: State<"Disconnected" | "Failed">) => void
  /** Stops the run in any phase, with this close frame. Completes when its socket is closed. */
  readonly stop: (close?: CloseFrame) => Effect.Effect<void>
}

export const make = Effect.fnUntraced(function*(
  { gate, log, machine, settings, transport }: Omit<Context, "clock" | "redactor" | "phase" | "choice" | "leaving" | "epoch" | "failing">
) {
  const runFork = Runtime.runFork(yield* Effect.runtime())
  const clock = yield* Effect.clock
  // No spread: V8 gives a spread object its own hidden class, which takes as much memory again.
  const redactor = new Redactor()
  const context: Context = {
    transport,
    gate,
    settings,
    clock,
    machine,
    log,
    redactor,
    phase: Phase.ended,
    choice: Endpoints.first,
    leaving: undefined,
    epoch: 0,
    failing: undefined
  }

  const { capacity, maxBytes, overflow } = settings.inbox
  const newInbox = () => Inbox.make({ capacity, maxBytes, overflow, epoch: () => context.epoch, clock, log })
  let inbox = newInbox()
  let fiber: Fiber.RuntimeFiber<void> | undefined

  const loop: Loop = {
    redactor,
    phase: () => context.phase,
    inbox: () => inbox,
    start: (from) => {
      inbox = newInbox()
      // The socket of a connection that was given up may still be closing.
      const before = fiber?.unsafePoll() === null ? Fiber.await(fiber) : Effect.void
      const running = run(context, inbox, enterDialling(context, from, 0)).pipe(
        // Interruptible, so that `die` does not run after `stop`, which interrupts this fibre.
        Effect.catchAllCause((cause) => Effect.interruptible(die(context, inbox, cause)))
      )
      const next = Effect.zipRight(before, Effect.zipRight(Effect.interruptible(Effect.void), running))
      fiber = runFork(Effect.uninterruptible(next), { immediate: false })
    },
    stop: (close) =>
      Effect.suspend(() => {
        context.leaving = close
        return fiber === undefined ? Effect.void : Fiber.interrupt(fiber)
      }).pipe(
        Effect.map(() => {
          context.phase = Phase.ended
        })
      )
  }
  return loop
})
