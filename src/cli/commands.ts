// The commands, and how the program starts and ends. What a command alone needs is loaded when it runs.
import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as ConfigFile from "../ConfigFile.ts"
import { bookConfig, defaultConfig, recordConfig, watchConfig } from "./options.ts"
import { oneOf } from "./settings.ts"

// Logs go to standard error, so that what is printed stays what was asked for. The view itself tells people what the
// log would; LOG_LEVEL brings the log back.
const levels = new Map(LogLevel.allLevels.map((level) => [level.label.toLowerCase(), level]))

const toStandardError = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))

// What the command line says counts before the environment: @effect/cli has set it.
const isLogAskedFor = process.argv.some((word) => word === "--log-level" || word.startsWith("--log-level="))

const logging = Layer.unwrapEffect(
  Effect.map(
    oneOf("LOG_LEVEL", levels, LogLevel.None),
    (level) => isLogAskedFor ? toStandardError : Layer.merge(toStandardError, Logger.minimumLogLevel(level))
  )
)

// What is wrong with the settings file is told whatever LOG_LEVEL says, which may be in it.
const settings = Layer.provide(ConfigFile.layer, toStandardError)

const load = Effect.promise
const watching = load(() => import("./watch.ts"))

const root = Command.make("holdfast", defaultConfig, (args) => Effect.flatMap(watching, ({ watch }) => watch(args)))

class Misplaced extends Data.TaggedError("Misplaced")<{ readonly command: string }> {
  override get message(): string {
    return `Options of a command come after it: holdfast ${this.command} and then the options.`
  }
}

// What comes before a command is not the command's, and must not be taken in silence.
const alone = <A, E, R>(command: string, run: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const { duration, json, rest, streams, ws } = yield* root
    const isGiven = json || streams.length > 0 || Option.isSome(duration) || Option.isSome(rest) || Option.isSome(ws)
    if (isGiven) return yield* new Misplaced({ command })
    return yield* run
  })

const command = root.pipe(
  Command.withDescription(
    "Market data through connections that heal themselves, with what they missed put back in its place. TRADING_MODE " +
      "says from where: demo (an exchange in this process, which breaks the connection every few seconds), paper " +
      "(Binance's testnet) or live. Without a command, it watches."
  ),
  Command.withSubcommands([
    Command.make("watch", watchConfig, (args) =>
      alone("watch", Effect.flatMap(watching, ({ watchCommand }) => watchCommand(args)))).pipe(
      Command.withDescription("Shows market events as they come.")
    ),
    Command.make("book", bookConfig, (args) =>
      alone("book", Effect.flatMap(load(() => import("./book.ts")), ({ book }) => book(args)))).pipe(
      Command.withDescription("Shows the top of an order book once a second.")
    ),
    Command.make("record", recordConfig, (args) =>
      alone("record", Effect.flatMap(load(() => import("./record.ts")), ({ record }) => record(args)))).pipe(
      Command.withDescription("Writes market events to a file, and goes on where it had stopped.")
    )
  ]),
  Command.provide(() => Layer.provideMerge(logging, settings))
)

// A ConfigError may hold several: each is a sentence of its own.
const sentences = (error: ConfigError.ConfigError): ReadonlyArray<string> =>
  error._op === "And" || error._op === "Or"
    ? [...sentences(error.left), ...sentences(error.right)]
    : [`${error.message}.`]

const explain = (cause: Cause.Cause<unknown>) => {
  if (Cause.isInterruptedOnly(cause)) return Effect.void
  const failure = Option.getOrUndefined(Cause.failureOption(cause))
  // @effect/cli has already said what was wrong with the command line.
  if (ValidationError.isValidationError(failure)) return Effect.void
  if (ConfigError.isConfigError(failure)) return Effect.forEach(sentences(failure), (text) => Console.error(text))
  return Console.error(failure instanceof Error ? failure.message : Cause.pretty(cause))
}

// Whoever reads us may stop at any time, as `head` does: that is the end, and no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0)
  process.stderr.write(`Standard output cannot be written: ${error.message}.\n`)
  process.exit(1)
})
// A terminal that is closed ends us as Ctrl-C does.
process.once("SIGHUP", () => process.kill(process.pid, "SIGTERM"))
// Nobody reads the log any more: no reason to stop.
process.stderr.on("error", () => undefined)

Command.run(command, { name: "Holdfast", version: "0.1.0" })(process.argv).pipe(
  Effect.tapErrorCause(explain),
  // What @effect/cli asks for. `NodeContext` would load workers and child processes too.
  Effect.provide([NodeFileSystem.layer, NodePath.layer, NodeTerminal.layer]),
  NodeRuntime.runMain({ disableErrorReporting: true, disablePrettyLogger: true })
)
