// Formats the results as Markdown.
import type { FaultOutcome, Recovery, Verdict } from "./judge.ts"
import { recovery } from "./judge.ts"
import type { LastRetry, Storm } from "./run.ts"

/** All results of one contestant. */
export interface Result {
  readonly name: string
  readonly version: string
  readonly configuration: string
  readonly verdict: Verdict
  readonly outcomes: ReadonlyArray<FaultOutcome>
  readonly storm: Storm
  readonly lastRetry: LastRetry
}

/** A whole run. */
export interface Results {
  readonly seed: number
  readonly times: number
  readonly boundSeconds: number
  readonly node: string
  /** The delay of the exchange's event loop in milliseconds: it shows how much other work distorted the results. */
  readonly loopDelay: { readonly p99: number; readonly max: number }
  readonly kinds: ReadonlyArray<string>
  readonly contestants: ReadonlyArray<Result>
}

const row = (cells: ReadonlyArray<string>) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>) =>
  [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n")

const seconds = (millis: number) => millis < 100 ? "< 0.1 s" : `${(millis / 1_000).toFixed(1)} s`

const count = (number: number) => number.toLocaleString("en")

const time = (boundSeconds: number) => ({ crashes, faults, median, unnoticed }: Recovery) =>
  [
    ...(median === null ? [] : [seconds(median)]),
    ...(unnoticed === 0 ? [] : [unnoticed === faults ? `not in ${boundSeconds} s` : `${unnoticed} of ${faults} not`]),
    ...(crashes === 0 ? [] : [crashes === faults ? "crash" : `${crashes} of ${faults} crashed`])
  ].join("; ")

const afterLastRetry = (boundSeconds: number) => ({ lastWord, limit, returned, revived, saidBefore }: LastRetry) => {
  const word = lastWord === null ? "nothing" : `${lastWord}${saidBefore ? " (as after every failure)" : ""}`
  const later = returned
    ? "came back by itself"
    : revived === null
    ? `was not back in ${boundSeconds} s`
    : revived
    ? "stayed down, and went on when asked to"
    : "stayed down, also when asked to go on"
  return [limit === null ? "none" : `\`${limit}\``, word, later]
}

/** The tables of docs/comparison.md. */
export const toMarkdown = ({ boundSeconds, contestants, kinds, loopDelay, node, seed, times }: Results): string => {
  const timeOf = time(boundSeconds)
  const afterLastRetryOf = afterLastRetry(boundSeconds)
  return [
    table(
      ["client", "trades", "lost", "repeated", "out of order", `faults not recovered from in ${boundSeconds} s`, "crashes", "dials in a minute of accept-then-close"],
      contestants.map(({ name, outcomes, storm, verdict, version }) => {
        const all = kinds.map((kind) => recovery(kind, outcomes))
        return [
          `${name} ${version}`,
          count(verdict.expected),
          verdict.declared === 0 ? count(verdict.lost) : `${count(verdict.lost)} (${count(verdict.declared)} declared)`,
          count(verdict.repeated),
          count(verdict.outOfOrder),
          `${all.reduce((sum, { unnoticed }) => sum + unnoticed, 0)} of ${outcomes.length}`,
          String(all.reduce((sum, { crashes }) => sum + crashes, 0)),
          `${storm.dialsPerMinute}${storm.recovered === null ? `, then not back in ${boundSeconds} s` : ""}`
        ]
      })
    ),
    `From the fault to the next trade, the median of ${times}:`,
    table(
      ["fault", ...contestants.map(({ name }) => name)],
      kinds.map((kind) => [kind, ...contestants.map(({ outcomes }) => timeOf(recovery(kind, outcomes)))])
    ),
    "A server that is down for 45 seconds, longer than three retries last, where their number can be limited:",
    table(
      ["client", "limit", "its last word during the outage", "once the server was back, it"],
      contestants.map(({ lastRetry, name }) => [name, ...afterLastRetryOf(lastRetry)])
    ),
    "How each was configured:",
    table(["client", "configuration"], contestants.map(({ configuration, name }) => [name, configuration])),
    `Node ${node}, seed ${seed}. The exchange's own event loop was late by ${loopDelay.p99} ms at the 99th percentile, and by ${loopDelay.max} ms at most.`
  ].join("\n\n")
}
