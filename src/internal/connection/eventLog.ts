// Publishes events to their readers, writes them to the log, and counts them in the metrics.
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import type * as Exit from "effect/Exit"
import type * as ConnectionEvent from "../../ConnectionEvent.ts"
import { isLocal } from "../../FailureClass.ts"
import type { Listenable } from "../../Listenable.ts"
import * as Metrics from "../../Metrics.ts"
import * as EventStream from "../stream/eventStream.ts"
import * as Server from "../transport/endpoint.ts"
import { formatDuration } from "../time/durationText.ts"

// The events that are logged and measured. Gaps are neither. `loop.ts` logs a defect with its cause.
type Recorded = Exclude<ConnectionEvent.ConnectionEvent, { readonly _tag: "Gap" | "Died" | "EventsDropped" }>

// Events held for a slow reader of `events`. If more are lost, it gets `EventsDropped` with their number.
const capacity = 1024

interface Line {
  readonly level: LogLevel.LogLevel
  readonly text: string
  readonly facts: Readonly<Record<string, unknown>>
}

const line = (level: LogLevel.LogLevel, text: string, facts: Line["facts"] = {}): Line => ({ level, text, facts })

const retryOf = (attempt: number, left: number | "unlimited" | "unknown") =>
  typeof left === "number" ? `Retry ${attempt} of ${attempt + left}` : `Retry ${attempt}`

const toLine = Data.taggedEnum<Recorded>().$match({
  Dialling: ({ attempt }) => line(LogLevel.Debug, attempt === 0 ? "Dialling" : `Dialling, retry ${attempt}`, { attempt }),
  Opened: ({ attempt, epoch, outage, took }) => {
    const healed = Option.match(outage, { onNone: () => "", onSome: (down) => `, healed after ${formatDuration(down)}` })
    return line(LogLevel.Info, `Connected${healed}`, { epoch, attempt, took: formatDuration(took) })
  },
  AttemptFailed: ({ attempt, cause }) => line(LogLevel.Debug, cause.message, { attempt, error: cause._tag }),
  Lost: ({ cause, epoch, messages, openFor, proven }) =>
    line(LogLevel.Info, `Lost the connection. ${cause.message}`, {
      epoch,
      error: cause._tag,
      openFor: formatDuration(openFor),
      messages,
      proven
    }),
  Waiting: ({ attempt, cause, class: { _tag }, delay, retriesLeft }) =>
    line(LogLevel.Warning, `${retryOf(attempt, retriesLeft)} in ${formatDuration(delay)}. ${cause.message}`, {
      attempt,
      retriesLeft,
      delay: formatDuration(delay),
      error: cause._tag,
      class: _tag,
      fault: isLocal(cause) ? "local" : "remote"
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
      return
    case "Failed":
      counters.gaveUp(event.because, event.error._tag)
  }
}

const write = ({ facts, level, text }: Line) => Effect.annotateLogs(Effect.logWithLevel(level, text), facts)

export class EventLog {
  /** Writes the recorded events to the log. It is slow, so it should run while the connection waits for its socket. */
  readonly writeLog: Effect.Effect<void> = Effect.uninterruptible(
    Effect.flatMap(FiberRef.get(FiberRef.currentMinimumLogLevel), (least) => this.#writeAbove(least))
  )
  readonly #events = EventStream.make<ConnectionEvent.ConnectionEvent>({ capacity, at: ({ at }) => at })
  readonly events: Listenable<ConnectionEvent.ConnectionEvent> = this.#events.stream
  #server = Server.unknownServer
  #counters: Metrics.Counters
  #unwritten: Array<{ readonly event: Recorded; readonly server: string }> = []

  readonly #name: string | undefined

  constructor(name: string | undefined) {
    this.#name = name
    this.#counters = Metrics.make({ ...this.#server, name })
  }

  /** Sets the server that log lines and metrics are about from now on. */
  dials(server: Server.Server): void {
    if (Server.show(server) === Server.show(this.#server)) return
    this.#server = server
    this.#counters = Metrics.make({ ...server, name: this.#name })
  }

  /** The metrics of that server. */
  counters(): Metrics.Counters {
    return this.#counters
  }

  /** Publishes and measures an event at once. The next `writeLog` logs it. */
  record(event: Recorded): void {
    measure(event, this.#counters)
    this.#unwritten.push({ event, server: Server.show(this.#server) })
    this.#events.unsafeOfferAll([this.#named(event)])
  }

  /** Publishes an event to readers only. */
  publish(event: Extract<ConnectionEvent.ConnectionEvent, { readonly _tag: "Gap" | "Died" }>): void {
    this.#events.unsafeOfferAll([this.#named(event)])
  }

  end(exit: Exit.Exit<void>): void {
    this.#events.end(exit)
  }

  #subject(server: string): Line["facts"] {
    return { ...(server === "" ? {} : { server }), ...(this.#name === undefined ? {} : { connection: this.#name }) }
  }

  #named(event: ConnectionEvent.ConnectionEvent): ConnectionEvent.ConnectionEvent {
    return this.#name === undefined ? event : Data.struct({ ...event, connection: this.#name })
  }

  #writeAbove(least: LogLevel.LogLevel): Effect.Effect<void> {
    const recorded = this.#unwritten
    this.#unwritten = []
    // Lines below the log level are not annotated, to save their cost.
    const lines = recorded.flatMap(({ event, server }) => {
      const { facts, level, text } = toLine(event)
      return LogLevel.lessThan(level, least) ? [] : [{ level, text, facts: { ...facts, ...this.#subject(server) } }]
    })
    return lines.length === 0 ? Effect.void : Effect.forEach(lines, write, { discard: true })
  }
}
