// Runs a contestant in a process, and logs its reports.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { ChildProcess } from "node:child_process"
import { fork } from "node:child_process"
import type { Range } from "./judge.ts"
import type { About, Start } from "./report.ts"
import { Report } from "./report.ts"

/** The reports of one contestant, over all its processes. */
export interface Log {
  about: About | undefined
  readonly ids: Array<number>
  readonly missing: Array<Range>
  readonly notices: Array<string>
  newest: number
  /** The time at which the newest trade was reported, by the monotonic clock, in milliseconds. */
  newestAt: number
  revivable: boolean
}

export const emptyLog = (): Log => ({
  about: undefined,
  ids: [],
  missing: [],
  notices: [],
  newest: 0,
  newestAt: Number.NEGATIVE_INFINITY,
  revivable: false
})

export interface Client {
  /** The reason why the process ended by itself. Undefined: it has not. */
  readonly crashed: () => string | undefined
  readonly revive: Effect.Effect<void>
}

const decode = Schema.decodeUnknownOption(Report)

const record = (log: Log, report: Report) => {
  switch (report._tag) {
    case "About":
      log.about = report
      break
    case "Trade":
      log.ids.push(report.id)
      if (report.id > log.newest) {
        log.newest = report.id
        log.newestAt = performance.now()
      }
      break
    case "Missing":
      if (report.from !== null && report.to !== null) log.missing.push({ from: report.from, to: report.to })
      break
    case "Notice":
      log.notices.push(report.text)
      break
    case "Reviving":
      log.revivable = report.possible
  }
}

// Finds the error message in Node's output of a crash.
const sentence = (text: string) => /^\w*Error.*$/m.exec(text)?.[0] ?? text.trim().split("\n").at(-1) ?? ""

/** Starts a contestant's process; it runs until the scope closes. */
export const start = (log: Log, options: Start): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync((): Client & { readonly child: ChildProcess } => {
      const child = fork(new URL("child.ts", import.meta.url), [JSON.stringify(options)], {
        stdio: ["ignore", "ignore", "pipe", "ipc"]
      })
      let errors = ""
      let crashed: string | undefined
      child.stderr?.on("data", (chunk: Buffer) => {
        errors = (errors + chunk.toString()).slice(-4_096)
      })
      child.on("message", (message) => {
        Option.map(decode(message), (report) => {
          record(log, report)
        })
      })
      child.on("close", (code, signal) => {
        crashed = `exit ${code ?? signal ?? ""}: ${sentence(errors)}`
      })
      return {
        child,
        crashed: () => crashed,
        revive: Effect.sync(() => {
          child.send("revive")
        })
      }
    }),
    ({ child }) =>
      Effect.sync(() => {
        child.kill("SIGKILL")
      })
  )

/** Waits until `holds` returns true, but not longer than `bound`. Returns the last result of `holds`. */
export const until = (holds: () => boolean, bound: Duration.DurationInput): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const deadline = performance.now() + Duration.toMillis(bound)
    return Effect.sync(holds).pipe(
      Effect.repeat({ until: (held) => held || performance.now() >= deadline, schedule: Schedule.spaced("10 millis") }),
      Effect.map(() => holds())
    )
  })
