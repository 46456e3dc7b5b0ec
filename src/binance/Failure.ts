/**
 * The failure classes of Binance, where they differ from the standard table.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type { AttemptError } from "../ConnectionError.ts"
import * as FailureClass from "../FailureClass.ts"

// Binance's firewall refuses an address that has broken its limits with 403, for minutes (Binance docs, "HTTP return codes").
const firewallFloor = Duration.seconds(10)

const isFirewall = (error: AttemptError) => error._tag === "HandshakeRejected" && error.status === 403

/**
 * Classifies status 403 and 418. With 403, Binance's firewall refuses an address for some minutes: it is tried again, after 10
 * seconds at least. In the standard table, 403 is final on the first connect. With 418, Binance bans an address that continued
 * after status 429, for two minutes to three days (Binance docs). The next dial waits as long as `Retry-After` says, as with
 * `FailureClass.obey`. In the standard table, 418 is fatal like other 4xx.
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
  error._tag === "HandshakeRejected" && error.status === 418
    ? FailureClass.obey(error.retryAfter)
    : isFirewall(error) ? FailureClass.RetryAfter({ floor: firewallFloor }) : standard
