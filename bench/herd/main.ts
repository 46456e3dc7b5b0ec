// Simulates a herd of clients with each policy, in virtual time: `npm run herd`. With `--write` the results and the plot go
// to bench/herd/herd.json and herd.svg, and the table to docs/proofs.md.
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as Page from "../page.ts"
import type { Herd } from "./model.ts"
import { run, summarise } from "./model.ts"
import { plot } from "./plot.ts"
import { lost, policies, refused } from "./policies.ts"

const { values } = parseArgs({
  options: {
    clients: { type: "string", default: "10000" },
    seed: { type: "string", default: "1" },
    // The downtime of the server, in seconds.
    down: { type: "string", default: "180" },
    // The dials that the server accepts per second once it is back.
    accepts: { type: "string", default: "500" },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false }
  }
})

const herd: Herd = {
  clients: Number(values.clients),
  seed: Number(values.seed),
  server: { downSeconds: Number(values.down), acceptsPerSecond: Number(values.accepts) },
  untilSeconds: Number(values.down) + 7_200
}

const results = policies.map(({ name, wait, formula }) => {
  const outcome = run(wait, lost, refused, herd)
  return { name, formula, summary: summarise(outcome, herd), dials: outcome.dials }
})

const count = (number: number) => number.toLocaleString("en")

const table = [
  "| policy | wait, in seconds, n from 0 | busiest second | busiest second once the server is back | dials in all | 99 % back after |",
  "| --- | --- | --- | --- | --- | --- |",
  ...results.map(({ name, summary: { dials, mostBackAfter, peak, peakOnceBack }, formula }) =>
    `| ${name} | ${formula} | ${count(peak)} | ${count(peakOnceBack)} | ${count(dials)} | ${mostBackAfter === null ? "never" : `${mostBackAfter} s`} |`)
].join("\n")

const json = `${JSON.stringify({ ...herd, results })}\n`
process.stdout.write(values.json ? json : `${table}\n`)

if (values.write) {
  writeFileSync(new URL("herd.json", import.meta.url), json)
  writeFileSync(new URL("herd.svg", import.meta.url), plot(results, herd, 480))
  Page.write("proofs.md", "herd", table)
}
