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
import { eventLine, trimZeros } from "./eventLine.ts"
import type { Line } from "./region.ts"
import * as Region from "./region.ts"
import { statusLine } from "./statusLine.ts"
import * as Summary from "./Summary.ts"
import { withoutControl } from "./shown.ts"
import type { Look } from "./terminal.ts"
import { hang } from "./width.ts"

export interface View {
  /** Shows the beginning, with what the user must know. */
  readonly begin: (at: number, title: string, notice: string | undefined) => void
  readonly happened: (event: FeedEvent) => void
  readonly market: (event: MarketEvent) => void
  /** Shows the status. Called once a second. */
  readonly tick: (at: number) => void
  /** Ends with the summary up to now, in monotonic time. */
  readonly end: (summary: Summary.Summary, at: number, now: number) => void
  /** Draws lines over those before. Undefined: the output is no terminal that could. */
  readonly draw: ((lines: ReadonlyArray<Line>) => void) | undefined
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

/** An event of a connection or a session as an object of JSON. */
export const eventJson = (connection: string, event: ConnectionEvent.ConnectionEvent | SessionEvent): string => {
  const { _tag, at, ...facts } = event
  return JSON.stringify({ connection, event: _tag, timestamp: at, ...toPlain(facts) })
}

/** A market event as an object of JSON. */
export const marketJson = (event: MarketEvent): string =>
  JSON.stringify(isGap(event) || isEnded(event) ? { ...event, data: toPlain(event.data) } : event)

/** Says that lines are missing before the next one. */
export const jsonLeftOut = (venue: string) => (count: number): string =>
  `${JSON.stringify({ connection: venue, event: "LinesDropped", count })}\n`

export const json = (venue: string, write: Write, isQuiet = false): View => {
  const line = (value: unknown) => {
    write(`${JSON.stringify(value)}\n`)
  }
  return {
    begin: (at, _, notice) => {
      if (notice !== undefined && !isQuiet) line({ connection: venue, event: "MadeUp", timestamp: at, message: notice })
    },
    happened: (event) => {
      if (isQuiet) return
      if (event._tag === "Connection" || event._tag === "Session") {
        write(`${eventJson(`${venue}${event.connection}`, event.event)}\n`)
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
    draw: undefined,
    end: (summary, at, now) => {
      if (!isQuiet) line({ connection: venue, event: "Summary", timestamp: at, ...Summary.facts(summary, now) })
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// For people

/** The time of day, in UTC. */
export const clockTime = (at: number) => new Date(at).toISOString().slice(11, 19)

/** The sentence that tells people of an event of a connection. Undefined: it is not told. */
export const toldOf: (event: ConnectionEvent.ConnectionEvent) => string | undefined = ConnectionEvent.$match({
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

/** The colours of these sentences. Green: well. Red: broken. Yellow: under repair. */
export const colours: Readonly<Partial<Record<ConnectionEvent.ConnectionEvent["_tag"], number>>> = {
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

export interface HumanOptions extends Look {
  /** A text before each status. */
  readonly label?: string | undefined
  /** Whether only gaps, ended streams and market events are shown. */
  readonly isQuiet?: boolean | undefined
  /** Whether market events are shown. */
  readonly hasEvents?: boolean | undefined
  /** The size of the terminal now. */
  readonly size?: (() => Region.Size) | undefined
}

const usualSize = () => ({ columns: 80, rows: 24 })

const red = 31
const green = 32
const yellow = 33

export const human = (write: Write, options: HumanOptions): View => {
  const { canRedraw, hasColours, hasEvents = false, isQuiet = false, label, size = usualSize } = options
  const prices = new Map<string, string>()
  let counts = new Map<string, number>()
  let state = "dialling"

  // On a terminal, the last lines are drawn over, and everything else goes above them.
  const region = canRedraw ? Region.make(write, size, hasColours) : undefined
  const print = region?.above ?? write
  const coloured = (text: string, colour: number | undefined) =>
    colour === undefined || !hasColours ? text : `\u001b[${colour}m${text}\u001b[0m`
  // A terminal would break a line within a word.
  const columns = () => region === undefined ? Number.POSITIVE_INFINITY : size().columns - 1
  const above = (at: number, text: string, colour?: number) => {
    const time = `${clockTime(at)}  `
    const lines = hang(withoutControl(text), time.length, columns())
    print(`${time}${coloured(lines, colour)}\n`)
  }
  const told = (at: number, text: string, colour?: number) => {
    if (!isQuiet) above(at, text, colour)
  }

  const status = () => {
    const text = statusLine({
      state: label === undefined ? state : `${label}: ${state}`,
      quotes: [...prices].map(([symbol, price]) => `${symbol} ${trimZeros(price)}`),
      counts: [...counts].sort().map(([type, number]) => `${number} ${type}`)
    }, columns())
    counts = new Map()
    return text
  }

  return {
    begin: (_, title, notice) => {
      if (isQuiet) return
      if (notice !== undefined) print(`${coloured(hang(notice, 0, columns()), yellow)}\n`)
      print(`${hang(`${title} Ctrl-C ends it.`, 0, columns())}\n`)
    },
    happened: (event) => {
      switch (event._tag) {
        case "Connection": {
          const happened = event.event
          state = states[happened._tag] ?? state
          const text = toldOf(happened)
          if (text !== undefined) told(happened.at, text, colours[happened._tag])
          return
        }
        case "Session":
          if (event.event._tag === "Refused") told(event.event.at, refusal(event.event), event.event.retry._tag === "None" ? red : yellow)
          if (event.event._tag === "Stale") told(event.event.at, `${event.event.topic} has no data, while others have data`, yellow)
          return
        case "Repaired":
          told(event.at, `repaired: fetched ${event.events} missed events of ${event.stream}`, green)
          return
        case "Repairing": {
          const left = `about ${event.left} more in ${formatDuration(event.estimated)}`
          told(event.at, `repairing: fetched ${event.fetched} missed events of ${event.stream}, ${left}`, yellow)
          return
        }
        case "Gap":
          above(event.at, new MarketGap({ gap: event.gap }).message, red)
          return
        case "InvalidMessage":
          told(event.at, event.error.message, yellow)
          return
        case "EventsDropped":
          told(event.at, `${event.count} events are not shown`)
      }
    },
    market: (event) => {
      if (isEnded(event)) {
        const { error, stream } = event.data
        above(event.timestamp, `${stream} has ended, and the others go on. ${error.message}`, red)
        return
      }
      // The feed tells of a gap itself.
      if (hasEvents && !isGap(event)) print(`${eventLine(event, columns())}\n`)
      counts.set(event.type, (counts.get(event.type) ?? 0) + 1)
      const price = priceOf(event)
      if (price !== undefined && event.symbol !== "") prices.set(event.symbol, price)
    },
    tick: (at) => {
      if (isQuiet) return
      if (region !== undefined) region.draw([[{ text: status() }]])
      // Among the events, the status of each second would only be in the way.
      else if (!hasEvents) write(`${clockTime(at)}  ${status()}\n`)
    },
    draw: region?.draw,
    end: (summary, _, now) => {
      if (region !== undefined) region.clear()
      if (!isQuiet) write(`${Summary.lines(summary, now).map((line) => hang(line, 2, columns())).join("\n")}\n`)
    }
  }
}
