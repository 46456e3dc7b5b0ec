// Where every event goes: to whoever reads `events`, to the log, and into the metrics.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as Match from "effect/Match"
import * as Metric from "effect/Metric"
import * as MetricLabel from "effect/MetricLabel"
import * as Option from "effect/Option"
import type * as Exit from "effect/Exit"
import type * as Stream from "effect/Stream"
import * as ConnectionEvent from "../ConnectionEvent.ts"
import { isLocal } from "../FailureClass.ts"
import * as Metrics from "../Metrics.ts"
import * as Broadcast from "./broadcast.ts"
import * as Server from "./server.ts"
import { inWords } from "./words.ts"

// What arises where an effect can run, and is logged and measured: all but what readers are told on their way.
type Told = Exclude<ConnectionEvent.ConnectionEvent, { readonly _tag: "Gap" | "EventsDropped" }>

export interface Journal {
  readonly record: (event: Told) => Effect.Effect<void>
  readonly unsafeGap: (event: Extract<ConnectionEvent.ConnectionEvent, { readonly _tag: "Gap" }>) => void
  readonly events: Stream.Stream<ConnectionEvent.ConnectionEvent>
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

const inSeconds = Duration.toSeconds

const count = (metric: Metric.Metric.Counter<number>, tags: Readonly<Record<string, string>>) =>
  Metric.increment(
    Metric.taggedWithLabels(metric, Object.entries(tags).map(([key, value]) => MetricLabel.make(key, value)))
  )

const measure = (event: Told): Effect.Effect<void> => {
  switch (event._tag) {
    case "Opened":
      return Effect.all([
        count(Metrics.attempts, { outcome: "opened" }),
        Metric.update(Metrics.openDuration, inSeconds(event.took)),
        Option.match(event.outage, {
          onNone: () => Effect.void,
          onSome: (outage) => Metric.update(Metrics.outageDuration, inSeconds(outage))
        })
      ], { discard: true })
    case "AttemptFailed":
      return count(Metrics.attempts, { "outcome": "failed", "error.type": event.cause._tag })
    case "Lost":
      return Effect.all([
        Metric.update(Metrics.duration, inSeconds(event.openFor)),
        count(Metrics.closes, {
          "error.type": event.cause._tag,
          "websocket.close.code": event.cause._tag === "ConnectionClosed" ? String(event.cause.code) : "none"
        })
      ], { discard: true })
    case "Waiting":
      return Metric.update(Metrics.reconnectDelay, inSeconds(event.delay))
    default:
      return Effect.void
  }
}

export const make = (server: () => Server.Server): Journal => {
  const events = Broadcast.make<ConnectionEvent.ConnectionEvent>({
    capacity,
    overflow: "sliding",
    fold: (marker, lost) =>
      ConnectionEvent.EventsDropped({
        at: lost[lost.length - 1]?.at ?? 0,
        count: lost.length + (marker?._tag === "EventsDropped" ? marker.count : 0)
      })
  })
  return {
    record: (event) =>
      Effect.suspend(() => {
        events.unsafeOfferAll([event])
        const { facts, level, text } = toLine(event)
        const { address, port } = server()
        return Effect.zipRight(
          Effect.logWithLevel(level, text).pipe(
            Effect.annotateLogs({ ...facts, server: Server.show({ address, port }) })
          ),
          Effect.tagMetrics(measure(event), { "server.address": address, "server.port": String(port) })
        )
      }),
    unsafeGap: (event) => {
      events.unsafeOfferAll([event])
    },
    events: events.stream,
    end: (exit) => {
      events.end(exit)
    }
  }
}
