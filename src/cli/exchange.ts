// `holdfast exchange`: the embedded exchange, with faults by schedule or by key press.
import type * as Command from "@effect/cli/Command"
import * as Terminal from "@effect/platform/Terminal"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Exchange from "../binance/exchange/Exchange.ts"
import { formatDuration } from "../internal/time/durationText.ts"
import { sleep } from "../internal/time/sleep.ts"
import type { Named } from "./faults.ts"
import { faultOfKey, faultRows, parseFault } from "./faults.ts"
import type { exchangeConfig } from "./options.ts"
import * as Region from "./region.ts"
import { plural } from "./Summary.ts"
import { lookOf } from "./terminal.ts"
import { clockTime } from "./View.ts"
import { wrap } from "./width.ts"

type Arguments = Command.Command.ParseConfig<typeof exchangeConfig>

/** The result that the command prints. */
interface Printer {
  readonly listening: (exchange: Exchange.Exchange, faults: ReadonlyArray<Named>, every: Duration.Duration, hasKeys: boolean) => void
  readonly fault: (name: string, at: number) => void
  readonly tick: (stats: Exchange.Stats, at: number) => void
  readonly end: () => void
}

const jsonPrinter = (line: (text: string) => void): Printer => {
  let open = 0
  return {
    listening: ({ markets, port, restUrl, wsUrl }, faults) => {
      line(JSON.stringify({ event: "Listening", port, wsUrl, restUrl, symbols: [...markets.keys()], faults: faults.map(({ name }) => name) }))
    },
    fault: (fault, at) => {
      line(JSON.stringify({ event: "Fault", timestamp: at, fault }))
    },
    tick: (stats, at) => {
      if (stats.open !== open) line(JSON.stringify({ event: "Clients", timestamp: at, open: stats.open, sent: stats.sent }))
      open = stats.open
    },
    end: () => undefined
  }
}

const keysText = faultRows.map(({ key, name }) => `${key} ${name.replace(/\[.*/, "")}`).join(", ")

const textPrinter = (isQuiet: boolean, write: (text: string) => void): Printer => {
  const { isTTY } = process.stdout
  const { canRedraw, hasColours } = lookOf(process.env, isTTY)
  const size = () => ({ columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 })
  const region = canRedraw ? Region.make(write, size, hasColours) : undefined
  const line = (text: string) => {
    (region?.above ?? write)(`${text}\n`)
  }
  const paragraph = (text: string) => {
    for (const each of wrap(text, isTTY ? size().columns - 1 : Number.POSITIVE_INFINITY)) line(each)
  }
  let faults = 0
  let clients = 0
  return {
    listening: (exchange, scheduled, every, hasKeys) => {
      if (isQuiet) {
        line(exchange.wsUrl)
        return
      }
      paragraph("The embedded exchange. Its market is made up. Ctrl-C ends it.")
      line(`  streams  ${exchange.wsUrl}/ws and /stream`)
      line(`  REST     ${exchange.restUrl}/api/v3`)
      line(`  symbols  ${[...exchange.markets.keys()].join(" ")}`)
      line("Read it with:")
      line(`  holdfast watch btcusdt@trade --venue ${exchange.wsUrl}`)
      if (scheduled.length > 0) paragraph(`Every ${formatDuration(every)} a fault, in turn: ${scheduled.map(({ name }) => name).join(", ")}.`)
      else if (!hasKeys) paragraph("It breaks nothing: no fault was named. holdfast exchange --help lists them.")
      if (hasKeys) paragraph(`Keys: ${keysText}.`)
    },
    fault: (name, at) => {
      faults++
      if (!isQuiet) line(`${clockTime(at)}  ${hasColours ? `\u001b[31m${name}\u001b[0m` : name}`)
    },
    tick: ({ open, sent }, at) => {
      if (isQuiet) return
      if (region !== undefined) region.draw([[{ text: `${plural(open, "client")}, ${plural(sent, "message")} sent, ${plural(faults, "fault")}` }]])
      else if (open !== clients) line(`${clockTime(at)}  ${plural(open, "client")}`)
      clients = open
    },
    end: () => {
      region?.clear()
    }
  }
}

export const exchange = ({ duration, every, faults: names, json, port, quiet, seed, tradesPerSecond }: Arguments) =>
  Effect.gen(function*() {
    const faults = names.flatMap((name) => Option.toArray(parseFault(name)))
    const running = yield* Exchange.make({
      port: Option.getOrUndefined(port),
      seed: Option.getOrUndefined(seed),
      tradesPerSecond: Option.getOrUndefined(tradesPerSecond)
    })
    const write = (text: string) => {
      process.stdout.write(text)
    }
    const printer = json
      ? jsonPrinter((text) => {
        write(`${text}\n`)
      })
      : textPrinter(quiet, write)
    const hasKeys = process.stdin.isTTY && process.stdout.isTTY && !json
    yield* Effect.addFinalizer(() => Effect.sync(printer.end))
    printer.listening(running, faults, every, hasKeys)

    // A restart lasts for its downtime: the schedule and the keys go on meanwhile.
    const inject = ({ fault, name }: Named) =>
      Effect.flatMap(Clock.currentTimeMillis, (at) => {
        printer.fault(name, at)
        return Effect.forkScoped(running.fault(fault))
      })
    if (faults.length > 0) {
      yield* Effect.forkScoped(Effect.forever(Effect.forEach(faults, (fault) => Effect.delay(inject(fault), every), { discard: true })))
    }
    yield* Effect.forkScoped(Effect.repeat(
      Effect.zipWith(running.stats, Clock.currentTimeMillis, (stats, at) => {
        printer.tick(stats, at)
      }),
      Schedule.spaced("1 second")
    ))

    // Ends with Ctrl-C, which a terminal in raw mode passes on as a key.
    const keys = Effect.gen(function*() {
      const terminal = yield* Terminal.Terminal
      const pressed = yield* terminal.readInput
      const next = Effect.flatMap(pressed.take, ({ key }) => {
        const fault = faultOfKey(key.name)
        return fault === undefined || key.ctrl ? Effect.void : inject(fault)
      })
      yield* Effect.catchTag(Effect.forever(next), "NoSuchElementException", () => Effect.void)
    })
    const until = hasKeys ? keys : Effect.never
    yield* Option.match(duration, {
      onNone: () => until,
      onSome: (time) => Effect.raceFirst(until, sleep(time))
    })
  }).pipe(Effect.scoped)
