// Does anything that is not a market event do harm? A million frames through the decoder, and a million through
// connection, session and feed, each judged by a slow oracle: `npm run fuzz -- --frames 1000000 --seed 1 --json`.
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { parseArgs } from "node:util"
import * as Fuzz from "./fuzz.ts"
import { collectGarbage } from "./garbage.ts"
import { leastSquares } from "../../utils/leastSquares.ts"

const { values } = parseArgs({
  options: {
    frames: { type: "string", default: "1000000" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false }
  }
})
const frames = Number(values.frames)
const seed = Number(values.seed)

const megabytes = (bytes: number) => Number((bytes / 1024 / 1024).toFixed(2))

// The heap after a collection, as frames go by. It has warmed up after a fifth of them.
const watchHeap = () => {
  const samples: Array<readonly [frames: number, heap: number]> = []
  return {
    onProgress: (done: number) => {
      collectGarbage()
      samples.push([done, process.memoryUsage().heapUsed])
    },
    verdict: () => {
      const settled = samples.filter(([done]) => done >= frames / 5)
      const fit = leastSquares(settled)
      const [, start = 0] = settled[0] ?? []
      const [, end = 0] = settled.at(-1) ?? []
      return {
        afterWarmUpMiB: megabytes(start),
        atTheEndMiB: megabytes(end),
        growthPerMillionFramesMiB: fit === undefined ? undefined : megabytes(fit.slope * 1_000_000),
        plusMinusMiB: fit === undefined ? undefined : megabytes(fit.error * 1_000_000)
      }
    }
  }
}

const program = Effect.gen(function*() {
  const decoderHeap = watchHeap()
  const decoder = yield* Effect.sync(() => Fuzz.decodeAll({ frames, seed, onProgress: decoderHeap.onProgress }))
  const decoded = { ...decoder, heap: decoderHeap.verdict() }
  const feedHeap = watchHeap()
  const fed = { ...yield* Effect.scoped(Fuzz.feedAll({ frames, seed, onProgress: feedHeap.onProgress })), heap: feedHeap.verdict() }
  const redundancy: Array<string> = []
  const row = (...cells: ReadonlyArray<string | number | undefined>) => {
    redundancy.push(`| ${cells.map((cell) => cell ?? "").join(" | ")} |`)
  }
  row("", "decoder", "connection, session and feed")
  row("---", "---:", "---:")
  row("frames", decoded.frames, fed.frames)
  row("events", decoded.valid, fed.received)
  row("invalid frames", decoded.invalid, fed.invalid)
  row("reported as invalid / to be reported", "", `${fed.reported} / ${fed.reportable}`)
  row("connections", "", fed.connections)
  row("wrong", decoded.wrong.length, fed.wrong.length)
  row("heap after warm-up, MiB", decoded.heap.afterWarmUpMiB, fed.heap.afterWarmUpMiB)
  row("heap at the end, MiB", decoded.heap.atTheEndMiB, fed.heap.atTheEndMiB)
  row(
    "growth per million frames, MiB, fitted",
    ...[decoded, fed].map(({ heap }) => `${heap.growthPerMillionFramesMiB ?? "?"} ± ${heap.plusMinusMiB ?? "?"}`)
  )
  const wrong = [...decoded.wrong, ...fed.wrong]
  redundancy.push("", wrong.length === 0 ? "Nothing is wrong." : wrong.join("\n"), "")
  process.stderr.write(redundancy.join("\n"))
  if (values.json) process.stdout.write(`${JSON.stringify({ seed, decoder: decoded, feed: fed }, undefined, 2)}\n`)
  if (wrong.length > 0) process.exitCode = 1
})

await Effect.runPromise(Effect.provide(program, Logger.remove(Logger.defaultLogger)))
