// Exports metrics, spans and logs by OTLP, as the settings of OpenTelemetry say.
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { OtlpUnavailable } from "../../observe/ObserveError.ts"
import * as OptionalPeer from "../optionalPeer.ts"

const settings = Config.all({
  endpoint: Config.option(Config.nonEmptyString("OTEL_EXPORTER_OTLP_ENDPOINT")),
  serviceName: Config.withDefault(Config.nonEmptyString("OTEL_SERVICE_NAME"), "holdfast"),
  headers: Config.option(Config.redacted("OTEL_EXPORTER_OTLP_HEADERS")),
  interval: Config.withDefault(Config.integer("OTEL_METRIC_EXPORT_INTERVAL"), 60_000)
})

// As OpenTelemetry writes them: `key=value` pairs with commas between, each percent-encoded.
const headersOf = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(text.split(",").flatMap((pair) => {
    const at = pair.indexOf("=")
    if (at < 1) return []
    const value = pair.slice(at + 1).trim()
    return [[pair.slice(0, at).trim(), Option.getOrElse(decoded(value), () => value)]]
  }))

const decoded = Option.liftThrowable(decodeURIComponent)

const part = "Exporting by OTLP"

export const layer: Layer.Layer<never, ConfigError.ConfigError | OtlpUnavailable, HttpClient.HttpClient> = Layer.unwrapScoped(
  Effect.gen(function*() {
    const { endpoint, headers, interval, serviceName } = yield* settings
    if (Option.isNone(endpoint)) return Layer.empty
    const { Otlp, OtlpSerialization } = yield* OptionalPeer.load(part, "@effect/opentelemetry", async () => ({
      Otlp: await import("@effect/opentelemetry/Otlp"),
      OtlpSerialization: await import("@effect/opentelemetry/OtlpSerialization")
    })).pipe(Effect.mapError(({ message }) => new OtlpUnavailable({ reason: message })))
    return Otlp.layer({
      baseUrl: endpoint.value,
      resource: { serviceName },
      headers: Option.match(headers, { onNone: () => ({}), onSome: (text) => headersOf(Redacted.value(text)) }),
      metricsExportInterval: Duration.millis(interval)
    }).pipe(Layer.provide(OtlpSerialization.layerJson))
  })
)
