// How a connection is dialled again: as a policy says, or as a schedule of the user's own does.
import type * as Schedule from "effect/Schedule"
import * as ReconnectPolicy from "../../ReconnectPolicy.ts"

export interface Reconnection {
  readonly enabled: boolean
  readonly isProven: (life: Omit<ReconnectPolicy.Loss, "floor">) => boolean
  readonly schedule: () => Schedule.Schedule<unknown, ReconnectPolicy.Loss>
  /** How many retries are left after so many in this outage. */
  readonly retriesLeft: (attempt: number) => number | "unlimited" | "unknown"
}

export const byPolicy = (policy: ReconnectPolicy.ReconnectPolicy): Reconnection => ({
  enabled: policy.enabled,
  isProven: ReconnectPolicy.isProven(policy),
  schedule: () => ReconnectPolicy.schedule(policy),
  retriesLeft: (attempt) => policy.maxRetries === "unlimited" ? "unlimited" : policy.maxRetries - attempt
})

/** It starts over with each outage, and waits no shorter than a server asks for: all else is the schedule's. */
export const bySchedule = (schedule: Schedule.Schedule<unknown, ReconnectPolicy.Loss>): Reconnection => ({
  enabled: true,
  isProven: ReconnectPolicy.isProven(ReconnectPolicy.defaults),
  schedule: () =>
    schedule.pipe(
      ReconnectPolicy.resetWhenProven(ReconnectPolicy.defaults),
      ReconnectPolicy.noSoonerThanAsked(ReconnectPolicy.defaults.jitterFactor)
    ),
  retriesLeft: () => "unknown"
})
