// Starts the program, runs one command, and ends it. The code of a command is loaded when it runs.
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
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
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as ConfigFile from "../ConfigFile.ts"
import * as CommandLine from "./commandLine.ts"
import * as ExitCode from "./exitCode.ts"
import { help, paperOf, plain } from "./help.ts"
import * as Output from "./output.ts"
import * as Options from "./options.ts"
import { logLevel } from "./settings.ts"
import { sentences } from "./settingsTable.ts"
import { withoutControl } from "./shown.ts"
import { lookOf } from "./terminal.ts"

const version = "0.1.0"

// Standard output has what the user asked for, so logs go to standard error.
const toStandardError = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))

const logging = (level: LogLevel.LogLevel | undefined) =>
  Layer.unwrapEffect(
    Effect.map(
      level === undefined ? logLevel : Effect.succeed(level),
      (minimum) => Layer.merge(toStandardError, Logger.minimumLogLevel(minimum))
    )
  )

// Shows warnings about the settings file at every LOG_LEVEL, because that file may set the level.
const settings = Layer.provide(ConfigFile.layer, toStandardError)

const load = Effect.promise
const watching = load(() => import("./watch.ts"))

// One entry for each command: its name, its options, and the code that runs it.
const subcommands = (level: LogLevel.LogLevel | undefined) => [
  Command.make("watch", Options.watchConfig, (args) => Effect.flatMap(watching, ({ watch }) => watch(args))).pipe(
    Command.withDescription(Options.commands.watch.summary)
  ),
  Command.make("book", Options.bookConfig, (args) => Effect.flatMap(load(() => import("./book.ts")), ({ book }) => book(args))).pipe(
    Command.withDescription(Options.commands.book.summary)
  ),
  Command.make("record", Options.recordConfig, (args) => Effect.flatMap(load(() => import("./record.ts")), ({ record }) => record(args))).pipe(
    Command.withDescription(Options.commands.record.summary)
  ),
  Command.make("serve", Options.serveConfig, (args) => Effect.flatMap(load(() => import("./serve.ts")), ({ serve }) => serve(args, level))).pipe(
    Command.withDescription(Options.commands.serve.summary)
  ),
  Command.make("verify", Options.verifyConfig, (args) => Effect.flatMap(load(() => import("./verify.ts")), ({ verify }) => verify(args))).pipe(
    Command.withDescription(Options.commands.verify.summary)
  ),
  Command.make("replay", Options.replayConfig, (args) => Effect.flatMap(load(() => import("./replay.ts")), ({ replay }) => replay(args))).pipe(
    Command.withDescription(Options.commands.replay.summary)
  ),
  Command.make("connect", Options.connectConfig, (args) => Effect.flatMap(load(() => import("./connect.ts")), ({ connect }) => connect(args))).pipe(
    Command.withDescription(Options.commands.connect.summary)
  ),
  Command.make("exchange", Options.exchangeConfig, (args) => Effect.flatMap(load(() => import("./exchange.ts")), ({ exchange }) => exchange(args))).pipe(
    Command.withDescription(Options.commands.exchange.summary)
  ),
  Command.make("doctor", Options.doctorConfig, (args) => Effect.flatMap(load(() => import("./doctor.ts")), ({ doctor }) => doctor(args))).pipe(
    Command.withDescription(Options.commands.doctor.summary)
  ),
  Command.make("config", Options.configConfig, (args) => Effect.flatMap(load(() => import("./config.ts")), ({ config }) => config(args))).pipe(
    Command.withDescription(Options.commands.config.summary)
  ),
  Command.make("symbols", Options.symbolsConfig, (args) => Effect.flatMap(load(() => import("./symbols.ts")), ({ symbols }) => symbols(args))).pipe(
    Command.withDescription(Options.commands.symbols.summary)
  )
] as const

const make = (level: LogLevel.LogLevel | undefined) =>
  Command.make("holdfast", Options.defaultConfig, (args) => Effect.flatMap(watching, ({ watch }) => watch(args))).pipe(
    Command.withDescription(Options.program.summary),
    Command.withSubcommands(subcommands(level)),
    Command.provide(() => Layer.provideMerge(logging(level), settings))
  )

// ---------------------------------------------------------------------------------------------------------------------
// Errors

const isTagged = (error: Error, tag: string) => "_tag" in error && error._tag === tag

const explainFailure = (failure: unknown): ReadonlyArray<string> => {
  if (ValidationError.isValidationError(failure)) return [HelpDoc.toAnsiText(failure.error).trim()]
  if (ConfigError.isConfigError(failure)) return sentences(failure)
  if (!(failure instanceof Error)) return [`The program failed: ${String(failure)}.`]
  const isExhausted = isTagged(failure, "RetriesExhausted")
  const check = isExhausted || isTagged(failure, "DialFailed") ? " Check the address and the network." : ""
  return [failure.message + check + (isExhausted ? " WEBSOCKET_MAX_RETRIES sets the number of retries." : "")]
}

const explain = (cause: Cause.Cause<unknown>) => {
  if (Cause.isInterruptedOnly(cause)) return Effect.void
  const lines = Option.match(Cause.failureOption(cause), {
    onNone: () => ["A defect ended the program. Please report it with these lines:", Cause.pretty(cause)],
    onSome: (failure) => explainFailure(failure).map(withoutControl)
  })
  return Effect.forEach(lines, (line) => Console.error(line), { discard: true })
}

// A terminal that is closed ends the program as Ctrl-C does.
process.once("SIGHUP", () => {
  // The shell and the kernel may each send it.
  process.on("SIGHUP", () => undefined)
  process.kill(process.pid, "SIGTERM")
})
Output.handleErrors()

// ---------------------------------------------------------------------------------------------------------------------
// The start

// @effect/cli would print its errors with colours and blank lines. `explain` prints them instead.
const withoutErrors = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.console, (console) =>
    Effect.withConsole(effect, { ...console, error: () => Effect.void }))

class WrongCommandLine extends Data.TaggedError("WrongCommandLine")<{ readonly message: string }> {}

const main = Effect.gen(function*() {
  const line = yield* Either.mapLeft(CommandLine.read(process.argv.slice(2)), (message) => new WrongCommandLine({ message }))
  if (line._tag === "Help") {
    const { columns, isTTY } = process.stdout
    const { hasColours } = lookOf(process.env, isTTY)
    return yield* Console.log(help(line.command, isTTY ? paperOf(columns, hasColours) : { ...plain, hasColours }).trimEnd())
  }
  if (line._tag === "Version") return yield* Console.log(version)
  if (line.args.includes("--wizard") && !process.stdout.isTTY) {
    return yield* new WrongCommandLine({ message: "--wizard needs a terminal. Give the options instead." })
  }
  const run = Command.run(make(line.logLevel), { name: "Holdfast", version })
  yield* withoutErrors(run([...process.argv.slice(0, 2), ...line.args]))
})

main.pipe(
  Effect.tapErrorCause(explain),
  // `NodeContext` would load workers and child processes too.
  Effect.provide([NodeFileSystem.layer, NodePath.layer, NodeTerminal.layer]),
  NodeRuntime.runMain({ disableErrorReporting: true, disablePrettyLogger: true, teardown: ExitCode.teardown })
)
