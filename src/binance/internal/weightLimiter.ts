// The limiters of REST weight. A venue counts all requests from one address together, so all clients of a process share one limiter
// for each limit that a venue has.
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as RateLimiter from "../../internal/time/rateLimiter.ts"
import * as RollingWindow from "../../internal/time/rollingWindow.ts"
import type { Venue } from "../Venue.ts"

/** A limiter, and the weight of the last minute. Its hold has the status of the refusal that caused it. */
export interface WeightLimiter {
  readonly limiter: RateLimiter.RateLimiter<number>
  readonly used: (now: number) => number
}

// Clients whose times come from different clocks cannot share a limiter.
const byClock = new WeakMap<Clock.Clock, Map<string, WeightLimiter>>()

const make = (weightPerMinute: number): WeightLimiter => {
  const window = RollingWindow.make(weightPerMinute, "1 minute")
  return { limiter: RateLimiter.make<number>(window), used: window.used }
}

/** The limiter for so much weight a minute at a venue. */
export const get = ({ rest, weighedWith = rest }: Venue, weightPerMinute: number): Effect.Effect<WeightLimiter> =>
  Effect.map(Effect.clock, (clock) => {
    const limiters = byClock.get(clock) ?? new Map<string, WeightLimiter>()
    byClock.set(clock, limiters)
    const limit = `${weighedWith} ${weightPerMinute}`
    const limiter = limiters.get(limit) ?? make(weightPerMinute)
    limiters.set(limit, limiter)
    return limiter
  })
