// The results as Markdown.
import type { Recovery, Strike } from "./judge.ts"
import { recoveries } from "./judge.ts"
import type { Faults, LastRetry, Storm } from "./run.ts"

/** All results of one contestant. */
export interface Result {
  readonly name: string
  readonly version: string
  readonly configuration: string
  readonly faults: Faults
  readonly storm: Storm
  readonly lastRetry: LastRetry
}

/** A whole run. */
export interface Results {
  readonly seed: number
  readonly times: number
  readonly boundSeconds: number
  readonly node: string
  /** How late the exchange's event loop was, in milliseconds: what other work distorted. */
  readonly loopDelay: { readonly p99: number; readonly max: number }
  readonly kinds: ReadonlyArray<string>
  readonly contestants: ReadonlyArray<Result>
}

const row = (cells: ReadonlyArray<string>) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>) =>
  [row(head), row(head.map((_, i) => i === 0 ? "---" : "---")), ...rows.map(row)].join("\n")

const seconds = (millis: number) => millis < 100 ? "< 0.1 s" : `${(millis / 1_000).toFixed(1)} s`

const count = (number: number) => number.toLocaleString("en")

const unnoticed = (strikes: ReadonlyArray<Strike>) =>
  strikes.filter(({ crashed, recovered }) => recovered === null && crashed === null).length

const crashes = (strikes: ReadonlyArray<Strike>) => strikes.filter(({ crashed }) => crashed !== null).length

const time = ({ failed, median, strikes }: Recovery) =>
  median === null ? "never" : failed === 0 ? seconds(median) : `${seconds(median)}, ${failed} of ${strikes} never`

const patience = ({ lastWord, limit, returned, revived, saidBefore }: LastRetry) => {
  const word = lastWord === null ? "says nothing" : `says: ${lastWord}${saidBefore ? " (as after every failure)" : ""}`
  const later = returned
    ? "comes back by itself"
    : revived === null
    ? "stays down"
    : revived
    ? "stays down; goes on when asked to"
    : "stays down, also when asked to go on"
  return [limit === null ? "none: retries for ever" : `\`${limit}\``, word, later]
}

/** The tables of the README. */
export const toMarkdown = ({ boundSeconds, contestants, kinds, times }: Results): string => {
  const names = contestants.map(({ name, version }) => `${name} ${version}`)
  const summaries = contestants.map(({ faults }) => recoveries(kinds, faults.strikes))
  return [
    table(
      ["client", "trades", "lost", "repeated", "out of order", `not recovered in ${boundSeconds} s`, "crashes", "dials a minute, accept-then-close"],
      contestants.map(({ faults: { strikes, verdict }, storm }, i) => [
        names[i] ?? "",
        count(verdict.expected),
        count(verdict.lost),
        count(verdict.repeated),
        count(verdict.outOfOrder),
        `${unnoticed(strikes)} of ${strikes.length}`,
        String(crashes(strikes)),
        `${storm.dialsPerMinute}${storm.recovered === null ? ", then never back" : ""}`
      ])
    ),
    `Time from the fault to the next trade, median of ${times}:`,
    table(
      ["fault", ...contestants.map(({ name }) => name)],
      kinds.map((kind, i) => [
        kind,
        ...summaries.map((summary) => {
          const recovery = summary[i]
          return recovery === undefined ? "" : time(recovery)
        })
      ])
    ),
    "A server that is down for longer than the retries last (three, where they can be limited):",
    table(
      ["client", "limit", "at the end of the outage it", "when the server is back it"],
      contestants.map(({ lastRetry, name }) => [name, ...patience(lastRetry)])
    ),
    "How each was configured:",
    table(["client", "configuration"], contestants.map(({ configuration, name }) => [name, configuration]))
  ].join("\n\n")
}
