// `holdfast/promise` in bundles for browsers: the same as index.ts, without a module of Node.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { browserNetwork } from "../internal/transport/browserNetwork.ts"
import { dialWith } from "../internal/transport/webSocket.ts"
import { Transport } from "../Transport.ts"
import type { FeedHandle, FeedOptions } from "./binance.ts"
import { binanceWith } from "./binance.ts"
import type { ConnectionHandle, ConnectOptions, Url } from "./connect.ts"
import { connectWith } from "./connect.ts"

export { InvalidArgument } from "./InvalidArgument.ts"

const transport = Layer.effect(Transport, Effect.sync((): Transport => ({
  capabilities: { ping: false, pause: false, terminate: false, handshake: false, headers: false },
  network: browserNetwork(globalThis),
  dial: dialWith((url, protocols) => new WebSocket(url, protocols))
})))

export const connect: (url: Url, options?: ConnectOptions) => ConnectionHandle = connectWith(transport)

export const binance: (options?: FeedOptions) => FeedHandle = binanceWith(transport)
