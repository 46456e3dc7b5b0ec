// Whether anything became grossly slower than it was when the results were recorded. Only ratios are compared: absolute
// figures are another machine's.
import type { Result } from "./harness.ts"

/** Noise on a busy machine is less than this; a fault in the hot path is usually more. */
export const tolerance = 2

export interface Loss {
  readonly benchmark: string
  readonly contestant: string
  readonly figure: string
  readonly recorded: number
  readonly now: number
}

/** What a row is judged by: the ratio of its first figure, and whatever it has a goal for. */
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

/** The benchmarks that nothing was recorded of: there is nothing to compare them with. */
export const unrecorded = (recorded: ReadonlyArray<Result>, now: ReadonlyArray<Result>): ReadonlyArray<string> =>
  now.filter(({ name }) => !recorded.some((result) => result.name === name)).map(({ name }) => name)
