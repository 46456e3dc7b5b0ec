import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createServer } from "node:http"
import { Observe } from "holdfast/observe"
import { serve, until } from "./served.ts"

// A collector: the requests that it got.
const collector = Effect.gen(function*() {
  const requests: Array<{ readonly path: string; readonly key: string | undefined; readonly body: string }> = []
  const server = createServer((request, response) => {
    let body = ""
    request.on("data", (chunk: Buffer) => {
      body += chunk.toString()
    })
    request.on("end", () => {
      requests.push({ path: request.url ?? "", key: request.headers["x-key"]?.toString(), body })
      response.end("{}")
    })
  })
  const port = yield* Effect.acquireRelease(
    Effect.async<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    }),
    () => Effect.sync(() => server.close())
  )
  return { requests, port }
})

const withSettings = (settings: Readonly<Record<string, string>>) => Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(settings))))

describe("exporting by OTLP", () => {
  it.scopedLive("sends the metrics to the collector that the settings name", () =>
    Effect.gen(function*() {
      const { port, requests } = yield* collector
      yield* serve({ streams: ["btcusdt@trade"] })
      yield* Layer.build(Observe.otlp.pipe(
        Layer.provide(FetchHttpClient.layer),
        Layer.provide(withSettings({
          OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
          OTEL_EXPORTER_OTLP_HEADERS: "x-key=a%20key,other=1",
          OTEL_SERVICE_NAME: "feeds",
          OTEL_METRIC_EXPORT_INTERVAL: "200"
        }))
      ))
      const sent = yield* until(Effect.sync(() => requests.find(({ body, path }) => path === "/v1/metrics" && body.includes("market.events"))), (request) => request !== undefined)
      assert.strictEqual(sent?.key, "a key")
      assert.include(sent?.body ?? "", "feeds")
    }))

  it.scopedLive("does nothing without that setting", () =>
    Effect.gen(function*() {
      const { requests } = yield* collector
      yield* Layer.build(Observe.otlp.pipe(Layer.provide(FetchHttpClient.layer), Layer.provide(withSettings({}))))
      assert.deepStrictEqual(requests, [])
    }))
})
