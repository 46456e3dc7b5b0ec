// The schedule that decides when a connection is dialled again: a policy's, or one that the user made.
import * as Schedule from "effect/Schedule"
import * as ReconnectPolicy from "../../ReconnectPolicy.ts"

export type Reconnect = ReconnectPolicy.ReconnectPolicy | Schedule.Schedule<unknown, ReconnectPolicy.Loss>

export interface Reconnection {
  readonly enabled: boolean
  readonly schedule: Schedule.Schedule<unknown, ReconnectPolicy.Loss>
  /** The number of retries that remain in this outage after retry number `attempt`. */
  readonly retriesLeft: (attempt: number) => number | "unlimited" | "unknown"
}

const byPolicy = (policy: ReconnectPolicy.ReconnectPolicy): Reconnection => ({
  enabled: policy.enabled,
  schedule: ReconnectPolicy.schedule(policy),
  retriesLeft: (attempt) => policy.maxRetries === "unlimited" ? "unlimited" : policy.maxRetries - attempt
})

// Two rules apply to a user's schedule: it starts over after a proven connection, and no wait is below the failure's floor.
const bySchedule = (schedule: Schedule.Schedule<unknown, ReconnectPolicy.Loss>): Reconnection => ({
  enabled: true,
  schedule: schedule.pipe(
    ReconnectPolicy.resetWhenProven(ReconnectPolicy.defaults),
    ReconnectPolicy.noSoonerThanAsked(ReconnectPolicy.defaults.jitterFactor)
  ),
  retriesLeft: () => "unknown"
})

export const from = (reconnect: Reconnect): Reconnection =>
  Schedule.isSchedule(reconnect) ? bySchedule(reconnect) : byPolicy(reconnect)

/** Tells whether a connection was proven. With a user's schedule, the settings of the default policy decide. */
export const isProven = (reconnect: Reconnect): (lifetime: Omit<ReconnectPolicy.Loss, "floor">) => boolean =>
  ReconnectPolicy.isProven(Schedule.isSchedule(reconnect) ? ReconnectPolicy.defaults : reconnect)
