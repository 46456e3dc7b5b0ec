// From one failure to the next: what has been tried in this outage, and what to do now.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import type { Attempt, AttemptError, ConnectionError } from "../../ConnectionError.ts"
import { RetriesExhausted } from "../../ConnectionError.ts"
import type { GiveUp } from "../../ConnectionEvent.ts"
import type { Classify, FailureClass } from "../../FailureClass.ts"
import { classify as standard } from "../../FailureClass.ts"
import * as ReconnectPolicy from "../../ReconnectPolicy.ts"

// What an exhausted budget can show of its history; more would be memory for nobody.
const historyLimit = 100

export interface Wait {
  readonly _tag: "Wait"
  readonly attempt: number
  readonly class: FailureClass
  readonly delay: Duration.Duration
  readonly retriesLeft: number | "unlimited"
}

export interface GivenUp {
  readonly _tag: "GivenUp"
  readonly class: FailureClass
  readonly because: GiveUp
  readonly error: ConnectionError
}

export type Decision = Wait | GivenUp

export interface Life {
  readonly opened: boolean
  readonly openFor: Duration.Duration
  readonly messages: number
}

export interface Outage {
  /** Which retry the next dial is; 0 when nothing has failed since the last proven life. */
  readonly attempt: () => number
  /** Says whether a life was proven, and if so forgets what failed before it. Every life is settled once. */
  readonly settle: (life: Life) => boolean
  readonly decide: (error: AttemptError) => Effect.Effect<Decision>
}

// The facts by which one failure is the same as another.
const signature = (error: AttemptError): string => {
  switch (error._tag) {
    case "ConnectionClosed":
    case "DialFailed":
      return `${error._tag} ${error.code}`
    case "HandshakeRejected":
      return `${error._tag} ${error.status}`
    case "ConnectionTimeout":
      return `${error._tag} ${error.phase}`
    default:
      return error._tag
  }
}

export const make = (policy: ReconnectPolicy.ReconnectPolicy, classify: Classify): Outage => {
  const isProven = ReconnectPolicy.isProven(policy)
  // Made for the first failure: a connection that has none needs no schedule.
  let schedule: Schedule.Schedule<ReconnectPolicy.Loss, ReconnectPolicy.Loss> | undefined
  let step: unknown
  let last: Life = { opened: false, openFor: Duration.zero, messages: 0 }
  let attempt = 0
  let since: number | undefined
  let history: Array<Attempt> = []
  let counts = new Map<string, number>()

  const settle = (life: Life) => {
    last = life
    if (!isProven({ ...life, floor: Option.none() })) return false
    step = schedule?.initial
    attempt = 0
    since = undefined
    history = []
    counts = new Map()
    return true
  }

  const decide = Effect.fnUntraced(function*(error: AttemptError) {
    const now = yield* Clock.currentTimeMillis
    since ??= now
    if (history.length === historyLimit) history.shift()
    history.push({ at: now, error })
    const count = (counts.get(signature(error)) ?? 0) + 1
    counts.set(signature(error), count)

    const failureClass = classify(error, standard(error))
    const giveUp = (because: GiveUp, final: ConnectionError = error): Decision =>
      ({ _tag: "GivenUp", class: failureClass, because, error: final })
    if (!policy.enabled) return giveUp("disabled")
    if (failureClass._tag === "Fatal") return giveUp("fatal")
    if (failureClass._tag === "Limited" && count > failureClass.tries) return giveUp("limited")

    if (schedule === undefined) {
      schedule = ReconnectPolicy.schedule(policy)
      step = schedule.initial
    }
    const stepped = yield* schedule.step(now, {
      opened: last.opened,
      openFor: last.openFor,
      messages: last.messages,
      floor: failureClass._tag === "RetryAfter" ? Option.some(failureClass.floor) : Option.none()
    }, step)
    step = stepped[0]
    const decision = stepped[2]
    if (ScheduleDecision.isDone(decision)) {
      const elapsed = Duration.millis(now - since)
      return giveUp("exhausted", new RetriesExhausted({ attempts: attempt, elapsed, last: error, history }))
    }
    attempt++
    const wait: Decision = {
      _tag: "Wait",
      attempt,
      class: failureClass,
      delay: Duration.millis(Math.max(0, ScheduleIntervals.start(decision.intervals) - now)),
      retriesLeft: policy.maxRetries === "unlimited" ? "unlimited" : policy.maxRetries - attempt
    }
    return wait
  })

  return { attempt: () => attempt, settle, decide }
}
