/**
 * Binance's market data.
 *
 * @since 0.1.0
 */

/** From a frame to the market events in it. */
export * as MarketEvent from "./MarketEvent.ts"
/** What the streams say, as schemas. */
export * as Payloads from "./Payloads.ts"
