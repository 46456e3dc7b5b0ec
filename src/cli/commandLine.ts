// Reads and checks the command line: the command, its options, its arguments and their values. Each error is one sentence.
import * as Either from "effect/Either"
import type { LogLevel } from "effect/LogLevel"
import * as Option from "effect/Option"
import { didYouMean, near } from "./near.ts"
import type { Flag, Usage, Value } from "./options.ts"
import { commands, flagText, globalFlags, program, stream } from "./options.ts"
import { logLevels } from "./settings.ts"
import { hasControl, withoutControl, withoutSecrets } from "./shown.ts"

export type Command = keyof typeof commands

export type CommandLine =
  /** The arguments for @effect/cli. */
  | { readonly _tag: "Run"; readonly args: ReadonlyArray<string>; readonly logLevel: LogLevel | undefined }
  | { readonly _tag: "Help"; readonly command: Command | undefined }
  | { readonly _tag: "Version" }

const isCommand = (word: string): word is Command => Object.hasOwn(commands, word)

export const commandNames: ReadonlyArray<Command> = Object.keys(commands).filter(isCommand)

const isOption = (word: string) => /^-./.test(word)
// A negative number is a value, and so is a dash alone, which stands for standard output.
const isValue = (word: string | undefined): word is string => word !== undefined && !/^-(?![\d.]|$)/.test(word)

export const usageOf = (command: Command | undefined): Usage => command === undefined ? program : commands[command]
const nameOf = (command: Command | undefined) => command === undefined ? "holdfast" : `holdfast ${command}`

// A URL may be anywhere on a wrong command line.
const shown = (word: string): string => {
  const [, option = "", value = word] = /^(--[a-z-]+=)(.*)$/s.exec(word) ?? []
  return value.includes(":/") ? `${option}${withoutSecrets(value)}` : word
}

// The sentence of an error about a wrong value.
const shownOf = (value: Value<unknown>, word: string): string => value.shown?.(word) ?? shown(word)
const nearOf = (value: Value<unknown>, word: string): string => didYouMean(value.near?.(word) ?? [])

const list = (names: ReadonlyArray<string>) =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1) ?? ""}`

const find = (usage: Usage, word: string): Flag | undefined =>
  [...usage.flags, ...globalFlags].find(({ alias, name }) => word.toLowerCase() === `--${name}` || (alias !== undefined && word === `-${alias}`))

const wrongArguments = (command: Command, given: ReadonlyArray<string>): string | undefined => {
  const { argument }: Usage = commands[command]
  if (argument === undefined) {
    return given.length === 0 ? undefined : `holdfast ${command} takes no argument, but got ${list(given.map(shown))}.`
  }
  const { example, least, most, name, value } = argument
  if (given.length < least) return `holdfast ${command} needs a ${name}: holdfast ${command} ${example}.`
  if (given.length > most) return `holdfast ${command} takes one ${name}, but got ${given.length}: ${list(given.map((word) => shownOf(value, word)))}.`
  const wrong = given.find((word) => Option.isNone(value.parse(word)))
  return wrong === undefined
    ? undefined
    : `"${shownOf(value, wrong)}" is not a ${name}. A ${name} is ${value.expected}.${nearOf(value, wrong)}`
}

const unknownCommand = (word: string): string => {
  if (Option.isSome(stream.parse(word))) return `Write holdfast watch ${shown(word)}.`
  if (/^wss?:/i.test(word)) return "Write holdfast connect and the URL."
  return `${didYouMean(near(word, [...commandNames, "help"])).trimStart()} The commands are ${list(commandNames)}; holdfast --help explains them.`.trimStart()
}

const unknownOption = (command: Command | undefined, word: string): string => {
  const names = [...usageOf(command).flags, ...globalFlags].map(({ name }) => `--${name}`)
  // One dash in place of two is a slip of its own.
  return didYouMean(near(word.replace(/^-*/, "--"), names))
}

// The arguments read so far. Of several errors, the first one counts.
interface Reading {
  command: Command | undefined
  logLevel: LogLevel | undefined
  isHelp: boolean
  isVersion: boolean
  isUnknown: boolean
  error: string | undefined
  readonly options: Array<string>
  readonly given: Array<string>
  readonly seen: Set<Flag>
}

const readWord = (reading: Reading, word: string): void => {
  const { command, given, seen } = reading
  if (command !== undefined) given.push(word)
  else if (word === "help") reading.isHelp = true
  else if (isCommand(word)) {
    if ([...seen].some((flag) => !globalFlags.includes(flag))) {
      reading.error ??= `Options of a command come after it: holdfast ${word} ${[...seen].map(flagText).join(" ")}.`
    }
    reading.command = word
  } else {
    reading.isUnknown = true
    reading.error ??= `There is no command "${shown(word)}". ${unknownCommand(word)}`
  }
}

const readValue = (reading: Reading, flag: Flag, value: string): void => {
  const option = `--${flag.name}`
  if (value === "") reading.error ??= `${option} needs a value: ${option} ${flag.example ?? "value"}.`
  else if (flag.value !== undefined && Option.isNone(flag.value.parse(value))) {
    reading.error ??= `${option} must be ${flag.value.expected}, but is "${shownOf(flag.value, value)}".${nearOf(flag.value, value)}`
  } else if (flag.name === "log-level") reading.logLevel = logLevels.get(value.toLowerCase())
  else if (flag.repeats === "argument") reading.given.push(value)
  // @effect/cli accepts an option that may be repeated only as two words.
  else if (flag.repeats === "option") reading.options.push(option, value)
  else reading.options.push(`${option}=${value}`)
}

// Returns 1 if it has read the next argument as its value.
const readOption = (reading: Reading, word: string, next: string | undefined): 0 | 1 => {
  const [, name = "", inline] = /^(-[^=]*)(?:=(.*))?$/s.exec(word) ?? []
  const program = nameOf(reading.command)
  const flag = find(usageOf(reading.command), name)
  if (flag === undefined) {
    reading.error ??= `${program} has no option ${name}.${unknownOption(reading.command, name)} ${program} --help lists its options.`
    return 0
  }
  if (reading.seen.has(flag) && flag.repeats === undefined) reading.error ??= `--${flag.name} was given twice. Give it once.`
  reading.seen.add(flag)
  if (flag.placeholder !== undefined) {
    const isNext = inline === undefined && isValue(next)
    readValue(reading, flag, (inline ?? (isNext ? next : "")).trim())
    return isNext ? 1 : 0
  }
  if (inline !== undefined) reading.error ??= `--${flag.name} takes no value.`
  else if (flag.name === "help") reading.isHelp = true
  else if (flag.name === "version") reading.isVersion = true
  else reading.options.push(`--${flag.name}`)
  return 0
}

// The wizard asks for what is missing, and a completion script needs nothing.
const needsNothing = ({ options }: Reading) => options.some((option) => option === "--wizard" || option.startsWith("--completions="))

const isToOutput = (options: ReadonlyArray<string>) => options.includes("--out=-")

const incomplete = ({ command, given, options, seen }: Reading): string | undefined => {
  const { flags } = usageOf(command)
  const missing = flags.find((flag) => flag.required !== undefined && !seen.has(flag))
  const seenNames = new Set([...seen].map(({ name }) => name))
  return (command === undefined ? undefined : wrongArguments(command, given)) ??
    (missing === undefined ? undefined : `${nameOf(command)} needs ${missing.required}: --${missing.name} ${missing.example ?? "value"}.`) ??
    (seenNames.has("gzip") && isToOutput(options) ? "--gzip compresses the files of a recording, and --out - is standard output." : undefined) ??
    (seenNames.has("venue") && seenNames.has("ws") ? "--venue and --ws both say where the market is. Give one of them." : undefined)
}

const argsOf = ({ command, given, options }: Reading): ReadonlyArray<string> =>
  command === undefined ? [...options, ...given.flatMap((name) => ["--stream", name])] : [command, ...options, ...given]

/** Reads the arguments after the program's name. */
export const read = (all: ReadonlyArray<string>): Either.Either<CommandLine, string> => {
  const wrong = all.find(hasControl)
  if (wrong !== undefined) {
    return Either.left(`The argument "${shown(withoutControl(wrong))}" has a control character. Give it without.`)
  }
  const end = all.indexOf("--")
  const args = end === -1 ? all : all.slice(0, end)
  const reading: Reading = {
    command: undefined,
    logLevel: undefined,
    isHelp: false,
    isVersion: false,
    isUnknown: false,
    error: undefined,
    options: [],
    given: [],
    seen: new Set()
  }
  for (let i = 0; i < args.length; i++) {
    const word = args[i] ?? ""
    if (isOption(word)) i += readOption(reading, word, args[i + 1])
    else readWord(reading, word)
  }
  if (end !== -1) for (const word of all.slice(end + 1)) readWord(reading, word)
  const { command, isHelp, isUnknown, isVersion, logLevel } = reading
  if (isHelp && !isUnknown) return Either.right({ _tag: "Help", command })
  if (isVersion) return Either.right({ _tag: "Version" })
  const error = reading.error ?? (needsNothing(reading) ? undefined : incomplete(reading))
  return error === undefined ? Either.right({ _tag: "Run", args: argsOf(reading), logLevel }) : Either.left(error)
}
