// The text of `holdfast help` and of `holdfast help <command>`.
import type { Command } from "./commandLine.ts"
import { commandNames, usageOf } from "./commandLine.ts"
import type { Flag } from "./options.ts"
import { commands, flagText, globalFlags } from "./options.ts"

const width = 100

const wrap = (text: string, indent: number): string => {
  const lines = [""]
  for (const word of text.split(" ")) {
    const line = lines.at(-1) ?? ""
    if (line !== "" && indent + line.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`
  }
  return lines.join(`\n${" ".repeat(indent)}`)
}

const table = (rows: ReadonlyArray<readonly [name: string, description: string]>): string => {
  const column = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, description]) => `  ${name.padEnd(column)}  ${wrap(description, column + 4)}`).join("\n")
}

const flagRow = (flag: Flag) =>
  [`${flag.alias === undefined ? "    " : `-${flag.alias}, `}${flagText(flag)}`, flag.description] as const

const usageLine = (command: Command | undefined): string => {
  if (command === undefined) return "holdfast [options]"
  const { argument: { least, most, name } } = commands[command]
  const argument = most > 1 ? `<${name}>...` : `<${name}>`
  const needed = usageOf(command).flags.filter(({ required }) => required !== undefined).map((flag) => ` ${flagText(flag)}`).join("")
  return `holdfast ${command}${needed} [options] ${least === 0 ? `[${argument}]` : argument}`
}

const environment = [
  ["TRADING_MODE", "The venue: demo (an exchange in this process, which breaks the connection every few seconds), paper " +
    "(Binance's testnet) or live (Binance). Default: demo."],
  ["WEBSOCKET_MAX_RETRIES", "Dials after a loss before the program gives up: a number, or unlimited. Default: 10."],
  ["LOG_LEVEL", "As --log-level. Default: off."],
  ["HOLDFAST_CONFIG", "A JSON file with these and the other settings of the connection, in lower case."],
  ["HOLDFAST_TOKEN", "The token of holdfast serve, as --token."],
  ["NO_COLOR, FORCE_COLOR", "Switch colours off, or on."]
] as const

export const help = (command: Command | undefined): string => {
  const { flags, summary } = usageOf(command)
  const usages = command === undefined ? [undefined, ...commandNames] : [command]
  const sections: ReadonlyArray<readonly [title: string, body: string]> = [
    ["USAGE", usages.map((name) => `  ${usageLine(name)}`).join("\n")],
    ...(command === undefined
      ? [["COMMANDS", table([
        ...commandNames.map((name) => [name, commands[name].summary] as const),
        ["help", "Shows this help, or the help of a command: holdfast help watch."]
      ])] as const]
      : []),
    ["OPTIONS", table([...flags, ...globalFlags].map(flagRow))],
    ["ENVIRONMENT", table(environment)]
  ]
  const without = command === undefined ? " Without a command, the program watches." : ""
  return `${wrap(`${summary}${without}`, 0)}\n\n${sections.map(([title, body]) => `${title}\n${body}`).join("\n\n")}\n`
}
