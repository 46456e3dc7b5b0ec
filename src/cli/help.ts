// The text of `holdfast help` and of `holdfast help <command>`.
import type { Command } from "./commandLine.ts"
import { commandNames, usageOf } from "./commandLine.ts"
import { faultRows } from "./faults.ts"
import type { Flag } from "./options.ts"
import { flagText, globalFlags } from "./options.ts"
import { padEnd, width, wrap } from "./width.ts"

/** The terminal or file that the help is written for. */
export interface Paper {
  readonly columns: number
  readonly hasColours: boolean
}

/** The paper of a pipe. */
export const plain: Paper = { columns: 100, hasColours: false }

// Narrower text is hard to read, and so is wider text.
const narrowest = 40
const widest = 100

/** The paper of a terminal. */
export const paperOf = (columns: number | undefined, hasColours: boolean): Paper => ({
  columns: Math.min(widest, Math.max(narrowest, columns ?? widest)),
  hasColours
})

type Row = readonly [name: string, description: string]

const indented = (text: string, indent: number, columns: number): string =>
  wrap(text, columns - indent).map((line) => " ".repeat(indent) + line).join("\n")

// The descriptions stand beside the names, or below them where there is little room.
const table = (rows: ReadonlyArray<Row>, columns: number): string => {
  const longest = Math.max(...rows.map(([name]) => width(name)))
  const indent = longest + 4
  if (columns - indent < 30) return rows.map(([name, description]) => `  ${name}\n${indented(description, 6, columns)}`).join("\n")
  return rows.map(([name, description]) => `  ${padEnd(name, longest)}  ${indented(description, indent, columns).trimStart()}`).join("\n")
}

const flagRow = (flag: Flag): Row =>
  [`${flag.alias === undefined ? "    " : `-${flag.alias}, `}${flagText(flag)}`, flag.description]

const usageLine = (command: Command | undefined): string => {
  if (command === undefined) return "holdfast [options]"
  const { argument, flags } = usageOf(command)
  const needed = flags.filter(({ required }) => required !== undefined).map((flag) => ` ${flagText(flag)}`).join("")
  const start = `holdfast ${command}${needed} [options]`
  if (argument === undefined) return start
  const name = argument.most > 1 ? `<${argument.name}>...` : `<${argument.name}>`
  return `${start} ${argument.least === 0 ? `[${name}]` : name}`
}

const environment: ReadonlyArray<Row> = [
  ["TRADING_MODE", "The venue where --venue does not name one. Default: demo, an exchange in this process, which breaks the connection every few seconds. live and paper stand for spot and testnet."],
  ["WEBSOCKET_MAX_RETRIES", "Dials after a loss before the program gives up: a number, or unlimited. Default: 10."],
  ["LOG_LEVEL", "As --log-level. Default: off."],
  ["HOLDFAST_CONFIG", "A JSON file with these and the other settings of the connection, in lower case."],
  ["HOLDFAST_TOKEN", "The token of holdfast serve, as --token."],
  ["NO_COLOR, FORCE_COLOR", "Switch colours off, or on. TERM=dumb switches them off too."]
]

const exits: ReadonlyArray<Row> = [
  ["0", "It did what it was asked to, also until Ctrl-C or --for ended it."],
  ["1", "It failed, or it never connected, or what it checked is not well."],
  ["2", "The command line or a setting is wrong. Nothing was begun."]
]

type Section = readonly [title: string, body: string]

const notesOf = (command: Command, columns: number): ReadonlyArray<Section> => {
  const notes: ReadonlyArray<Section> = (usageOf(command).notes ?? []).map((note) => ["NOTES", indented(note, 2, columns)])
  const faults = table(faultRows.map(({ does, key, name }) => [`${key}  ${name}`, does]), columns)
  return command === "exchange" ? [...notes, ["FAULTS, AND THEIR KEYS", faults]] : notes
}

/** The help of a command, or of the program. */
export const help = (command: Command | undefined, { columns, hasColours }: Paper = plain): string => {
  const { examples, flags, summary } = usageOf(command)
  const usages = command === undefined ? [undefined, ...commandNames] : [command]
  const rows = (all: ReadonlyArray<Row>) => table(all, columns)
  const sections: ReadonlyArray<Section> = [
    ["USAGE", usages.map((name) => `  ${usageLine(name)}`).join("\n")],
    ["EXAMPLES", examples.map(([line, does]) => `  ${line}\n${indented(does, 6, columns)}`).join("\n")],
    ...(command === undefined
      ? [["COMMANDS", rows([
        ...commandNames.map((name) => [name, usageOf(name).summary] as const),
        ["help", "Shows this help, or the help of a command: holdfast help watch."]
      ])] as const]
      : notesOf(command, columns)),
    ["OPTIONS", rows([...flags, ...globalFlags].map(flagRow))],
    ["ENVIRONMENT", rows(environment)],
    ["EXIT CODES", rows(exits)]
  ]
  const without = command === undefined ? " Without a command, the program watches." : ""
  const bold = (title: string) => hasColours ? `\u001b[1m${title}\u001b[0m` : title
  return `${wrap(`${summary}${without}`, columns).join("\n")}\n\n` +
    `${sections.map(([title, body]) => `${bold(title)}\n${body}`).join("\n\n")}\n`
}
