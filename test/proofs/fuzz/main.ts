// Tests that malformed messages do no harm. It sends a million messages through the decoder, and a million through
// connection, session and feed, and checks each with a slow oracle: `npm run fuzz -- --messages 1000000 --seed 1 --json`.
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { parseArgs } from "node:util"
import * as Fuzz from "./fuzz.ts"
import { collectGarbage } from "./garbage.ts"
import { leastSquares } from "../../utils/leastSquares.ts"

const { values } = parseArgs({
  options: {
    messages: { type: "string", default: "1000000" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false }
  }
})
const messages = Number(values.messages)
const seed = Number(values.seed)

const megabytes = (bytes: number) => Number((bytes / 1024 / 1024).toFixed(2))

// The heap after a collection, as messages go by. The first fifth is warm-up.
const watchHeap = () => {
  const samples: Array<readonly [messages: number, heap: number]> = []
  return {
    onProgress: (done: number) => {
      collectGarbage()
      samples.push([done, process.memoryUsage().heapUsed])
    },
    verdict: () => {
      const settled = samples.filter(([done]) => done >= messages / 5)
      const fit = leastSquares(settled)
      const [, start = 0] = settled[0] ?? []
      const [, end = 0] = settled.at(-1) ?? []
      return {
        afterWarmUpMiB: megabytes(start),
        atTheEndMiB: megabytes(end),
        growthPerMillionMessagesMiB: fit === undefined ? undefined : megabytes(fit.slope * 1_000_000),
        plusMinusMiB: fit === undefined ? undefined : megabytes(fit.error * 1_000_000)
      }
    }
  }
}

const program = Effect.gen(function*() {
  const decoderHeap = watchHeap()
  const decoder = yield* Effect.sync(() => Fuzz.decodeAll({ messages, seed, onProgress: decoderHeap.onProgress }))
  const decoded = { ...decoder, heap: decoderHeap.verdict() }
  const feedHeap = watchHeap()
  const fed = { ...yield* Effect.scoped(Fuzz.feedAll({ messages, seed, onProgress: feedHeap.onProgress })), heap: feedHeap.verdict() }
  const output: Array<string> = []
  const row = (...cells: ReadonlyArray<string | number | undefined>) => {
    output.push(`| ${cells.map((cell) => cell ?? "").join(" | ")} |`)
  }
  row("", "decoder", "connection, session and feed")
  row("---", "---:", "---:")
  row("messages", decoded.messages, fed.messages)
  row("events", decoded.valid, fed.received)
  row("invalid messages", decoded.invalid, fed.invalid)
  row("reported as invalid / should be", "", `${fed.reported} / ${fed.reportable}`)
  row("connections", "", fed.connections)
  row("wrong", decoded.wrong.length, fed.wrong.length)
  row("heap after warm-up, MiB", decoded.heap.afterWarmUpMiB, fed.heap.afterWarmUpMiB)
  row("heap at the end, MiB", decoded.heap.atTheEndMiB, fed.heap.atTheEndMiB)
  row(
    "growth per million messages, MiB, fitted",
    ...[decoded, fed].map(({ heap }) => `${heap.growthPerMillionMessagesMiB ?? "?"} ± ${heap.plusMinusMiB ?? "?"}`)
  )
  const wrong = [...decoded.wrong, ...fed.wrong]
  output.push("", wrong.length === 0 ? "Nothing is wrong." : wrong.join("\n"), "")
  process.stderr.write(output.join("\n"))
  if (values.json) process.stdout.write(`${JSON.stringify({ seed, decoder: decoded, feed: fed }, undefined, 2)}\n`)
  if (wrong.length > 0) process.exitCode = 1
})

await Effect.runPromise(Effect.provide(program, Logger.remove(Logger.defaultLogger)))
