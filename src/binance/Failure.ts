/**
 * The failure classes of Binance, where they differ from the standard table.
 *
 * @since 0.1.0
 */
import * as FailureClass from "../FailureClass.ts"

/**
 * Classifies status 418. With it, Binance bans an address that continued after status 429, for two minutes to three days
 * (Binance docs). The next dial waits as long as `Retry-After` says, as with `FailureClass.obey`. In the standard table, 418 is
 * fatal like other 4xx.
 *
 * Feeds and the gate of a venue use this function. Pass it to a plain connection to Binance:
 *
 * @since 0.1.0
 * @category classification
 * @example
 * ```ts
 * import { Connection } from "holdfast"
 * import { Failure } from "holdfast/binance"
 *
 * const ConnectionLive = Connection.layer({
 *   url: "wss://stream.binance.com:9443/ws/btcusdt@trade",
 *   classify: Failure.classify
 * })
 * ```
 */
export const classify: FailureClass.Classify = (error, standard) =>
  error._tag === "HandshakeRejected" && error.status === 418 ? FailureClass.obey(error.retryAfter) : standard
