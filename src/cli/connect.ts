// `holdfast connect`: any WebSocket, healed. It knows no protocol: what it reads is sent, and what comes is printed.
import type * as Command from "@effect/cli/Command"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Connection from "../Connection.ts"
import { formatDuration } from "../internal/time/durationText.ts"
import { monotonic, monotonicMillis } from "../internal/time/monotonic.ts"
import { sleep } from "../internal/time/sleep.ts"
import type * as Item from "../Item.ts"
import * as NodeTransport from "../NodeTransport.ts"
import * as ReconnectPolicy from "../ReconnectPolicy.ts"
import type { Message } from "../Transport.ts"
import * as ExitCode from "./exitCode.ts"
import { gapJson, headersOf, messageJson, messageText } from "./message.ts"
import { NeverConnected } from "./NeverConnected.ts"
import type { connectConfig } from "./options.ts"
import * as Output from "./output.ts"
import { withoutControl, withoutSecrets } from "./shown.ts"
import * as Summary from "./Summary.ts"
import { lookOf } from "./terminal.ts"
import * as View from "./View.ts"
import { hang } from "./width.ts"

/** Some lines of standard input were not sent, or may not have arrived. */
export class LinesNotSent extends Data.TaggedError("LinesNotSent")<{ readonly count: number; readonly of: number }> {
  override get message(): string {
    return `${this.count} of ${this.of} lines may not have arrived.`
  }
}

type Arguments = Command.Command.ParseConfig<typeof connectConfig>

/** Where the program prints: data to the one, all else to the other. */
interface Printer {
  readonly message: (message: Message, at: number) => void
  readonly gap: (gap: Item.Gap, at: number) => void
  readonly begin: () => void
  readonly happened: (event: Parameters<typeof View.toldOf>[0]) => void
  readonly notSent: (line: number, reason: string) => void
  readonly end: (summary: Summary.Summary, counts: ReadonlyArray<string>, now: number) => void
}

const jsonPrinter = (name: string, isQuiet: boolean, line: (text: string) => void, aside: (text: string) => void): Printer => ({
  begin: () => undefined,
  message: (message, at) => {
    line(messageJson(message, at))
  },
  gap: (gap, at) => {
    line(gapJson(gap, at))
  },
  happened: (event) => {
    // The gap stands among the messages, in its place.
    if (!isQuiet && event._tag !== "Gap") line(View.eventJson(name, event))
  },
  notSent: (number, reason) => {
    aside(`Line ${number} may not have arrived: ${reason}`)
  },
  end: () => undefined
})

const textPrinter = (name: string, isQuiet: boolean, line: (text: string) => void, aside: (text: string) => void): Printer => {
  const { hasColours } = lookOf(process.env, process.stderr.isTTY)
  const isTerminal = process.stdout.isTTY
  const coloured = (text: string, colour: number | undefined) =>
    colour === undefined || !hasColours ? text : `\u001b[${colour}m${text}\u001b[0m`
  const told = (at: number, text: string, colour?: number) => {
    const { columns, isTTY } = process.stderr
    const time = `${View.clockTime(at)}  `
    aside(`${time}${coloured(hang(withoutControl(text), time.length, isTTY ? columns - 1 : Number.POSITIVE_INFINITY), colour)}`)
  }
  return {
    begin: () => {
      if (!isQuiet) aside(`Connecting to ${name}. Ctrl-C ends it.`)
    },
    message: (message) => {
      line(messageText(message, isTerminal))
    },
    gap: ({ cause, downtime, dropped }, at) => {
      const lost = dropped > 0 ? `, and ${dropped} were dropped` : ""
      told(at, `messages may be missing here, of ${formatDuration(downtime)}${lost}: ${cause.message}`, 33)
    },
    happened: (event) => {
      const text = event._tag === "Gap" ? undefined : View.toldOf(event)
      if (!isQuiet && text !== undefined) told(event.at, text, View.colours[event._tag])
    },
    notSent: (number, reason) => {
      aside(`Line ${number} may not have arrived: ${reason}`)
    },
    end: (summary, counts, now) => {
      if (!isQuiet) aside(Summary.lines(summary, now, counts).join("\n"))
    }
  }
}

export const connect = (args: Arguments) =>
  Effect.gen(function*() {
    const { duration, headers, json, keepOpen, linger, pingInterval, protocols, quiet, subscribe, url } = args
    const reconnect = yield* ReconnectPolicy.config
    const clock = yield* Effect.clock
    const output = Output.make(process.stdout, () => "")
    const printer = (json ? jsonPrinter : textPrinter)(
      withoutSecrets(url),
      quiet,
      (text) => {
        output.write(`${text}\n`)
      },
      (text) => {
        process.stderr.write(`${text}\n`)
      }
    )
    const counts = { received: 0, sent: 0, failed: 0, gaps: 0 }
    let summary = Summary.begin(monotonicMillis(clock), false)
    ExitCode.onInterrupt(ExitCode.failed)

    yield* Effect.addFinalizer(() =>
      Effect.flatMap(monotonic, (now) => {
        const { gaps, received, sent } = counts
        const shown = [`${Summary.plural(received, "message")} received, ${sent} sent`, Summary.plural(gaps, "gap")]
        printer.end(summary, shown, now)
        return output.flushed
      })
    )
    printer.begin()
    const connection = yield* Connection.make({
      url: Redacted.make(url),
      headers: headersOf(headers),
      protocols,
      pingInterval: Option.getOrUndefined(pingInterval),
      reconnect,
      onOpen: ({ send }) => Effect.forEach(subscribe, send, { discard: true })
    }).pipe(Effect.provide(NodeTransport.layerConfig(NodeTransport.config)))

    yield* Effect.forkScoped(connection.events.forEach((event) =>
      Effect.sync(() => {
        summary = Summary.addConnection(summary, "", event, monotonicMillis(clock))
        if (summary.hasConnected) ExitCode.onInterrupt(ExitCode.done)
        printer.happened(event)
      })
    ))

    // It waits for its reader, and then so does the peer.
    const reading = connection.items.forEach((item) =>
      Effect.flatMap(Clock.currentTimeMillis, (at) => {
        if (item._tag === "Gap") {
          counts.gaps++
          printer.gap(item, at)
        } else {
          counts.received++
          printer.message(item.data, at)
        }
        return output.drained
      })
    )

    // A line waits for as long as the connection is not given up: `reading` fails then.
    const send = (line: string) =>
      Effect.matchEffect(connection.send(line, { deadline: Duration.infinity }), {
        onSuccess: () =>
          Effect.sync(() => {
            counts.sent++
          }),
        onFailure: ({ _tag, message }) =>
          _tag === "NotConnected" ? Effect.never : Effect.sync(() => {
            counts.failed++
            printer.notSent(counts.sent + counts.failed, message)
          })
      })
    const lines = NodeStream.stdin.pipe(Stream.decodeText(), Stream.splitLines, Stream.orDie)
    const ended = Effect.suspend(() => {
      const total = counts.sent + counts.failed
      // A service has a standard input without any line. On a terminal, Ctrl-D ends it on purpose.
      if (keepOpen || (total === 0 && !process.stdin.isTTY)) return Effect.never
      return Effect.zipRight(sleep(linger), counts.failed === 0 ? Effect.void : new LinesNotSent({ count: counts.failed, of: total }))
    })
    const sending = Effect.zipRight(Stream.runForEach(lines, send), ended)

    const running = Effect.raceFirst(reading, sending)
    yield* Option.match(duration, {
      onNone: () => running,
      onSome: (time) =>
        Effect.raceFirst(
          running,
          Effect.zipRight(sleep(time), Effect.suspend(() => summary.hasConnected ? Effect.void : new NeverConnected({ within: time })))
        )
    })
  }).pipe(Effect.scoped)
