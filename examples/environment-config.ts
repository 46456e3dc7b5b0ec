// Reads settings from the environment and from a file; the environment takes precedence. Run it with other variables:
//   WEBSOCKET_MAX_RETRIES=3 npx tsx examples/environment-config.ts
//   WEBSOCKET_JITTER_FACTOR=2 npx tsx examples/environment-config.ts
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { fileURLToPath } from "node:url"
import { ConfigFile, Connection, ReconnectPolicy } from "holdfast"
import * as NodeTransport from "holdfast/NodeTransport"
import { Exchange } from "holdfast/binance/exchange"

const program = Effect.gen(function*() {
  const { maxDelay, maxRetries } = yield* ReconnectPolicy.config
  yield* Console.log(`${maxRetries} retries, at most ${Duration.format(maxDelay)} apart`)
  const connection = yield* Connection.Connection
  yield* connection.awaitOpen
  yield* Console.log("connected")
})

const ExchangeLive = Layer.unwrapScoped(Effect.map(Exchange.make(), ({ wsUrl }) =>
  // In a real program, both variables come from the environment.
  Layer.setConfigProvider(ConfigProvider.orElse(
    ConfigProvider.fromEnv(),
    () =>
      ConfigProvider.fromMap(
        new Map([
          ["FEED_URL", `${wsUrl}/ws/btcusdt@trade`],
          ["HOLDFAST_CONFIG", fileURLToPath(new URL("reconnection.json", import.meta.url))]
        ])
      )
  ))))

const ConnectionLive = Connection.layerConfig({
  url: Config.redacted("FEED_URL"),
  reconnect: ReconnectPolicy.config
}).pipe(Layer.provide(NodeTransport.layer))

program.pipe(
  Effect.provide(ConnectionLive.pipe(
    Layer.provideMerge(ConfigFile.layer),
    Layer.provideMerge(ExchangeLive),
    Layer.provide(NodeContext.layer)
  )),
  NodeRuntime.runMain
)
