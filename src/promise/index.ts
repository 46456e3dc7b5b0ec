/**
 * Connections and market data for programs outside Effect: promises, async iterators and listeners.
 *
 * On Node, Bun and Deno it dials with `ws`. In bundles for browsers, the same module dials with the browser's `WebSocket`.
 *
 * @since 0.1.0
 */
import * as NodeTransport from "../NodeTransport.ts"
import type { FeedHandle, FeedOptions } from "./binance.ts"
import { binanceWith } from "./binance.ts"
import type { ConnectionHandle, ConnectOptions, Url } from "./connect.ts"
import { connectWith } from "./connect.ts"

export type { BookHandle, Events, FeedHandle, FeedListeners, FeedOptions, Read, VenueName } from "./binance.ts"
export type {
  ConnectionHandle,
  ConnectionListeners,
  ConnectOptions,
  Given,
  Handshake,
  LogName,
  SocketOptions,
  Url,
  WebSocketConstructor
} from "./connect.ts"
export { InvalidArgument } from "./InvalidArgument.ts"

/**
 * Dials at once, and dials again after every loss, until the connection is closed. Throws {@link InvalidArgument} if an argument is
 * not allowed. A URL that cannot be dialled fails the connection.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { connect } from "holdfast/promise"
 *
 * const connection = connect("wss://example.com/feed", { reconnect: { maxRetries: "unlimited" } })
 * connection.on("lost", (cause) => {
 *   console.log(cause.message)
 * })
 * for await (const message of connection.messages) {
 *   console.log(message)
 *   if (message === "bye") break
 * }
 * await connection.close()
 * ```
 */
export const connect: (url: Url, options?: ConnectOptions) => ConnectionHandle = connectWith(NodeTransport.layer)

/**
 * Reads Binance's market data, whole: missed trades and candles are fetched and come in their place. Throws
 * {@link InvalidArgument} if an option is not allowed.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { binance } from "holdfast/promise"
 *
 * for await (const event of binance().trades("BTCUSDT")) {
 *   if (event.type === "gap") console.log(`missing ${event.data.from} to ${event.data.to}`)
 *   else console.log(event.data.p, event.via)
 * }
 * ```
 */
export const binance: (options?: FeedOptions) => FeedHandle = binanceWith(NodeTransport.layer)
