// Formats results: as a table, and as numbers for a file.
import type { Result, Row } from "./harness.ts"
import type { Figures } from "./stats.ts"

/** Formats a number with three significant digits. */
export const shown = (value: number): string => {
  if (!Number.isFinite(value)) return "–"
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 0.01))))
  return value.toLocaleString("en", { maximumFractionDigits: value === 0 ? 0 : digits, maximumSignificantDigits: 3 })
}

const figuresOf = (figures: Figures, units: Result["units"]) =>
  Object.entries(units)
    .flatMap(([name, unit]) => figures[name] === undefined ? [] : `${shown(figures[name])} ${unit}`)
    .join(", ")

const goalsOf = ({ goals }: Row, { units }: Result) =>
  goals.map(({ against, atMost, figure, met, of, value }) => {
    const what = of === "ratio" ? `≤ ${atMost}×` : `≤ ${shown(atMost)}`
    const whose = against === undefined ? "" : ` of ${against} (${shown(value)}×)`
    const which = figure === Object.keys(units)[0] ? "" : ` (${units[figure] ?? figure})`
    return `${what}${whose}${which}: ${met ? "met" : "**not met**"}`
  }).join("; ")

// The ratios of the first figure, and of the figures whose goal is a ratio.
const ratioOf = ({ against, goals, ratios }: Row, { rows, units }: Result) => {
  const withGoal = goals.flatMap((goal) => goal.of === "ratio" ? goal.figure : [])
  const ratiosShown = [...new Set([Object.keys(units)[0] ?? "", ...withGoal])].flatMap((name) =>
    ratios[name] === undefined ? [] : `${shown(ratios[name])}×`
  )
  if (ratiosShown.length === 0) return ""
  return `${ratiosShown.join(", ")}${against === rows[0]?.contestant ? "" : ` of ${against ?? ""}`}`
}

export const table = (results: ReadonlyArray<Result>): string =>
  [
    "| | | | ratio | goal |",
    "|---|---|---|---|---|",
    ...results.flatMap((result) =>
      result.rows.map((row, i) =>
        `| ${
          [
            i === 0 ? `**${result.name}**` : "",
            row.contestant,
            figuresOf(row.figures, result.units),
            ratioOf(row, result),
            goalsOf(row, result)
          ].join(" | ")
        } |`
      )
    )
  ].join("\n")

const rounded = (figures: Figures): Figures =>
  Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Number(value.toPrecision(4))]))

/** Rounds all numbers to four significant digits, since more would be noise. */
export const concise = (result: Result): Result => ({
  ...result,
  rows: result.rows.map((row) => ({
    ...row,
    figures: rounded(row.figures),
    ratios: rounded(row.ratios),
    goals: row.goals.map((goal) => ({ ...goal, value: Number(goal.value.toPrecision(4)) }))
  }))
})
