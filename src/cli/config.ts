// `holdfast config`: the settings that are in force, and where each comes from.
import type * as Command from "@effect/cli/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { configConfig } from "./options.ts"
import { logLevel } from "./settings.ts"
import type { Effective } from "./settingsTable.ts"
import { effective, everything, unknownSettings } from "./settingsTable.ts"
import { withoutControl, withoutSecrets } from "./shown.ts"
import { venueNamed } from "./venueNames.ts"
import { padEnd } from "./width.ts"

const File = Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown }))

// The layer of the settings has read the file before, and would have failed.
const fileSettings = (path: string | undefined) =>
  Effect.gen(function*() {
    if (path === undefined || path.trim() === "") return new Map<string, string>()
    const fs = yield* FileSystem.FileSystem
    const settings = yield* Effect.flatMap(fs.readFileString(path), Schema.decode(File))
    return new Map(Object.entries(settings).map(([key, value]) => [key.toLowerCase(), String(value)]))
  }).pipe(Effect.orElseSucceed(() => new Map<string, string>()))

/** The lines of the settings: in columns, or where these have no room, each value below its name. */
export const linesOf = (settings: ReadonlyArray<Effective>, file: string | undefined, columns: number): ReadonlyArray<string> => {
  const name = Math.max(...settings.map((setting) => setting.name.length))
  const value = Math.min(40, Math.max(...settings.map((setting) => setting.value.length)))
  const sourceOf = ({ source }: Effective) => source === "file" ? `file ${file ?? ""}` : source
  // The longest source that is no path.
  return name + value + 2 * 2 + "environment".length > columns
    ? settings.flatMap((setting) => [setting.name, `  ${withoutControl(setting.value)}, ${sourceOf(setting)}`])
    : settings.map((setting) => `${padEnd(setting.name, name)}  ${padEnd(withoutControl(setting.value), value)}  ${sourceOf(setting)}`)
}

export const config = ({ json, rest, venue, ws }: Command.Command.ParseConfig<typeof configConfig>) =>
  Effect.gen(function*() {
    const path = process.env["HOLDFAST_CONFIG"]
    const file = yield* fileSettings(path)
    const options = new Map<string, string>()
    const where = Option.orElse(ws, () => venue)
    if (Option.isSome(where)) options.set("TRADING_MODE", venueNamed(where.value) ?? withoutSecrets(where.value))
    if (Option.isSome(rest)) options.set("TRADING_MODE", `${options.get("TRADING_MODE") ?? ""} and ${withoutSecrets(rest.value)}`.replace(/^ and /, ""))
    // The level in force is not the one that is set: the option has set it.
    const level = yield* FiberRef.get(FiberRef.currentMinimumLogLevel)
    if ((yield* Effect.option(logLevel)).pipe(Option.exists(({ label }) => label !== level.label))) options.set("LOG_LEVEL", level.label.toLowerCase())

    const all = effective({ environment: process.env, file, options })
    const unknown = unknownSettings([...Object.keys(process.env), ...[...file.keys()].map((key) => key.toUpperCase())])
    if (json) yield* Effect.forEach(all, (setting) => Console.log(JSON.stringify(setting)), { discard: true })
    else yield* Effect.forEach(linesOf(all, path, process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY), (line) => Console.log(line), { discard: true })
    // Console.error prints nothing here: the start of the program silences that of @effect/cli.
    for (const line of unknown) process.stderr.write(`${withoutControl(line)}\n`)
    // Says what is wrong with those that are not allowed.
    const read = yield* Effect.either(everything)
    if (Either.isLeft(read)) return yield* Effect.fail(read.left)
  })
