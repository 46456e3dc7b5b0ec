// Measures the cost of a change: `npm run bench:pairs -- --against CHECKOUT`. Runs Holdfast's contestants of this checkout
// and of another in pairs, and prints the median of their ratios with its interval. Below 1, this checkout costs less.
//
// --only text,typed    only these benchmarks
// --contestant TEXT    only contestants with TEXT in their name; may be given more than once
// --pairs 21           the number of pairs (default 15)
// --warm-up 1500       the warm-up in milliseconds (default 3000)
// --json               prints the ratios as JSON
import { pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import { benchmarks } from "./benchmarks.ts"
import { compile } from "./compile.ts"
import type { Contestant } from "./harness.ts"
import * as Harness from "./harness.ts"
import { shown } from "./report.ts"
import type { Figures, Interval } from "./stats.ts"
import { medianInterval } from "./stats.ts"

const { values } = parseArgs({
  options: {
    against: { type: "string" },
    only: { type: "string" },
    contestant: { type: "string", multiple: true },
    pairs: { type: "string", default: "15" },
    "warm-up": { type: "string", default: "3000" },
    json: { type: "boolean", default: false }
  }
})
if (values.against === undefined) throw new Error("--against must be the path of another checkout with its packages installed.")
const ours = new URL("../../", import.meta.url)
const theirs = pathToFileURL(`${values.against}/`)
const only = values.only?.split(",")

const isOther = /^(ws|ccxt|binance|@binance|reconnecting-websocket|sorted-btree)/
const isChosen = ({ name }: Contestant) =>
  values.contestant === undefined ? !isOther.test(name) : values.contestant.some((part) => name === part || name.includes(part))

interface Row {
  readonly benchmark: string
  readonly contestant: string
  readonly ratios: Readonly<Record<string, Interval>>
}

const compare = async (benchmark: string, contestant: Contestant): Promise<Row> => {
  const size = { ...Harness.full, warmUp: Number(values["warm-up"]) }
  const ratiosOf: Record<string, Array<number>> = {}
  for (let pair = 0; pair < Number(values.pairs); pair++) {
    // Alternates the order, because the first run can affect the second.
    const order = pair % 2 === 0 ? [ours, theirs] : [theirs, ours]
    const figures = new Map<URL, Figures>()
    for (const root of order) figures.set(root, await contestant.run({ ...size, root }))
    for (const [name, value] of Object.entries(figures.get(ours) ?? {})) {
      const other = figures.get(theirs)?.[name]
      if (other !== undefined && other > 0) (ratiosOf[name] ??= []).push(value / other)
    }
  }
  return {
    benchmark,
    contestant: contestant.name,
    ratios: Object.fromEntries(Object.entries(ratiosOf).map(([name, ratios]) => [name, medianInterval(ratios)]))
  }
}

await compile(theirs)
await compile(ours)
const rows: Array<Row> = []
for (const { contestants, figures, name } of benchmarks) {
  if (only !== undefined && !only.includes(name)) continue
  for (const contestant of contestants.filter(isChosen)) {
    const row = await compare(name, contestant)
    rows.push(row)
    const ratios = Object.entries(row.ratios).filter(([figure]) => figure in figures)
    const lines = ratios.map(([figure, { high, low, median }]) => `${figure} ${shown(median)} (${shown(low)} to ${shown(high)})`)
    process.stderr.write(`${name}, ${contestant.name}: ${lines.join(", ")}\n`)
  }
}
if (values.json) process.stdout.write(`${JSON.stringify({ node: process.version, pairs: Number(values.pairs), rows }, undefined, 2)}\n`)
