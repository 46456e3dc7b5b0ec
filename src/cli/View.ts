// How the program shows what it sees: to people on a terminal, to people elsewhere, and to machines.
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import type { InvalidFrame, MarketEvent } from "../binance/MarketEvent.ts"
import * as ConnectionEvent from "../ConnectionEvent.ts"
import { inWords } from "../internal/words.ts"
import * as Summary from "./Summary.ts"

export interface View {
  readonly connection: (event: ConnectionEvent.ConnectionEvent) => void
  readonly market: (event: MarketEvent) => void
  readonly invalid: (error: InvalidFrame, at: number) => void
  /** Called once a second, for what is shown as it stands and not as it happens. */
  readonly tick: (at: number) => void
  readonly end: (summary: Summary.Summary, at: number) => void
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
    if (value._tag === "Some" && Predicate.hasProperty(value, "value")) return value.value
  }
  return value
}

// JSON.stringify calls toJSON before its replacer sees a value, and durations, options and errors have one.
const toPlain = (value: unknown): unknown => {
  const plain = plainly("", value)
  if (Array.isArray(plain)) return plain.map(toPlain)
  if (typeof plain !== "object" || plain === null) return plain
  return Object.fromEntries(Object.entries(plain).map(([key, item]) => [key, toPlain(item)]))
}

export const json = (venue: string, write: Write): View => {
  const line = (value: unknown) => {
    write(`${JSON.stringify(value)}\n`)
  }
  return {
    connection: ({ _tag, at, ...facts }) => {
      const plain = toPlain(facts)
      line({ connection: venue, event: _tag, timestamp: at, ...(Predicate.isObject(plain) ? plain : {}) })
    },
    market: line,
    invalid: ({ excerpt, reason }, at) => {
      line({ connection: venue, event: "InvalidFrame", timestamp: at, reason, excerpt })
    },
    tick: () => undefined,
    end: (summary, at) => {
      line({ connection: venue, event: "Summary", timestamp: at, ...Summary.facts(summary, at) })
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// For people

const clockTime = (at: number) => new Date(at).toISOString().slice(11, 19)

const told = ConnectionEvent.$match({
  Dialling: ({ attempt }) => attempt === 0 ? "dialling" : `dialling, retry ${attempt}`,
  Opened: ({ outage, took }) =>
    outage._tag === "None"
      ? `connected in ${inWords(took)}`
      : `healed: connected in ${inWords(took)}, after an outage of ${inWords(outage.value)}`,
  AttemptFailed: ({ cause }) => cause.message,
  Lost: ({ cause, messages }) => `lost after ${messages} messages. ${cause.message}`,
  Waiting: ({ attempt, delay, retriesLeft, until }) =>
    `waiting ${inWords(delay)}, next dial at ${clockTime(until)}: retry ${attempt}` +
    (retriesLeft === "unlimited" ? "" : ` of ${attempt + retriesLeft}`),
  Gap: ({ gap }) =>
    gap.dropped > 0 ? `${gap.dropped} messages were dropped here` : `messages may be missing here: ${inWords(gap.downtime)}`,
  Disconnected: () => "disconnected",
  Failed: ({ error }) => error.message,
  Closed: () => "closed",
  EventsDropped: ({ count }) => `${count} events are not shown`
})

// Green for what is well, red for what broke, yellow for what is being done about it.
const colours: Readonly<Partial<Record<ConnectionEvent.ConnectionEvent["_tag"], number>>> = {
  Opened: 32,
  Lost: 31,
  AttemptFailed: 31,
  Failed: 31,
  Waiting: 33,
  Gap: 33
}

// The price in an event, whatever its kind calls it.
const priceOf = ({ data }: MarketEvent): string | undefined => {
  const holder = Predicate.hasProperty(data, "k") ? data.k : data
  for (const field of ["p", "c", "b"]) {
    if (Predicate.hasProperty(holder, field) && typeof holder[field] === "string") {
      // The ticker's `p` is a change, not a price.
      if (field === "p" && Predicate.hasProperty(holder, "c")) continue
      return holder[field]
    }
  }
  return undefined
}

const trimZeros = (decimal: string) => decimal.replace(/(\.\d\d\d*?)0+$/, "$1")

export const human = (write: Write, terminal: boolean): View => {
  const prices = new Map<string, string>()
  let counts = new Map<string, number>()
  let state = "dialling"

  // On a terminal, the last line is the status, and everything else goes above it.
  const above = (at: number, text: string, colour?: number) => {
    if (!terminal) write(`${clockTime(at)}  ${text}\n`)
    else write(`\r\u001b[2K${clockTime(at)}  ${colour === undefined ? text : `\u001b[${colour}m${text}\u001b[0m`}\n`)
  }

  const status = () => {
    const seen = [...counts].sort().map(([type, number]) => `${number} ${type}`).join(", ")
    const quotes = [...prices].map(([symbol, price]) => `${symbol} ${trimZeros(price)}`).join("  ")
    counts = new Map()
    return `${state}  ${quotes}  ${seen === "" ? "no data" : seen}`
  }

  return {
    connection: (event) => {
      state = event._tag === "Opened"
        ? "connected"
        : event._tag === "Waiting" || event._tag === "Lost"
        ? "reconnecting"
        : event._tag === "Failed"
        ? "failed"
        : state
      above(event.at, told(event), colours[event._tag])
    },
    market: (event) => {
      counts.set(event.type, (counts.get(event.type) ?? 0) + 1)
      const price = priceOf(event)
      if (price !== undefined && event.symbol !== "") prices.set(event.symbol, price)
    },
    invalid: (error, at) => {
      above(at, error.message, 33)
    },
    tick: (at) => {
      if (terminal) write(`\r\u001b[2K${status()}`)
      else write(`${clockTime(at)}  ${status()}\n`)
    },
    end: (summary, at) => {
      write(`${terminal ? "\r\u001b[2K" : ""}${Summary.lines(summary, at).join("\n")}\n`)
    }
  }
}
