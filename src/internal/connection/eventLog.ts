// Where every event goes: to whoever reads `events`, to the log, and into the metrics.
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as LogLevel from "effect/LogLevel"
import * as Match from "effect/Match"
import * as Option from "effect/Option"
import type * as Exit from "effect/Exit"
import type * as ConnectionEvent from "../../ConnectionEvent.ts"
import { isLocal } from "../../FailureClass.ts"
import type { Listenable } from "../../Listenable.ts"
import type * as Metrics from "../../Metrics.ts"
import * as EventStream from "../stream/eventStream.ts"
import * as Server from "../transport/endpoint.ts"
import { inWords } from "../time/durationText.ts"

// What arises where an effect can run, and is logged and measured here: all but what readers are told on their way, and a
// defect, whose cause is logged with it.
type Told = Exclude<ConnectionEvent.ConnectionEvent, { readonly _tag: "Gap" | "Died" | "EventsDropped" }>

export interface Journal {
  /** Tells the readers and the metrics at once, and the log when it is written. */
  readonly record: (event: Told) => void
  /** Writes to the log what was recorded and is not in it yet. It takes its time: best when nothing waits for it. */
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

const retryOf = (attempt: number, left: number | "unlimited") =>
  left === "unlimited" ? `Retry ${attempt}` : `Retry ${attempt} of ${attempt + left}`

const toLine = Match.typeTags<Told>()({
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

const measure = (event: Told, counters: Metrics.Counters) => {
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

export const make = (server: () => Server.Server, counters: () => Metrics.Counters): Journal => {
  const events = EventStream.make<ConnectionEvent.ConnectionEvent>({ capacity, at: ({ at }) => at })
  let unwritten: Array<{ readonly event: Told; readonly server: string }> = []
  const write = ({ facts, level, text }: Line) => Effect.annotateLogs(Effect.logWithLevel(level, text), facts)
  return {
    record: (event) => {
      events.unsafeOfferAll([event])
      measure(event, counters())
      unwritten.push({ event, server: Server.show(server()) })
    },
    writeLog: Effect.flatMap(FiberRef.get(FiberRef.currentMinimumLogLevel), (least) => {
      const told = unwritten
      unwritten = []
      // What the log would leave out is not worth its annotations.
      const lines = told.flatMap(({ event, server }) => {
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
