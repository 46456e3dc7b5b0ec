// How a connection is dialled again: as a policy says, or as a schedule of the user's own does.
import * as Schedule from "effect/Schedule"
import * as ReconnectPolicy from "../../ReconnectPolicy.ts"

export type Reconnect = ReconnectPolicy.ReconnectPolicy | Schedule.Schedule<unknown, ReconnectPolicy.Loss>

export interface Reconnection {
  readonly enabled: boolean
  readonly schedule: Schedule.Schedule<unknown, ReconnectPolicy.Loss>
  /** How many retries are left after so many in this outage. */
  readonly retriesLeft: (attempt: number) => number | "unlimited" | "unknown"
}

const byPolicy = (policy: ReconnectPolicy.ReconnectPolicy): Reconnection => ({
  enabled: policy.enabled,
  schedule: ReconnectPolicy.schedule(policy),
  retriesLeft: (attempt) => policy.maxRetries === "unlimited" ? "unlimited" : policy.maxRetries - attempt
})

// It starts over with each outage, and waits no shorter than a server asks for: all else is the schedule's.
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

/** Whether a connection forgets the failures before it. Where a schedule decides, it is proven by the defaults. */
export const isProven = (reconnect: Reconnect): (lifetime: Omit<ReconnectPolicy.Loss, "floor">) => boolean =>
  ReconnectPolicy.isProven(Schedule.isSchedule(reconnect) ? ReconnectPolicy.defaults : reconnect)
