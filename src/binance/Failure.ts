/**
 * The failure classes of Binance, where they differ from the standard table.
 *
 * @since 0.1.0
 */
import * as FailureClass from "../FailureClass.ts"

// 403: the firewall of Binance, which blocks an address for some minutes (Binance docs). It is no refusal of credentials, since
// market data needs none.
const obeyed: ReadonlySet<number> = new Set([403, 418])

/**
 * Classifies the statuses 418 and 403. With it, Binance bans an address that continued after status 429, for two minutes to three days
 * (Binance docs). With 403, its firewall blocks an address for some minutes. The next dial waits as long as `Retry-After` says, as
 * with `FailureClass.obey`. In the standard table, 418 is fatal like other 4xx, and 403 after one retry.
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
  error._tag === "HandshakeRejected" && obeyed.has(error.status) ? FailureClass.obey(error.retryAfter) : standard
