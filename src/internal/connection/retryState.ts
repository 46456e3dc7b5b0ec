// Counts the failures of an outage and decides after each: wait and dial again, or give up.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { Attempt, AttemptError, ConnectionError, Defect } from "../../ConnectionError.ts"
import { RetriesExhausted } from "../../ConnectionError.ts"
import type { GiveUp } from "../../ConnectionEvent.ts"
import type { FailureClass } from "../../FailureClass.ts"
import { classify as standard } from "../../FailureClass.ts"
import type { Loss } from "../../ReconnectPolicy.ts"
import { monotonicClock, monotonicMillis } from "../time/monotonic.ts"
import * as Reconnection from "./reconnection.ts"
import type { Settings } from "./settings.ts"

export interface Wait {
  readonly _tag: "Wait"
  readonly attempt: number
  readonly class: FailureClass
  readonly delay: Duration.Duration
  readonly retriesLeft: number | "unlimited" | "unknown"
}

export interface GivenUp {
  readonly _tag: "GivenUp"
  readonly class: FailureClass
  readonly because: GiveUp
  readonly error: ConnectionError
}

export type Decision = Wait | GivenUp

/** The facts of a lifetime, failed dials included, and whether it was proven. */
export interface Lifetime extends Omit<Loss, "floor"> {
  readonly proven: boolean
}

export interface RetryState {
  /** The number of retries in this outage so far; 0 if nothing has failed since the last proven connection. */
  readonly attempt: () => number
  /** Resets the outage if the connection was proven. Called once at the end of each lifetime, before `decide`. */
  readonly settle: (lifetime: Lifetime) => void
  /** Records a failure and decides. While another URL is untried, no failure but of the budget is final. */
  readonly decide: (lifetime: Lifetime, error: AttemptError, untried: boolean) => Effect.Effect<Decision>
  /** The option whose function runs now. After a defect in `decide`, the option that caused it. */
  readonly running: () => Defect["option"]
}

// The failures since the last proven connection.
interface Outage {
  readonly attempt: number
  /** The first failure, in monotonic time. */
  readonly since: number | undefined
  readonly history: ReadonlyArray<Attempt>
  /** The number of failures by signature. */
  readonly counts: ReadonlyMap<string, number>
}

const noOutage: Outage = { attempt: 0, since: undefined, history: [], counts: new Map() }

// The most failures in the history of `RetriesExhausted`.
const historyLimit = 100

// Failures with the same signature count as the same failure.
const signature = (error: AttemptError): string => {
  switch (error._tag) {
    case "ConnectionClosed":
    case "DialFailed":
      return `${error._tag} ${error.code}`
    case "HandshakeRejected":
      return `${error._tag} ${error.status}`
    case "ConnectionTimeout":
      return `${error._tag} ${error.deadline}`
    default:
      return error._tag
  }
}

const countOf = ({ counts }: Outage, error: AttemptError) => counts.get(signature(error)) ?? 0

const withFailure = (outage: Outage, at: number, moment: number, error: AttemptError): Outage => ({
  ...outage,
  since: outage.since ?? moment,
  history: [...outage.history.slice(1 - historyLimit), { at, error }],
  counts: new Map(outage.counts).set(signature(error), countOf(outage, error) + 1)
})

// `count` is the number of times that this failure has come in the outage.
const reasonToGiveUp = (failureClass: FailureClass, count: number, hasBeenProven: boolean): GiveUp | undefined => {
  switch (failureClass._tag) {
    case "Fatal":
      return "fatal"
    case "Passing":
      if (hasBeenProven || count <= failureClass.tries) return undefined
      return failureClass.tries === 0 ? "fatal" : "limited"
    case "Limited":
      return count > failureClass.tries ? "limited" : undefined
    case "Retry":
    case "RetryAfter":
      return undefined
  }
}

// A driver that returns each wait at once, for the caller to wait.
const driverOfWaits = <R>(schedule: Schedule.Schedule<unknown, Loss, R>) =>
  Schedule.driver(Schedule.modifyDelay(Schedule.delays(schedule), () => Duration.zero))

export const make = ({ classify, isTrusted, reconnect }: Pick<Settings, "classify" | "isTrusted" | "reconnect">): RetryState => {
  const { enabled, retriesLeft, schedule } = Reconnection.from(reconnect)
  let outage = noOutage
  let running: Defect["option"]
  let hasBeenProven = false
  // The last proven lifetime, until the schedule gets it as input. `reconnect` does not step the schedule, so the next
  // failure steps it with this lifetime. Thus the schedule starts over for every outage.
  let lastProven: Lifetime | undefined
  // Made at the first failure: `reconnect` needs no schedule.
  let driver: Schedule.ScheduleDriver<Duration.Duration, Loss> | undefined

  const settle = (lifetime: Lifetime) => {
    if (!lifetime.proven) return
    hasBeenProven = true
    outage = noOutage
    lastProven = lifetime
  }

  const decide = Effect.fnUntraced(function*(lifetime: Lifetime, error: AttemptError, untried: boolean) {
    const clock = yield* Effect.clock
    const moment = monotonicMillis(clock)
    outage = withFailure(outage, clock.unsafeCurrentTimeMillis(), moment, error)
    running = "classify"
    const failureClass = classify(error, standard(error))
    running = undefined
    const giveUp = (because: GiveUp, final: ConnectionError = error): Decision =>
      ({ _tag: "GivenUp", class: failureClass, because, error: final })
    if (!enabled) return giveUp("disabled")
    const because = untried ? undefined : reasonToGiveUp(failureClass, countOf(outage, error), hasBeenProven || isTrusted())
    if (because !== undefined) return giveUp(because)

    driver ??= yield* driverOfWaits(schedule)
    const { isAccepted, messages, openFor, opened, pongs } = lastProven ?? lifetime
    lastProven = undefined
    const floor = failureClass._tag === "RetryAfter" ? Option.some(failureClass.floor) : Option.none()
    running = "reconnect"
    const delay = yield* Effect.option(Effect.withClock(driver.next({ opened, openFor, messages, pongs, isAccepted, floor }), monotonicClock(clock)))
    running = undefined
    const { attempt: attempts, history, since = moment } = outage
    if (Option.isNone(delay)) {
      return giveUp("exhausted", new RetriesExhausted({ attempts, elapsed: Duration.millis(moment - since), last: error, history }))
    }
    outage = { ...outage, attempt: attempts + 1 }
    const wait: Decision = {
      _tag: "Wait",
      attempt: outage.attempt,
      class: failureClass,
      delay: delay.value,
      retriesLeft: retriesLeft(outage.attempt)
    }
    return wait
  })

  return { attempt: () => outage.attempt, settle, decide, running: () => running }
}
