/**
 * What the exchange lets one address do, and what it does to those who do more: all its clients come from loopback, so
 * they share one allowance, as everybody behind one address does at Binance.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as RollingWindow from "../../internal/time/rollingWindow.ts"
import type { Refusal } from "./Fault.ts"

/**
 * The limits. The defaults are Binance's (docs, spot).
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Messages a second from one connection, pings and pongs among them. Default: 5. */
  readonly messagesPerSecond?: number | undefined
  /** Upgrades in five minutes. Default: 300. */
  readonly dialsPerFiveMinutes?: number | undefined
  /** Streams of one connection. Default: 1024. */
  readonly streamsPerConnection?: number | undefined
  /** Weight of REST requests in a minute. Default: 6000. */
  readonly weightPerMinute?: number | undefined
  /** How long who goes on regardless is banned. Default: 2 minutes. */
  readonly ban?: Duration.DurationInput | undefined
}

/**
 * How often a limit was exceeded.
 *
 * @since 0.1.0
 * @category models
 */
export interface Violations {
  readonly messages: number
  readonly dials: number
  readonly streams: number
  readonly weight: number
  /** How often somebody was banned. */
  readonly bans: number
}

/**
 * Keeps count.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  readonly streamsPerConnection: number
  /** A counter for one connection: says whether a message at this moment is one too many. */
  readonly connection: () => (now: number) => boolean
  /** Why a dial at this moment is refused, if it is. */
  readonly dial: (now: number) => Omit<Refusal, "times"> | undefined
  /** Why a request of this weight is refused at this moment, if it is. */
  readonly request: (weight: number, now: number) => Omit<Refusal, "times"> | undefined
  /** The weight used in the minute under way. */
  readonly usedWeight: () => number
  readonly tooManyStreams: () => void
  readonly violations: () => Violations
}

// How often somebody may offend before being banned.
const gracePeriod = 3

const minute = 60_000

const inSeconds = (millis: number) => String(Math.max(1, Math.ceil(millis / 1_000)))

/**
 * Starts counting from nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Limits => {
  const ban = Duration.toMillis(options.ban ?? "2 minutes")
  const messagesPerSecond = options.messagesPerSecond ?? 5
  const dialsPerFiveMinutes = options.dialsPerFiveMinutes ?? 300
  const weightPerMinute = options.weightPerMinute ?? 6_000
  const dials = RollingWindow.make(dialsPerFiveMinutes, "5 minutes")
  const counts = { messages: 0, dials: 0, streams: 0, weight: 0, bans: 0 }
  let bannedUntil = Number.NEGATIVE_INFINITY
  let currentMinute = 0
  let used = 0
  let refusedInMinute = 0

  const punish = (now: number) => {
    counts.bans++
    bannedUntil = now + ban
  }
  const banned = (now: number) =>
    now < bannedUntil ? { status: 418, retryAfter: inSeconds(bannedUntil - now) } : undefined

  return {
    streamsPerConnection: options.streamsPerConnection ?? 1_024,
    connection: () => {
      const window = RollingWindow.make(messagesPerSecond, "999 millis")
      return (now) => {
        window.unsafeTake(1, now)
        if (window.used(now) <= messagesPerSecond) return false
        counts.messages++
        if (counts.messages % gracePeriod === 0) punish(now)
        return true
      }
    },
    dial: (now) => {
      const refusal = banned(now)
      if (refusal !== undefined) return refusal
      dials.unsafeTake(1, now)
      if (dials.used(now) <= dialsPerFiveMinutes) return undefined
      counts.dials++
      return { status: 429, retryAfter: "60" }
    },
    request: (weight, now) => {
      const refusal = banned(now)
      if (refusal !== undefined) return refusal
      if (Math.floor(now / minute) !== currentMinute) {
        currentMinute = Math.floor(now / minute)
        used = 0
        refusedInMinute = 0
      }
      used += weight
      if (used <= weightPerMinute) return undefined
      counts.weight++
      refusedInMinute++
      if (refusedInMinute > gracePeriod) {
        punish(now)
        return banned(now)
      }
      return { status: 429, retryAfter: inSeconds(minute - now % minute) }
    },
    usedWeight: () => used,
    tooManyStreams: () => {
      counts.streams++
    },
    violations: () => ({ ...counts })
  }
}
