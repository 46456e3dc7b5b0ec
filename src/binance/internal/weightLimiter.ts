// The limiters of REST weight. A venue counts all requests from one address together, so all clients of a process share one limiter
// for each limit that a venue has.
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as RateLimiter from "../../internal/time/rateLimiter.ts"
import * as RollingWindow from "../../internal/time/rollingWindow.ts"
import type { Venue } from "../Venue.ts"

// Clients whose times come from different clocks cannot share a limiter.
const byClock = new WeakMap<Clock.Clock, Map<string, RateLimiter.RateLimiter<number>>>()

/** The limiter for so much weight a minute at a venue. Its hold has the status of the refusal that caused it. */
export const get = ({ rest, weighedWith = rest }: Venue, weightPerMinute: number): Effect.Effect<RateLimiter.RateLimiter<number>> =>
  Effect.map(Effect.clock, (clock) => {
    const limiters = byClock.get(clock) ?? new Map<string, RateLimiter.RateLimiter<number>>()
    byClock.set(clock, limiters)
    const limit = `${weighedWith} ${weightPerMinute}`
    const limiter = limiters.get(limit) ?? RateLimiter.make<number>(RollingWindow.make(weightPerMinute, "1 minute"))
    limiters.set(limit, limiter)
    return limiter
  })
