// Shows events: to people on a terminal, to people elsewhere, and to machines.
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import type { FeedEvent } from "../binance/BinanceFeed.ts"
import type { MarketEvent } from "../binance/MarketEvent.ts"
import { isEnded, isGap, MarketGap } from "../binance/MarketEvent.ts"
import * as ConnectionEvent from "../ConnectionEvent.ts"
import { formatDuration } from "../internal/time/durationText.ts"
import type { SessionEvent } from "../SessionEvent.ts"
import * as Summary from "./Summary.ts"
import { withoutControl } from "./shown.ts"
import type { Look } from "./terminal.ts"

export interface View {
  readonly happened: (event: FeedEvent) => void
  readonly market: (event: MarketEvent) => void
  /** Shows the status. Called once a second. */
  readonly tick: (at: number) => void
  /** Ends with the summary up to now, in monotonic time. */
  readonly end: (summary: Summary.Summary, at: number, now: number) => void
}

type Write = (text: string) => void

// ---------------------------------------------------------------------------------------------------------------------
// For machines: one JSON object a line

const plainly = (_: string, value: unknown): unknown => {
  if (Duration.isDuration(value)) return Duration.isFinite(value) ? Duration.toMillis(value) : null
  if (value instanceof Error && Predicate.hasProperty(value, "_tag")) {
    return { error: value._tag, message: value.message }
  }
  if (Predicate.hasProperty(value, "_tag")) {
    if (value._tag === "None") return null
    if (value._tag === "Some" && Predicate.hasProperty(value, "value")) return plainly("", value.value)
  }
  return value
}

// JSON.stringify calls toJSON before its replacer, and durations, options and errors have a toJSON.
const plainValue = (value: unknown): unknown => {
  const plain = plainly("", value)
  if (Array.isArray(plain)) return plain.map(plainValue)
  return typeof plain !== "object" || plain === null ? plain : toPlain(plain)
}

const toPlain = (facts: object): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(facts).map(([key, item]) => [key, plainValue(item)]))

/** A market event as an object of JSON. */
export const marketJson = (event: MarketEvent): string =>
  JSON.stringify(isGap(event) || isEnded(event) ? { ...event, data: toPlain(event.data) } : event)

/** Says that lines are missing before the next one. */
export const jsonLeftOut = (venue: string) => (count: number): string =>
  `${JSON.stringify({ connection: venue, event: "LinesDropped", count })}\n`

export const json = (venue: string, write: Write): View => {
  const line = (value: unknown) => {
    write(`${JSON.stringify(value)}\n`)
  }
  return {
    happened: (event) => {
      if (event._tag === "Connection" || event._tag === "Session") {
        const { _tag, at, ...facts } = event.event
        line({ connection: `${venue}${event.connection}`, event: _tag, timestamp: at, ...toPlain(facts) })
      } else if (event._tag !== "Gap") {
        // The market events contain the gap, in its place.
        const { _tag, at, ...facts } = event
        line({ connection: venue, event: _tag, timestamp: at, ...toPlain(facts) })
      }
    },
    market: (event) => {
      write(`${marketJson(event)}\n`)
    },
    tick: () => undefined,
    end: (summary, at, now) => {
      line({ connection: venue, event: "Summary", timestamp: at, ...Summary.facts(summary, now) })
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// For people

const clockTime = (at: number) => new Date(at).toISOString().slice(11, 19)

const told: (event: ConnectionEvent.ConnectionEvent) => string | undefined = ConnectionEvent.$match({
  Dialling: ({ attempt }) => attempt === 0 ? "dialling" : `dialling, retry ${attempt}`,
  Opened: ({ outage, took }) =>
    outage._tag === "None"
      ? `connected in ${formatDuration(took)}`
      : `healed: connected in ${formatDuration(took)}, after an outage of ${formatDuration(outage.value)}`,
  AttemptFailed: ({ cause }) => cause.message,
  Lost: ({ cause, messages }) => `lost after ${messages} messages. ${cause.message}`,
  Waiting: ({ attempt, delay, retriesLeft, until }) =>
    `waiting ${formatDuration(delay)}, next dial at ${clockTime(until)}: retry ${attempt}` +
    (typeof retriesLeft === "number" ? ` of ${attempt + retriesLeft}` : ""),
  // The feed repairs what an outage missed, or tells what it cannot repair.
  Gap: ({ gap }) => gap.dropped > 0 ? `${gap.dropped} messages were dropped` : undefined,
  Disconnected: () => "disconnected",
  Failed: ({ error }) => error.message,
  Died: ({ cause }) => `a defect ended the connection: ${Cause.pretty(cause).split("\n")[0] ?? ""}`,
  Closed: () => "closed",
  EventsDropped: ({ count }) => `${count} events are not shown`
})

// Green: well. Red: broken. Yellow: under repair.
const colours: Readonly<Partial<Record<ConnectionEvent.ConnectionEvent["_tag"], number>>> = {
  Opened: 32,
  Lost: 31,
  AttemptFailed: 31,
  Failed: 31,
  Died: 31,
  Waiting: 33,
  Gap: 33
}

const states: Readonly<Partial<Record<ConnectionEvent.ConnectionEvent["_tag"], string>>> = {
  Opened: "connected",
  Lost: "reconnecting",
  Waiting: "reconnecting",
  Failed: "failed",
  Died: "failed"
}

// The price in an event. Each kind has its own name for it.
const priceOf = ({ data }: MarketEvent): string | undefined => {
  const holder = Predicate.hasProperty(data, "k") ? data.k : data
  for (const field of ["p", "c", "b"]) {
    if (Predicate.hasProperty(holder, field) && typeof holder[field] === "string") {
      // The `p` of a ticker is a change, not a price.
      if (field === "p" && Predicate.hasProperty(holder, "c")) continue
      return holder[field]
    }
  }
  return undefined
}

const refusal = ({ error, retry }: Extract<SessionEvent, { readonly _tag: "Refused" }>) =>
  retry._tag === "None" ? error.message : `${error.message} The session asks again in ${formatDuration(retry.value)}.`

/** Says that lines are missing before the next one. */
export const humanLeftOut = (count: number): string => `${count} lines are not shown\n`

const trimZeros = (decimal: string) => decimal.replace(/(\.\d\d\d*?)0+$/, "$1")

export const human = (write: Write, { canRedraw, hasColours }: Look): View => {
  const prices = new Map<string, string>()
  let counts = new Map<string, number>()
  let state = "dialling"

  // On a terminal, the last line is the status, and everything else goes above it.
  const cleared = canRedraw ? "\r\u001b[2K" : ""
  const above = (at: number, text: string, colour?: number) => {
    const line = withoutControl(text)
    const coloured = colour === undefined || !hasColours ? line : `\u001b[${colour}m${line}\u001b[0m`
    write(`${cleared}${clockTime(at)}  ${coloured}\n`)
  }

  const status = () => {
    const seen = [...counts].sort().map(([type, number]) => `${number} ${type}`).join(", ")
    const quotes = [...prices].map(([symbol, price]) => `${symbol} ${trimZeros(price)}`).join("  ")
    counts = new Map()
    return `${state}  ${quotes}  ${seen === "" ? "no data" : seen}`
  }

  return {
    happened: (event) => {
      switch (event._tag) {
        case "Connection": {
          const happened = event.event
          state = states[happened._tag] ?? state
          const text = told(happened)
          if (text !== undefined) above(happened.at, text, colours[happened._tag])
          return
        }
        case "Session":
          if (event.event._tag === "Refused") above(event.event.at, refusal(event.event), event.event.retry._tag === "None" ? 31 : 33)
          if (event.event._tag === "Stale") above(event.event.at, `${event.event.topic} has no data, while others have data`, 33)
          return
        case "Repaired":
          above(event.at, `repaired: fetched ${event.events} missed events of ${event.stream}`, 32)
          return
        case "Repairing": {
          const left = `about ${event.left} more in ${formatDuration(event.estimated)}`
          above(event.at, `repairing: fetched ${event.fetched} missed events of ${event.stream}, ${left}`, 33)
          return
        }
        case "Gap":
          above(event.at, new MarketGap({ gap: event.gap }).message, 31)
          return
        case "InvalidMessage":
          above(event.at, event.error.message, 33)
          return
        case "EventsDropped":
          above(event.at, `${event.count} events are not shown`)
      }
    },
    market: (event) => {
      if (isEnded(event)) {
        const { error, stream } = event.data
        above(event.timestamp, `${stream} has ended, and the others go on. ${error.message}`, 31)
        return
      }
      counts.set(event.type, (counts.get(event.type) ?? 0) + 1)
      const price = priceOf(event)
      if (price !== undefined && event.symbol !== "") prices.set(event.symbol, price)
    },
    tick: (at) => {
      write(canRedraw ? `${cleared}${status()}` : `${clockTime(at)}  ${status()}\n`)
    },
    end: (summary, _, now) => {
      write(`${cleared}${Summary.lines(summary, now).join("\n")}\n`)
    }
  }
}
