// Finds figures that became much worse than the recorded ones. Compares ratios and figures with goals only: other
// absolute figures depend on the machine.
import type { Result } from "./harness.ts"

/** The factor that counts as a loss: more than the noise of a busy machine, less than most faults in a hot path. */
export const tolerance = 2

export interface Loss {
  readonly benchmark: string
  readonly contestant: string
  readonly figure: string
  readonly recorded: number
  readonly now: number
}

/** The figures by which a row is judged: the ratio of its first figure, and every figure with a goal. */
const judged = (result: Result) =>
  result.rows.flatMap((row) => {
    const first = Object.keys(result.units)[0] ?? ""
    const ratio = row.ratios[first]
    const of = (figure: string, value: number) => ({ benchmark: result.name, contestant: row.contestant, figure, value })
    const other = row.goals.filter((goal) => goal.of === "value" || goal.figure !== first || goal.against !== undefined)
    return [
      ...(ratio === undefined ? [] : [of(first, ratio)]),
      ...other.map(({ against, figure, value }) => of(against === undefined ? figure : `${figure} to ${against}`, value))
    ]
  })

/** The figures that are at least {@link tolerance} times the recorded ones. */
export const losses = (recorded: ReadonlyArray<Result>, now: ReadonlyArray<Result>): ReadonlyArray<Loss> => {
  const before = recorded.flatMap(judged)
  return now.flatMap(judged).flatMap(({ benchmark, contestant, figure, value }) => {
    const known = before.find((one) =>
      one.benchmark === benchmark && one.contestant === contestant && one.figure === figure
    )
    return known !== undefined && value >= tolerance * known.value
      ? [{ benchmark, contestant, figure, recorded: known.value, now: value }]
      : []
  })
}

/** The names of the benchmarks without recorded results. */
export const unrecorded = (recorded: ReadonlyArray<Result>, now: ReadonlyArray<Result>): ReadonlyArray<string> =>
  now.filter(({ name }) => !recorded.some((result) => result.name === name)).map(({ name }) => name)
