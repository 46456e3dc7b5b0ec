// PLACEHOLDER by the lead, only so that Connection can be run; to be overwritten by the real module.
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"

export interface ReconnectPolicy {
  readonly enabled: boolean
  readonly maxRetries: number | "unlimited"
  readonly initialDelay: Duration.Duration
  readonly maxDelay: Duration.Duration
  readonly backoffMultiplier: number
  readonly jitterFactor: number
  readonly stableAfter: Duration.Duration
  readonly provenBy: "message" | "open"
}
export interface Options {
  readonly enabled?: boolean | undefined
  readonly maxRetries?: number | "unlimited" | undefined
  readonly initialDelay?: Duration.DurationInput | undefined
  readonly maxDelay?: Duration.DurationInput | undefined
  readonly backoffMultiplier?: number | undefined
  readonly jitterFactor?: number | undefined
  readonly stableAfter?: Duration.DurationInput | undefined
  readonly provenBy?: "message" | "open" | undefined
}
export const make = (o: Options = {}): Either.Either<ReconnectPolicy, ConfigError.ConfigError> =>
  Either.right({
    enabled: o.enabled ?? true,
    maxRetries: o.maxRetries ?? 10,
    initialDelay: Duration.decode(o.initialDelay ?? "1 second"),
    maxDelay: Duration.decode(o.maxDelay ?? "60 seconds"),
    backoffMultiplier: o.backoffMultiplier ?? 2,
    jitterFactor: o.jitterFactor ?? 0.25,
    stableAfter: Duration.decode(o.stableAfter ?? "5 seconds"),
    provenBy: o.provenBy ?? "message"
  })
export interface Loss {
  readonly opened: boolean
  readonly openFor: Duration.Duration
  readonly messages: number
  readonly floor: Option.Option<Duration.Duration>
}
export const isProven = (p: ReconnectPolicy) => (l: Loss) =>
  l.opened && Duration.greaterThanOrEqualTo(l.openFor, p.stableAfter) && (p.provenBy === "open" || l.messages > 0)
export const schedule = (p: ReconnectPolicy): Schedule.Schedule<Loss, Loss> =>
  Schedule.exponential(p.initialDelay, p.backoffMultiplier).pipe(
    Schedule.modifyDelay((_, d) => Duration.min(d, p.maxDelay)),
    Schedule.modifyDelayEffect((_, d) => {
      const b = Duration.toMillis(d)
      const hi = Math.min(b * (1 + p.jitterFactor), Duration.toMillis(p.maxDelay))
      const lo = b * (1 - p.jitterFactor)
      return Effect.map(Random.next, (x) => Duration.millis(lo + x * (hi - lo)))
    }),
    Schedule.intersect(p.maxRetries === "unlimited" ? Schedule.forever : Schedule.recurs(p.maxRetries)),
    Schedule.zipRight(Schedule.identity<Loss>()),
    Schedule.resetWhen(isProven(p)),
    Schedule.modifyDelay((l, d) => l.floor._tag === "Some" ? Duration.max(d, l.floor.value) : d)
  )
