/**
 * Binance's market data.
 *
 * @since 0.1.0
 */

/** The feed: typed streams whose holes are repaired. */
export * as BinanceFeed from "./BinanceFeed.ts"
/** What Binance means by a refusal. */
export * as Failure from "./Failure.ts"
/** From a frame to the market events in it. */
export * as MarketEvent from "./MarketEvent.ts"
/** Order books that are right, or say that they are not. */
export * as OrderBook from "./OrderBook.ts"
/** What the streams say, as schemas. */
export * as Payloads from "./Payloads.ts"
/** How Binance is told what to send, and what it answers. */
export * as Protocol from "./Protocol.ts"
/** Snapshots and missed events by REST. */
export * as Rest from "./Rest.ts"
/** What kinds of streams there are, and what each promises. */
export * as StreamKind from "./StreamKind.ts"
/** Where markets are. */
export * as Venue from "./Venue.ts"
