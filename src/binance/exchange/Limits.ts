/**
 * Binance's limits per IP address: the exchange counts messages, dials, streams and request weight, refuses requests
 * beyond a limit, and bans the address after repeated violations. All its clients connect from loopback, so they share
 * one address.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as RollingWindow from "../../internal/time/rollingWindow.ts"
import type { Refusal } from "./Fault.ts"

/**
 * Settings of the limits. The defaults are Binance's (docs, spot).
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Messages per second from one connection, including pings and pongs. Default: 5. */
  readonly messagesPerSecond?: number | undefined
  /** Dials in five minutes. Default: 300. */
  readonly dialsPerFiveMinutes?: number | undefined
  /** Streams per connection. Default: 1024. */
  readonly streamsPerConnection?: number | undefined
  /** Weight of the REST requests in one minute. Default: 6000. */
  readonly weightPerMinute?: number | undefined
  /** The duration of a ban. A plain number is in milliseconds. Default: 2 minutes. */
  readonly ban?: Duration.DurationInput | undefined
}

/**
 * The number of times each limit was exceeded.
 *
 * @since 0.1.0
 * @category models
 */
export interface Violations {
  readonly messages: number
  readonly dials: number
  readonly streams: number
  readonly weight: number
  /** The number of bans. */
  readonly bans: number
}

/**
 * Counts the messages, dials and requests of clients, and tells which of them to refuse.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  readonly streamsPerConnection: number
  /**
   * Makes the counter of one connection. The counter counts a message at `now` (monotonic time), and returns true if it exceeds the
   * limit.
   */
  readonly connection: () => (now: number) => boolean
  /** Counts a dial at `now` (monotonic time). Returns the refusal, or undefined if it is accepted. */
  readonly dial: (now: number) => Omit<Refusal, "times"> | undefined
  /** Counts a REST request at `now` (monotonic time). Returns the refusal, or undefined if it is accepted. */
  readonly request: (weight: number, now: number) => Omit<Refusal, "times"> | undefined
  /** The weight used in the current minute. */
  readonly usedWeight: () => number
  /** Counts a subscription that exceeds the limit of streams. */
  readonly tooManyStreams: () => void
  readonly violations: () => Violations
}

// Every third message violation brings a ban, and so does each request refused after the third in one minute.
const tolerance = 3

const minute = 60_000

const inSeconds = (millis: number) => String(Math.max(1, Math.ceil(millis / 1_000)))

/**
 * Makes limits whose counts are zero.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Limits => {
  const banMillis = Duration.toMillis(options.ban ?? "2 minutes")
  const messagesPerSecond = options.messagesPerSecond ?? 5
  const dialsPerFiveMinutes = options.dialsPerFiveMinutes ?? 300
  const weightPerMinute = options.weightPerMinute ?? 6_000
  const dials = RollingWindow.make(dialsPerFiveMinutes, "5 minutes")
  const counts = { messages: 0, dials: 0, streams: 0, weight: 0, bans: 0 }
  let bannedUntil = Number.NEGATIVE_INFINITY
  let currentMinute = 0
  let used = 0
  let refusedInMinute = 0

  const ban = (now: number) => {
    counts.bans++
    bannedUntil = now + banMillis
  }
  const refusalWhileBanned = (now: number) =>
    now < bannedUntil ? { status: 418, retryAfter: inSeconds(bannedUntil - now) } : undefined

  return {
    streamsPerConnection: options.streamsPerConnection ?? 1_024,
    connection: () => {
      const window = RollingWindow.make(messagesPerSecond, "999 millis")
      return (now) => {
        window.unsafeTake(1, now)
        if (window.used(now) <= messagesPerSecond) return false
        counts.messages++
        if (counts.messages % tolerance === 0) ban(now)
        return true
      }
    },
    dial: (now) => {
      const refusal = refusalWhileBanned(now)
      if (refusal !== undefined) return refusal
      dials.unsafeTake(1, now)
      if (dials.used(now) <= dialsPerFiveMinutes) return undefined
      counts.dials++
      return { status: 429, retryAfter: "60" }
    },
    request: (weight, now) => {
      const refusal = refusalWhileBanned(now)
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
      if (refusedInMinute > tolerance) {
        ban(now)
        return refusalWhileBanned(now)
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
