// Counts the events of a run.
import * as Duration from "effect/Duration"
import type { FeedEvent } from "../binance/BinanceFeed.ts"
import type { ConnectionEvent } from "../ConnectionEvent.ts"
import { formatDuration } from "../internal/time/durationText.ts"
import { causeName } from "./causeName.ts"

/** What happened up to a moment. Moments are in monotonic time, in milliseconds. */
export interface Summary {
  readonly startedAt: number
  /** Whether the run counts market events. */
  readonly hasMarket: boolean
  readonly hasConnected: boolean
  /** The time with at least one open connection, in milliseconds, up to the last change. */
  readonly connected: number
  readonly openSince: number | undefined
  /** The connections that are open now. */
  readonly open: ReadonlySet<string>
  readonly events: number
  readonly invalid: number
  /** Missed events that were fetched. */
  readonly repaired: number
  /** Places where events are missing for good. */
  readonly gaps: number
  readonly outages: number
  /** The longest outage, in milliseconds. */
  readonly longest: number
  readonly causes: Readonly<Record<string, number>>
}

export const begin = (startedAt: number, hasMarket: boolean): Summary => ({
  startedAt,
  hasMarket,
  hasConnected: false,
  connected: 0,
  openSince: undefined,
  open: new Set(),
  events: 0,
  invalid: 0,
  repaired: 0,
  gaps: 0,
  outages: 0,
  longest: 0,
  causes: {}
})

const closed = (summary: Summary, at: number): Summary => ({
  ...summary,
  connected: summary.connected + (summary.openSince === undefined ? 0 : at - summary.openSince),
  openSince: undefined
})

const count = (summary: Summary, cause: string): Summary => ({
  ...summary,
  causes: { ...summary.causes, [cause]: (summary.causes[cause] ?? 0) + 1 }
})

const without = (summary: Summary, connection: string, at: number): Summary => {
  const open = new Set([...summary.open].filter((name) => name !== connection))
  return { ...(open.size === 0 ? closed(summary, at) : summary), open }
}

/** Adds an event of a connection that happened now. */
export const addConnection = (summary: Summary, connection: string, event: ConnectionEvent, moment: number): Summary => {
  switch (event._tag) {
    case "Opened":
      return {
        ...summary,
        hasConnected: true,
        openSince: summary.openSince ?? moment,
        open: new Set([...summary.open, connection]),
        longest: event.outage._tag === "Some"
          ? Math.max(summary.longest, Duration.toMillis(event.outage.value))
          : summary.longest
      }
    case "Lost":
      return count(
        { ...without(summary, connection, moment), outages: summary.outages + 1 },
        causeName(event.cause)
      )
    case "Closed":
      return without(summary, connection, moment)
    case "AttemptFailed":
      return count(summary, causeName(event.cause))
    default:
      return summary
  }
}

/** Adds an event that happened now. */
export const add = (summary: Summary, event: FeedEvent, now: number): Summary => {
  switch (event._tag) {
    case "Connection":
      return addConnection(summary, event.connection, event.event, now)
    case "Repaired":
      return { ...summary, repaired: summary.repaired + event.events }
    case "Gap":
      return { ...summary, gaps: summary.gaps + 1 }
    case "InvalidMessage":
      return { ...summary, invalid: summary.invalid + 1 }
    case "BookCompared":
    case "BookDropped":
    case "Session":
    case "Repairing":
    case "EventsDropped":
      return summary
  }
}

const ms = (millis: number) => formatDuration(Duration.millis(millis))

/** A number of things. */
export const plural = (count: number, noun: string) => `${count} ${noun}${count === 1 ? "" : "s"}`

/** The summary as facts, for machines. Times are in milliseconds. */
export const facts = (summary: Summary, now: number) => {
  const { causes, connected, events, gaps, hasMarket, invalid, longest, outages, repaired, startedAt } = closed(summary, now)
  const market = hasMarket ? { events, repaired, gaps } : {}
  return { elapsed: now - startedAt, connected, outages, longestOutage: longest, ...market, invalid, causes }
}

const countsOf = ({ events, gaps, hasMarket, invalid, repaired }: Summary): ReadonlyArray<string> => [
  ...(hasMarket
    ? [plural(events, "market event") + (repaired > 0 ? `, ${repaired} of them fetched after an outage` : ""), plural(gaps, "gap")]
    : []),
  `${plural(invalid, "invalid message")} skipped`
]

/** The summary in words, for people. Default of `counts`: those of a market. */
export const lines = (summary: Summary, now: number, counts: ReadonlyArray<string> = countsOf(summary)): ReadonlyArray<string> => {
  const { causes, connected, hasConnected, longest, outages, startedAt } = closed(summary, now)
  const elapsed = now - startedAt
  const uptime = elapsed === 0 ? 0 : Math.round((connected / elapsed) * 1_000) / 10
  return [
    "",
    `Ran for ${ms(elapsed)}, ${hasConnected ? `connected for ${ms(connected)} of it (${uptime} %)` : "never connected"}.`,
    `${[plural(outages, "outage") + (longest > 0 ? `, the longest healed after ${ms(longest)}` : ""), ...counts].join("; ")}.`,
    ...Object.entries(causes).sort(([, a], [, b]) => b - a).map(([cause, times]) => `  ${times} × ${cause}`)
  ]
}
