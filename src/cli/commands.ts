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
import { help } from "./help.ts"
import * as Output from "./output.ts"
import {
  bookConfig,
  commands,
  defaultConfig,
  program,
  recordConfig,
  replayConfig,
  serveConfig,
  verifyConfig,
  watchConfig
} from "./options.ts"
import { logLevel } from "./settings.ts"
import { withoutControl } from "./shown.ts"

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

const make = (level: LogLevel.LogLevel | undefined) =>
  Command.make("holdfast", defaultConfig, (args) => Effect.flatMap(watching, ({ watch }) => watch(args))).pipe(
    Command.withDescription(program.summary),
    Command.withSubcommands([
      Command.make("watch", watchConfig, (args) => Effect.flatMap(watching, ({ watchCommand }) => watchCommand(args))).pipe(
        Command.withDescription(commands.watch.summary)
      ),
      Command.make("book", bookConfig, (args) => Effect.flatMap(load(() => import("./book.ts")), ({ book }) => book(args))).pipe(
        Command.withDescription(commands.book.summary)
      ),
      Command.make(
        "record",
        recordConfig,
        (args) => Effect.flatMap(load(() => import("./record.ts")), ({ record }) => record(args))
      ).pipe(Command.withDescription(commands.record.summary)),
      Command.make(
        "serve",
        serveConfig,
        (args) => Effect.flatMap(load(() => import("./serve.ts")), ({ serve }) => serve(args, level))
      ).pipe(Command.withDescription(commands.serve.summary)),
      Command.make(
        "verify",
        verifyConfig,
        (args) => Effect.flatMap(load(() => import("./verify.ts")), ({ verify }) => verify(args))
      ).pipe(Command.withDescription(commands.verify.summary)),
      Command.make(
        "replay",
        replayConfig,
        (args) => Effect.flatMap(load(() => import("./replay.ts")), ({ replay }) => replay(args))
      ).pipe(Command.withDescription(commands.replay.summary))
    ]),
    Command.provide(() => Layer.provideMerge(logging(level), settings))
  )

// ---------------------------------------------------------------------------------------------------------------------
// Errors

// A ConfigError may hold several: each is a sentence of its own.
const sentences = (error: ConfigError.ConfigError): ReadonlyArray<string> =>
  error._op === "And" || error._op === "Or"
    ? [...sentences(error.left), ...sentences(error.right)]
    : [`${error.path.join(".")}: ${error.message}.`]

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
  if (line._tag === "Help") return yield* Console.log(help(line.command).trimEnd())
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
  NodeRuntime.runMain({ disableErrorReporting: true, disablePrettyLogger: true })
)
