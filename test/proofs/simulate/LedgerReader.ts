/**
 * Follows what a reader gets of one stream, and compares it with what has happened: every event once and in order, nothing lost
 * that was received, and a gap wherever something is missing.
 */
import { Protocol } from "holdfast/binance"
import type { MarketEvent } from "holdfast/binance"
import * as Predicate from "effect/Predicate"
import type { Entry, Ledger } from "./Ledger.ts"
import type { Report } from "./Violation.ts"

export interface LedgerReader {
  /** Takes an event that the reader got. */
  readonly read: (event: MarketEvent.MarketEvent) => void
  /** Takes a message that came over a socket. */
  readonly receive: (text: string, at: number) => void
  /** Why the reader is behind: an event that was received before this time is neither read nor within a gap. */
  readonly behind: (before: number) => string | undefined
  readonly reads: () => number
  readonly gaps: () => number
}

export interface Options {
  readonly ledger: Ledger
  /** How far the clock of REST may be ahead. */
  readonly clocks: ReadonlyArray<number>
  /** Whether a gap of this cause may be. */
  readonly justified: (cause: MarketEvent.GapCause["_tag"]) => boolean
  readonly report: Report
}

const isGap = (event: MarketEvent.MarketEvent): event is MarketEvent.Gap => event.type === "gap"

const numberIn = (data: object, name: string) => Predicate.hasProperty(data, name) && typeof data[name] === "number" ? data[name] : undefined

interface Sighting {
  readonly id: number
  readonly at: number
}

// The id and the time of an event, as the ledger has them. Undefined: a candle that is under way.
const sightingOf = ({ kind }: Ledger, data: unknown): Sighting | undefined => {
  if (!Predicate.isRecord(data)) return undefined
  if (kind === "kline_1m") {
    const { k } = data
    if (!Predicate.isRecord(k) || k.x !== true) return undefined
    const opens = numberIn(k, "t")
    return opens === undefined ? undefined : { id: opens, at: opens }
  }
  if (kind === "miniTicker") {
    const at = numberIn(data, "E")
    return at === undefined ? undefined : { id: at, at }
  }
  const [id, at] = [numberIn(data, kind === "trade" ? "t" : "a"), numberIn(data, "T")]
  return id === undefined || at === undefined ? undefined : { id, at }
}

interface Gap {
  readonly from: number | undefined
  readonly to: number | undefined
}

export const make = ({ clocks, justified, ledger, report }: Options): LedgerReader => {
  const { kind, stream } = ledger
  const wrong = (detail: string) => {
    report({ invariant: "truth", detail: `${stream}: ${detail}` })
  }
  // Of a ticker, only the latest event matters.
  const isState = kind === "miniTicker"
  const length = kind === "kline_1m" ? 60_000 : 1
  let reads = 0
  let gapCount = 0
  // The index of the next event. Undefined before the first event.
  let next: number | undefined
  // The id at which the next event or gap must begin. Undefined: it is not known.
  let due: number | undefined
  let gaps: Array<Gap> = []
  // The events that came over sockets and are neither read nor within a gap, with the time at which they first came.
  const received = new Map<number, number>()
  let first = Number.POSITIVE_INFINITY

  const covers = ({ from, to }: Gap, { id }: Entry) => to === undefined || (from !== undefined && from <= id && id <= to)

  const find = ({ at, id }: Sighting, via: string): Entry | undefined => {
    const known = ledger.find(id, at)
    if (known !== undefined || via === "ws" || kind === "kline_1m") return known
    return clocks.map((ahead) => ledger.find(id, at - ahead)).find((entry) => entry !== undefined)
  }

  // What stands before this event must be within a gap, and must not have been received.
  const skipTo = (entry: Entry) => {
    if (next === undefined) {
      if (first < entry.index) wrong(`it begins with ${entry.id}, but ${ledger.entries[first]?.id ?? "an event"} was received before`)
      return
    }
    // Ids that began anew may go on exactly where the known ones ended. Nothing shows then that something is missing.
    const isCoincidence = entry.id === due
    for (let i = next; i < entry.index; i++) {
      const skipped = ledger.entries[i]
      if (skipped === undefined) continue
      if (received.has(i)) wrong(`${skipped.id} was received, and lost`)
      else if (!isCoincidence && !gaps.some((gap) => covers(gap, skipped))) wrong(`${skipped.id} is missing without a gap before ${entry.id}`)
    }
  }

  return {
    reads: () => reads,
    gaps: () => gapCount,
    receive: (text, at) => {
      const parsed = Protocol.parse(text)
      if (parsed._tag !== "Data") return
      const sighting = sightingOf(ledger, parsed.data)
      const entry = sighting === undefined ? undefined : ledger.find(sighting.id, sighting.at)
      if (entry === undefined) return
      first = Math.min(first, entry.index)
      if (entry.index >= (next ?? 0) && !received.has(entry.index)) received.set(entry.index, at)
    },
    read: (event) => {
      reads++
      if (isGap(event)) {
        gapCount++
        const { cause, from, to } = event.data
        if (isState) wrong("a gap in a stream of which only the latest event matters")
        if (!justified(cause._tag)) wrong(`an avoidable gap from ${from ?? "?"} to ${to ?? "?"}: ${cause.message}`)
        if (due !== undefined && from !== due) wrong(`a gap from ${from ?? "?"}, expected from ${due}`)
        if (from !== undefined && to !== undefined && to < from) wrong(`a gap from ${from} to ${to}`)
        due = to === undefined ? undefined : to + 1
        gaps.push({ from, to })
        return
      }
      const sighting = sightingOf(ledger, event.data)
      if (sighting === undefined) return
      const entry = find(sighting, event.via)
      if (entry === undefined) {
        // An id that is none may have been taken for a true one. What follows is another sequence then.
        if (event.via !== "ws") wrong(`${sighting.id} never was`)
        due = undefined
        return
      }
      if (next !== undefined && entry.index < next) {
        wrong(`${entry.id} came again, or too late`)
        return
      }
      if (!isState) skipTo(entry)
      for (const index of received.keys()) if (index <= entry.index) received.delete(index)
      next = entry.index + 1
      due = isState ? undefined : entry.id + length
      gaps = []
    },
    behind: (before) => {
      for (const [index, at] of received) {
        if (at < before) return `${stream}: ${ledger.entries[index]?.id ?? index} was received ${(before - at) / 1_000} s too long ago, and is not read`
      }
      return undefined
    }
  }
}
