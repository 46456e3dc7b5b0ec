// The verdicts of `holdfast doctor`: one for each check, and what to do.
import * as Duration from "effect/Duration"
import { formatDuration } from "../internal/time/durationText.ts"

export type Outcome = "ok" | "warn" | "fail" | "skip"

/** The result of one check. */
export interface Verdict {
  readonly check: string
  readonly outcome: Outcome
  /** The finding, in a sentence. */
  readonly says: string
  /** The advice. Undefined: there is nothing to do. */
  readonly advice?: string | undefined
}

const ms = (millis: number) => formatDuration(Duration.millis(millis))

/** A check that was not made, and why. */
export const skipped = (check: string, says: string): Verdict => ({ check, outcome: "skip", says })

/** The check that could not be made, with its reason: a sentence. */
export interface Failed {
  readonly error: string
}

const isFailed = (facts: object): facts is Failed => "error" in facts

// ---------------------------------------------------------------------------------------------------------------------

export interface Settings {
  /** The sentences of the settings that are not allowed. */
  readonly errors: ReadonlyArray<string>
  /** Variables that look like settings and are none, each with what it may stand for. */
  readonly unknown: ReadonlyArray<string>
}

export const settings = ({ errors, unknown }: Settings): Verdict => {
  if (errors.length > 0) return { check: "settings", outcome: "fail", says: errors.join(" "), advice: "Mend them: holdfast config shows where each comes from." }
  if (unknown.length > 0) return { check: "settings", outcome: "warn", says: unknown.join(" "), advice: "Mend the names: these settings have no effect." }
  return { check: "settings", outcome: "ok", says: "All settings are allowed." }
}

// ---------------------------------------------------------------------------------------------------------------------

export interface Dns {
  readonly host: string
  readonly addresses: ReadonlyArray<string>
  readonly took: number
}

/** A look-up that takes longer makes every dial slow, in milliseconds. */
const slowDns = 1_000

export const dns = (facts: Dns | Failed): Verdict => {
  if (isFailed(facts)) {
    return { check: "DNS", outcome: "fail", says: facts.error, advice: "Check the name of the host, the network and the name server." }
  }
  const { addresses, host, took } = facts
  const says = `${host} has ${addresses.length === 1 ? "1 address" : `${addresses.length} addresses`}, found in ${ms(took)}: ${addresses.slice(0, 3).join(", ")}${addresses.length > 3 ? " …" : ""}.`
  return took > slowDns
    ? { check: "DNS", outcome: "warn", says, advice: "The name server is slow. Each dial waits for it." }
    : { check: "DNS", outcome: "ok", says }
}

// ---------------------------------------------------------------------------------------------------------------------

export interface Proxy {
  /** The hosts of the proxies, without their users. */
  readonly hosts: ReadonlyArray<string>
  readonly error?: undefined
}

export const proxy = (facts: Proxy | Failed): Verdict => {
  if (facts.error !== undefined) return { check: "proxy", outcome: "fail", says: facts.error, advice: "Check WEBSOCKET_PROXY and WEBSOCKET_CA_FILE." }
  if (facts.hosts.length === 0) return { check: "proxy", outcome: "ok", says: "None: sockets are dialled directly." }
  return {
    check: "proxy",
    outcome: "ok",
    says: `Sockets may be dialled through ${facts.hosts.join(", ")}.`,
    advice: "REST requests take it only with NODE_USE_ENV_PROXY=1 and HTTPS_PROXY, on Node 22.21 and 24."
  }
}

// ---------------------------------------------------------------------------------------------------------------------

export interface Tls {
  readonly protocol: string
  readonly issuer: string
  /** The time until the certificate ends, in milliseconds. */
  readonly left: number
  readonly took: number
}

const day = 86_400_000
const soon = 7 * day

export const tls = (facts: Tls | Failed): Verdict => {
  if (isFailed(facts)) {
    return {
      check: "TLS",
      outcome: "fail",
      says: facts.error,
      advice: "If a proxy of your company opens TLS, give its authority: WEBSOCKET_CA_FILE, and NODE_EXTRA_CA_CERTS for REST. Check the clock too."
    }
  }
  const { issuer, left, protocol, took } = facts
  const says = `${protocol} in ${ms(took)}; the certificate is of ${issuer} and ends in ${Math.floor(left / day)} days.`
  return left < soon
    ? { check: "TLS", outcome: "warn", says, advice: "The certificate ends soon. If it is yours, renew it." }
    : { check: "TLS", outcome: "ok", says }
}

// ---------------------------------------------------------------------------------------------------------------------

export interface Took {
  readonly took: number
}

/** A handshake that takes longer makes an outage longer, in milliseconds. */
const slowHandshake = 3_000

export const handshake = (facts: Took | Failed): Verdict => {
  if (isFailed(facts)) {
    return { check: "handshake", outcome: "fail", says: facts.error, advice: "Check the address, the firewall, and whether the venue serves your country." }
  }
  const says = `The WebSocket opened in ${ms(facts.took)}.`
  return facts.took > slowHandshake
    ? { check: "handshake", outcome: "warn", says, advice: "The way to the venue is slow. Each outage lasts at least as long." }
    : { check: "handshake", outcome: "ok", says }
}

export interface Pings {
  /** The round trips, in milliseconds. */
  readonly trips: ReadonlyArray<number>
}

/** Prices are this old when they come, in milliseconds. */
const slowPing = 500

export const ping = (facts: Pings | Failed): Verdict => {
  if (isFailed(facts)) {
    return { check: "ping", outcome: "fail", says: facts.error, advice: "Something between holds pings back. WebSocket traffic must pass it whole." }
  }
  const sorted = [...facts.trips].sort((a, b) => a - b)
  const middle = sorted[Math.floor(sorted.length / 2)] ?? 0
  const says = `The round trip takes ${ms(middle)} (${sorted.map((trip) => ms(trip)).join(", ")}).`
  return middle > slowPing
    ? { check: "ping", outcome: "warn", says, advice: "Data comes late. A machine nearer to the venue gets it sooner." }
    : { check: "ping", outcome: "ok", says }
}

export const acknowledged = (facts: Took | Failed): Verdict =>
  isFailed(facts)
    ? { check: "subscribe", outcome: "fail", says: facts.error, advice: "Check the name of the stream, and the status page of the venue." }
    : { check: "subscribe", outcome: "ok", says: `The venue acknowledged the subscription in ${ms(facts.took)}.` }

export const data = (facts: Took | Failed): Verdict =>
  isFailed(facts)
    ? {
      check: "data",
      outcome: "warn",
      says: facts.error,
      advice: "The stream may be quiet, or its symbol may not exist: holdfast symbols lists them. Name another stream: holdfast doctor ethusdt@trade."
    }
    : { check: "data", outcome: "ok", says: `The first data came after ${ms(facts.took)}.` }

// ---------------------------------------------------------------------------------------------------------------------

export interface Skew {
  /** The time of the venue less that of this machine, in milliseconds. */
  readonly skew: number
  /** The skew is not known better than this, in milliseconds. */
  readonly uncertainty: number
}

/** Binance refuses signed requests that are more than a second ahead of it, or 5 seconds behind (Binance docs, recvWindow). */
const mostAhead = 1_000
const noticeable = 500

export const clock = (facts: Skew | Failed): Verdict => {
  if (isFailed(facts)) return { check: "clock", outcome: "fail", says: facts.error, advice: "REST is needed for repairs and order books. Check the way to it." }
  const { skew, uncertainty } = facts
  const far = Math.abs(skew)
  const says = far <= uncertainty
    ? `This machine and the venue have the same time, within ${ms(uncertainty)}.`
    : `This machine is ${ms(far)} ${skew > 0 ? "behind" : "ahead of"} the venue, within ${ms(uncertainty)}.`
  const advice = "Set the clock by NTP, such as with chrony or systemd-timesyncd."
  if (far - uncertainty > mostAhead) return { check: "clock", outcome: "fail", says, advice }
  return far - uncertainty > noticeable ? { check: "clock", outcome: "warn", says, advice } : { check: "clock", outcome: "ok", says }
}

export interface Weight {
  /** The weight that this address has used in the last minute. Undefined: the venue does not say. */
  readonly used: number | undefined
  readonly limit: number
}

export const weight = (facts: Weight | Failed): Verdict => {
  if (isFailed(facts)) return { check: "REST weight", outcome: "fail", says: facts.error, advice: "Wait as long as the venue says, and let fewer programs share this address." }
  const { limit, used } = facts
  if (used === undefined) return { check: "REST weight", outcome: "skip", says: "The venue does not say how much this address has used." }
  const says = `This address has used ${used} of ${limit} in a minute.`
  return used > limit / 2
    ? { check: "REST weight", outcome: "warn", says, advice: "Other programs share this address. Repairs wait while little is left." }
    : { check: "REST weight", outcome: "ok", says }
}
