// The files of docs/operations: the alerts by a real Prometheus, each made to fire; the others by their syntax.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parse } from "yaml"
import { Connection } from "holdfast"
import { Fault } from "holdfast/binance/exchange"
import * as NodeTransport from "holdfast/NodeTransport"
import * as Prometheus from "./prometheus.ts"
import { serve, until } from "./served.ts"

const folder = fileURLToPath(new URL("../../docs/operations/", import.meta.url))
const textOf = (name: string) => readFileSync(`${folder}${name}`, "utf8")

const rules = textOf("alerts.yml")
const Dashboard = Schema.parseJson(Schema.Struct({
  panels: Schema.Array(Schema.Struct({ title: Schema.String, targets: Schema.Array(Schema.Unknown) }))
}))

const alertNames = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name = ""]) => name)
const dashboard = textOf("grafana/dashboard.json")
const expressions = [...dashboard.matchAll(/"expr": "((?:[^"\\]|\\.)*)"/g)].map(([, text = ""]) => text.replaceAll("\\\"", "\""))

const isNeeded = Prometheus.isInstalled || process.env["CI"] !== undefined
const running = isNeeded ? it.scopedLive : it.scopedLive.skip

// ---------------------------------------------------------------------------------------------------------------------

// All durations of the rules a thirtieth as long, and the thresholds in seconds with them.
const factor = 30
const millis = { s: 1_000, m: 60_000, h: 3_600_000 } as const
const scaled = rules
  .replace(/\b(\d+)([smh])\b/g, (_, count: string, unit: "s" | "m" | "h") => `${Math.round(Number(count) * millis[unit] / factor)}ms`)
  .replace(/(_seconds > )(\d+)/g, (_, before: string, seconds: string) => `${before}${Number(seconds) / factor}`)

const configOf = (port: number, down: number) => `
global:
  scrape_interval: 250ms
  evaluation_interval: 250ms
rule_files: [alerts.yml]
scrape_configs:
  - job_name: holdfast
    static_configs:
      - targets: ["127.0.0.1:${port}", "127.0.0.1:${down}"]
`

describe("a real Prometheus", () => {
  it("is there where CI is set", ({ skip }) => {
    if (Prometheus.isInstalled) return
    assert.isUndefined(process.env["CI"], Prometheus.howToInstall)
    skip(Prometheus.howToInstall)
  })

  it.skipIf(!isNeeded)("takes the rules and the configuration", () => {
    for (const args of [["check", "rules", `${folder}alerts.yml`], ["check", "config", "--syntax-only", `${folder}prometheus.yml`]]) {
      const { status, stderr, stdout } = spawnSync("promtool", args, { encoding: "utf8" })
      assert.strictEqual(status, 0, stdout + stderr)
    }
  })

  running("scrapes what happened, answers the queries of the dashboard, and fires each alert at its fault", () =>
    Effect.gen(function*() {
      const trades = "btcusdt@trade"
      const { awaitReady, exchange, port } = yield* serve({
        streams: [trades],
        exchange: { tradesPerSecond: 10 },
        books: ["BTCUSDT"],
        feed: { rest: { giveUpAfter: "300 millis" }, connection: { reconnect: { initialDelay: "100 millis", maxDelay: "500 millis", maxRetries: "unlimited" } } }
      })
      yield* awaitReady
      const { firing, query } = yield* Prometheus.start(configOf(port, 1), scaled)

      // The values.
      const valueOf = (text: string) => Effect.map(query(text), ([series]) => series?.value[1])
      yield* until(valueOf(`market_events_total{market_kind="trade"}`), (value) => (value ?? 0) > 10)
      assert.strictEqual(yield* valueOf("observe_ready"), 1)
      assert.strictEqual(yield* valueOf(`websocket_client_connection_states{state="connected"}`), 1)
      assert.deepStrictEqual((yield* query(`market_rest_weight_total`)).map(({ metric }) => [metric["job"], metric["market_source"]]), [["holdfast", "binance"]])
      for (const expression of expressions) {
        yield* query(expression.replaceAll("$__rate_interval", "5s").replaceAll("$__range", "5s").replaceAll("$instance", ".*"))
      }

      const fires = (name: string) =>
        until(firing, (alerts) => alerts.some(({ labels }) => labels["alertname"] === name)).pipe(
          Effect.map((alerts) => alerts.find(({ labels }) => labels["alertname"] === name))
        )
      const refuse = (times: number) => exchange.fault(Fault.RefuseUpgrades({ times, status: 500 }))

      // A program that is not there.
      yield* fires("HoldfastDown")

      // Retries that are used up.
      yield* refuse(3)
      yield* Effect.flip(Effect.scoped(Effect.flatMap(
        Connection.make({ url: `${exchange.wsUrl}/ws/${trades}`, reconnect: { maxRetries: 2, initialDelay: "10 millis" } }),
        ({ messages }) => Stream.runDrain(messages)
      ))).pipe(Effect.provide(NodeTransport.layer))
      yield* fires("HoldfastExhausted")

      // Trades that were missed, while REST does not answer.
      yield* awaitReady
      yield* exchange.fault(Fault.FailRest({ times: 20, status: 503 }))
      yield* refuse(3)
      yield* exchange.fault(Fault.Reset())
      const gap = yield* fires("HoldfastGap")
      assert.strictEqual(gap?.labels["market_kind"], "trade")
      assert.match(gap?.annotations["summary"] ?? "", /is missing trade events for good: RestUnavailable\.$/)

      // A host that refuses every dial. The breaker lets ever fewer of them through.
      yield* awaitReady
      yield* refuse(9)
      yield* exchange.fault(Fault.Reset())
      yield* fires("HoldfastReconnecting")
      yield* fires("HoldfastBreakerOpen")

      // A stream that is dead, while its market goes on.
      yield* awaitReady
      yield* exchange.fault(Fault.Stall({ stream: trades, lasts: "90 seconds" }))
      const dead = yield* fires("HoldfastDeadStream")
      assert.strictEqual(dead?.labels["market_kind"], "trade")
    }), 240_000)

  it("is asked only for metrics that there are", () => {
    const page = textOf("metrics.md")
    const families = new Set([...page.matchAll(/^\| `([\w.]+)` \| (\w+) \| (\w*)/gm)].map(([, name = "", type, unit]) => {
      const seconds = unit === "s" ? "_seconds" : unit === "By" ? "_bytes" : ""
      const plain = name.replaceAll(".", "_")
      return `${plain}${plain.endsWith(seconds) ? "" : seconds}${type === "counter" ? "_total" : ""}`
    }))
    const asked = [...[...expressions, rules].join("\n").matchAll(/\b(?:websocket|market|recording|observe)_[a-z_]+(?=[{[ )]|$)/g)]
      .map(([name]) => name.replace(/_(bucket|sum|count)$/, ""))
      .filter((name) => name !== "market_kind" && name !== "market_source")
    assert.isAbove(asked.length, 20)
    assert.deepStrictEqual([...new Set(asked)].filter((name) => !families.has(name) && !["websocket_close_code"].includes(name)), [])
  })
})

describe("the files for containers", () => {
  it("are well-formed, and name files that are there", () => {
    const documents = ["compose.yml", "prometheus.yml", "alerts.yml", "grafana/datasources.yml", "grafana/dashboards.yml"]
    for (const name of documents) assert.isObject(parse(textOf(name), { strict: true, uniqueKeys: true }), name)
    const mounted = [...textOf("compose.yml").matchAll(/- (\.\/[\w./]+):/g)].map(([, path = ""]) => path)
    assert.lengthOf(mounted, 5)
    for (const path of [...mounted, "Containerfile"]) assert.isTrue(existsSync(`${folder}${path}`), path)
    // Every port is open on this machine only.
    for (const [, address] of textOf("compose.yml").matchAll(/ports: \["([^"]+)"\]/g)) assert.match(address ?? "", /^127\.0\.0\.1:/)
  })

  it("have instructions that a container engine knows, in lists that are JSON", () => {
    const lines = textOf("Containerfile").replaceAll("\\\n", " ").split("\n").filter((line) => line !== "" && !line.startsWith("#"))
    assert.match(lines[0] ?? "", /^FROM \S+:\S+$/)
    for (const line of lines) {
      assert.match(line, /^(FROM|ARG|RUN|USER|WORKDIR|ENV|EXPOSE|HEALTHCHECK|ENTRYPOINT|CMD) /)
      const [list] = /\[.*\]$/.exec(line) ?? []
      if (list !== undefined) assert.isArray(JSON.parse(list))
    }
    assert.include(lines.join("\n"), "USER node")
  })

  it("have a dashboard with a title and a query in every panel", () => {
    const { panels } = Schema.decodeSync(Dashboard)(dashboard)
    assert.isAbove(panels.length, 10)
    for (const { targets, title } of panels) assert.isTrue(title !== "" && targets.length > 0)
    assert.isAbove(expressions.length, panels.length - 1)
  })

  it("have an alert for each row of the guide", () => {
    const listed = [...textOf("README.md").matchAll(/^\| `(Holdfast\w+)` \|/gm)].map(([, name = ""]) => name)
    assert.deepStrictEqual(listed, alertNames)
  })
})
