/**
 * What Binance means by a refusal, where that is not what HTTP says.
 *
 * @since 0.1.0
 */
import * as FailureClass from "../FailureClass.ts"

/**
 * Classifies status 418, with which Binance bans an address that went on after status 429 (Binance docs: from two minutes
 * to three days): the next dial waits as long as `Retry-After` says, as `FailureClass.obey` does. To the standard table it
 * is any other 4xx, and fatal.
 *
 * Feeds and the gate of a venue use it. A plain connection to Binance is told so:
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
