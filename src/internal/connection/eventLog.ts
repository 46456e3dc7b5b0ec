// Tells what happens: events to their readers, lines to the log, counts to the metrics.
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as LogLevel from "effect/LogLevel"
import * as Match from "effect/Match"
import * as Option from "effect/Option"
import type * as Exit from "effect/Exit"
import * as ConnectionEvent from "../../ConnectionEvent.ts"
import { isLocal } from "../../FailureClass.ts"
import type { Listenable } from "../../Listenable.ts"
import * as Metrics from "../../Metrics.ts"
import * as Broadcast from "../stream/broadcast.ts"
import * as Server from "../transport/endpoint.ts"
import { inWords } from "../time/durationText.ts"

// The events that are logged and measured. A gap is neither, and a defect is logged with its cause where it ends the loop.
type Recorded = Exclude<ConnectionEvent.ConnectionEvent, { readonly _tag: "Gap" | "Died" | "EventsDropped" }>

export interface EventLog {
  /** Names the server that is dialled from here on: lines and counts are about it. */
  readonly dials: (server: Server.Server) => void
  /** The counts of that server. */
  readonly counters: () => Metrics.Counters
  /** Tells the readers and the metrics at once, and the log at the next `writeLog`. */
  readonly record: (event: Recorded) => void
  /** Writes the recorded lines. It takes its time: best run while the socket is waited for. */
  readonly writeLog: Effect.Effect<void>
  /** Tells only the readers. */
  readonly tell: (event: Extract<ConnectionEvent.ConnectionEvent, { readonly _tag: "Gap" | "Died" }>) => void
  readonly events: Listenable<ConnectionEvent.ConnectionEvent>
  readonly end: (exit: Exit.Exit<void>) => void
}

// A reader of `events` that lags this far behind is told how many it missed.
const capacity = 1024

interface Line {
  readonly level: LogLevel.LogLevel
  readonly text: string
  readonly facts: Readonly<Record<string, unknown>>
}

const line = (level: LogLevel.LogLevel, text: string, facts: Line["facts"] = {}): Line => ({ level, text, facts })

const retryOf = (attempt: number, left: number | "unlimited" | "unknown") =>
  typeof left === "number" ? `Retry ${attempt} of ${attempt + left}` : `Retry ${attempt}`

const toLine = Match.typeTags<Recorded>()({
  Dialling: ({ attempt }) => line(LogLevel.Debug, attempt === 0 ? "Dialling" : `Dialling, retry ${attempt}`, { attempt }),
  Opened: ({ attempt, epoch, outage, took }) => {
    const healed = Option.match(outage, { onNone: () => "", onSome: (down) => `, healed after ${inWords(down)}` })
    return line(LogLevel.Info, `Connected${healed}`, { epoch, attempt, took: inWords(took) })
  },
  AttemptFailed: ({ attempt, cause }) => line(LogLevel.Debug, cause.message, { attempt, error: cause._tag }),
  Lost: ({ cause, epoch, messages, openFor, proven }) =>
    line(LogLevel.Info, `Lost the connection. ${cause.message}`, {
      epoch,
      error: cause._tag,
      openFor: inWords(openFor),
      messages,
      proven
    }),
  Waiting: ({ attempt, cause, class: { _tag }, delay, retriesLeft }) =>
    line(LogLevel.Warning, `${retryOf(attempt, retriesLeft)} in ${inWords(delay)}. ${cause.message}`, {
      attempt,
      retriesLeft,
      delay: inWords(delay),
      error: cause._tag,
      class: _tag,
      fault: isLocal(cause) ? "ours" : "theirs"
    }),
  Disconnected: () => line(LogLevel.Info, "Disconnected on request"),
  Failed: ({ because, class: { _tag }, error }) =>
    line(LogLevel.Error, `Gave the connection up. ${error.message}`, { error: error._tag, because, class: _tag }),
  Closed: () => line(LogLevel.Debug, "Closed")
})

const measure = (event: Recorded, counters: Metrics.Counters) => {
  switch (event._tag) {
    case "Opened":
      counters.opened(event.took, event.outage)
      return
    case "AttemptFailed":
      counters.failed(event.cause._tag)
      return
    case "Lost":
      counters.lost(event.openFor, event.cause._tag, event.cause._tag === "ConnectionClosed" ? event.cause.code : undefined)
      return
    case "Waiting":
      counters.waits(event.delay)
  }
}

export const make = (): EventLog => {
  let server = Server.unknownServer
  let counters = Metrics.forServer(server)
  const events = Broadcast.make<ConnectionEvent.ConnectionEvent>({
    capacity,
    overflow: "sliding",
    fold: (marker, lost) =>
      ConnectionEvent.EventsDropped({
        at: lost[lost.length - 1]?.at ?? 0,
        count: lost.length + (marker?._tag === "EventsDropped" ? marker.count : 0)
      })
  })
  let unwritten: Array<{ readonly event: Recorded; readonly server: string }> = []
  const write = ({ facts, level, text }: Line) => Effect.annotateLogs(Effect.logWithLevel(level, text), facts)
  return {
    dials: (dialled) => {
      server = dialled
      counters = Metrics.forServer(dialled)
    },
    counters: () => counters,
    record: (event) => {
      events.unsafeOfferAll([event])
      measure(event, counters)
      unwritten.push({ event, server: Server.show(server) })
    },
    writeLog: Effect.flatMap(FiberRef.get(FiberRef.currentMinimumLogLevel), (least) => {
      const recorded = unwritten
      unwritten = []
      // A line that the log leaves out is not worth its annotations.
      const lines = recorded.flatMap(({ event, server }) => {
        const { facts, level, text } = toLine(event)
        return LogLevel.lessThan(level, least) ? [] : [{ level, text, facts: { ...facts, server } }]
      })
      return lines.length === 0 ? Effect.void : Effect.forEach(lines, write, { discard: true })
    }).pipe(Effect.uninterruptible),
    tell: (event) => {
      events.unsafeOfferAll([event])
    },
    events: events.stream,
    end: (exit) => {
      events.end(exit)
    }
  }
}
