// What happened while the program ran, folded from the events.
import * as Duration from "effect/Duration"
import type { ConnectionEvent } from "../ConnectionEvent.ts"
import { inWords } from "../internal/words.ts"
import { causeName } from "./words.ts"

export interface Summary {
  readonly startedAt: number
  /** How long a connection was open, up to the last change. */
  readonly connected: number
  readonly openSince: number | undefined
  readonly events: number
  readonly invalid: number
  readonly outages: number
  readonly longest: number
  readonly causes: Readonly<Record<string, number>>
}

export const begin = (startedAt: number): Summary => ({
  startedAt,
  connected: 0,
  openSince: undefined,
  events: 0,
  invalid: 0,
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

export const add = (summary: Summary, event: ConnectionEvent): Summary => {
  switch (event._tag) {
    case "Opened":
      return {
        ...summary,
        openSince: event.at,
        longest: event.outage._tag === "Some"
          ? Math.max(summary.longest, Duration.toMillis(event.outage.value))
          : summary.longest
      }
    case "Lost":
      return count({ ...closed(summary, event.at), outages: summary.outages + 1 }, causeName(event.cause))
    case "AttemptFailed":
      return count(summary, causeName(event.cause))
    default:
      return summary
  }
}

const ms = (millis: number) => inWords(Duration.millis(millis))

const plural = (count: number, noun: string) => `${count} ${noun}${count === 1 ? "" : "s"}`

/** As facts, for machines. */
export const facts = (summary: Summary, now: number) => {
  const { causes, connected, events, invalid, longest, outages, startedAt } = closed(summary, now)
  return { elapsed: now - startedAt, connected, outages, longestOutage: longest, events, invalid, causes }
}

/** In words, for people. */
export const lines = (summary: Summary, now: number): ReadonlyArray<string> => {
  const { causes, connected, elapsed, events, invalid, longestOutage, outages } = facts(summary, now)
  const uptime = elapsed === 0 ? 0 : Math.round((connected / elapsed) * 1_000) / 10
  return [
    "",
    `Ran for ${ms(elapsed)}, connected for ${ms(connected)} of it (${uptime} %).`,
    [
      plural(outages, "outage") + (longestOutage > 0 ? `, the longest healed after ${ms(longestOutage)}` : ""),
      plural(events, "market event"),
      `${plural(invalid, "frame")} skipped`
    ].join("; ") + ".",
    ...Object.entries(causes).sort(([, a], [, b]) => b - a).map(([cause, times]) => `  ${times} × ${cause}`)
  ]
}
