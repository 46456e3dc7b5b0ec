// Tests that a recording is whole however often its recorder is killed: `npm run kills -- --rounds 200 --seed 1 --json`.
// The exit code is 1 when something is wrong.
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { parseArgs } from "node:util"
import * as Kills from "./kills.ts"

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false }
  }
})

const program = Effect.gen(function*() {
  const report = yield* Kills.run({
    rounds: Number(values.rounds),
    seed: Number(values.seed),
    onRound: (round, wrong) => {
      for (const sentence of wrong) process.stderr.write(`${sentence}\n`)
      if (round % 20 === 0) process.stderr.write(`${round} kills\n`)
    }
  })
  const { files, lines, rounds, series, torn, written, wrong } = report
  process.stderr.write(`${rounds} kills, ${written} of them after something was written, ${torn} of them within a line; ${files} files, ${lines} lines.\n`)
  for (const [name, { count, gaps }] of series) process.stderr.write(`  ${name}: ${count} events, ${gaps} gaps\n`)
  process.stderr.write(wrong.length === 0 ? "Nothing is wrong.\n" : `Wrong:\n${wrong.map((sentence) => `  ${sentence}\n`).join("")}`)
  if (values.json) process.stdout.write(`${JSON.stringify({ ...report, series: Object.fromEntries(series) }, undefined, 2)}\n`)
  if (wrong.length > 0) process.exitCode = 1
})

await Effect.runPromise(program.pipe(Effect.provide(Logger.remove(Logger.defaultLogger))))
