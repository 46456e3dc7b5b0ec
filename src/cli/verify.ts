// `holdfast verify`: says whether recordings are as they were written, and what each stream has and lacks.
import type * as Command from "@effect/cli/Command"
import type { PlatformError } from "@effect/platform/Error"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { series } from "../binance/internal/recordedSeries.ts"
import { inOrder } from "../internal/recording/names.ts"
import type { Coverage, Report } from "../internal/recording/verify.ts"
import * as Verify from "../internal/recording/verify.ts"
import { describePlatformError } from "../internal/platformError.ts"
import type { verifyConfig } from "./options.ts"
import { withoutControl } from "./shown.ts"

/** A file cannot be read. */
export class FileUnreadable extends Data.TaggedError("FileUnreadable")<{
  readonly files: ReadonlyArray<string>
  readonly cause: PlatformError
}> {
  override get message(): string {
    return `${this.files.join(", ")} cannot be read: ${describePlatformError(this.cause).replace(/\.$/, "")}.`
  }
}

/** Something is wrong in a recording. */
export class RecordingDamaged extends Data.TaggedError("RecordingDamaged")<{ readonly files: ReadonlyArray<string> }> {
  override get message(): string {
    return `Not whole: ${this.files.join(", ")}. Fetch what is missing from an archive of the venue.`
  }
}

const bounds = ({ from, to }: Coverage) => from === undefined ? "no positions" : `${from} to ${to ?? "?"}`

const linesOf = (files: ReadonlyArray<string>, report: Report): ReadonlyArray<string> => {
  const { lines, problems, series } = report
  return [
    `${files.join(", ")}: ${lines} lines, ${Verify.isClean(report) ? "whole" : "not whole"}`,
    ...[...series].sort(([a], [b]) => a < b ? -1 : 1).map(([name, coverage]) => {
      const { count, gaps, isShared, outOfOrder, repeated, undeclared } = coverage
      if (isShared) return `  ${name}: ${bounds(coverage)}, ${count} events of several streams, ${gaps} declared gaps`
      return `  ${name}: ${bounds(coverage)}, ${count} events, ${repeated} repeated, ${outOfOrder} out of order, ` +
        `${undeclared} undeclared gaps, ${gaps} declared gaps`
    }),
    ...problems.map(({ at, file, message }) => `  ${file}, line ${at}: ${message}`)
  ]
}

const facts = (files: ReadonlyArray<string>, report: Report): string =>
  JSON.stringify({
    files,
    lines: report.lines,
    isWhole: Verify.isClean(report),
    series: Object.fromEntries(report.series),
    problems: report.problems
  })

export const verify = ({ files, json }: Command.Command.ParseConfig<typeof verifyConfig>) =>
  Effect.gen(function*() {
    const recordings = yield* Effect.forEach(inOrder(files), (files) =>
      Verify.verify(files, series).pipe(
        Effect.mapError((cause) => new FileUnreadable({ files, cause })),
        Effect.tap((report) =>
          json
            ? Console.log(facts(files, report))
            : Effect.forEach(linesOf(files, report), (line) => Console.log(withoutControl(line)), { discard: true })),
        Effect.map((report) => ({ files, report }))
      ))
    const damaged = recordings.filter(({ report }) => !Verify.isClean(report)).flatMap(({ files }) => files)
    if (damaged.length > 0) return yield* new RecordingDamaged({ files: damaged })
  })
