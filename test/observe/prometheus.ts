// A real Prometheus, from Debian's package, on a free port of 127.0.0.1.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ask, until } from "./served.ts"

/** Whether it is installed. */
export const isInstalled = ["prometheus", "promtool"].every((name) => spawnSync(name, ["--version"]).error === undefined)

export const howToInstall = "Prometheus is not installed: apt-get install prometheus"

const freePort = Effect.async<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => {
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
    })
  })
})

const Queried = Schema.parseJson(Schema.Struct({
  status: Schema.Literal("success"),
  data: Schema.Struct({
    result: Schema.Array(Schema.Struct({
      metric: Schema.Record({ key: Schema.String, value: Schema.String }),
      value: Schema.Tuple(Schema.Number, Schema.NumberFromString)
    }))
  })
}))

const Alerts = Schema.parseJson(Schema.Struct({
  data: Schema.Struct({
    alerts: Schema.Array(Schema.Struct({
      labels: Schema.Record({ key: Schema.String, value: Schema.String }),
      annotations: Schema.Record({ key: Schema.String, value: Schema.String }),
      state: Schema.Literal("pending", "firing")
    }))
  })
}))

/** Starts it with this configuration and these rules, and waits until it is ready. It ends with the scope. */
export const start = (config: string, rules: string) =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "holdfast-prometheus-"))),
      (path) =>
        Effect.sync(() => {
          rmSync(path, { recursive: true, maxRetries: 5 })
        })
    )
    writeFileSync(join(folder, "prometheus.yml"), config)
    writeFileSync(join(folder, "alerts.yml"), rules)
    const port = yield* freePort
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn("prometheus", [
          `--config.file=${join(folder, "prometheus.yml")}`,
          `--storage.tsdb.path=${join(folder, "data")}`,
          `--web.listen-address=127.0.0.1:${port}`,
          "--log.level=error"
        ], { stdio: "ignore" })
      ),
      (child) =>
        Effect.async<void>((resume) => {
          child.once("exit", () => {
            resume(Effect.void)
          })
          child.kill("SIGKILL")
        })
    )
    yield* until(
      Effect.orElseSucceed(Effect.catchAllDefect(ask(port, "GET", "/-/ready"), () => Effect.fail("not listening yet")), () => ({ status: 0 })),
      ({ status }) => status === 200
    )
    return {
      /** The series of a query, with their values. */
      query: (text: string) =>
        Effect.map(ask(port, "GET", `/api/v1/query?query=${encodeURIComponent(text)}`), ({ body }) =>
          Schema.decodeSync(Queried)(body).data.result),
      /** The names of the alerts that fire. */
      firing: Effect.map(ask(port, "GET", "/api/v1/alerts"), ({ body }) =>
        Schema.decodeSync(Alerts)(body).data.alerts.filter(({ state }) => state === "firing"))
    }
  })
