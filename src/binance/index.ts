/**
 * Binance's market data.
 *
 * @since 0.1.0
 */

/** The feed: typed streams whose gaps are repaired, and order books. */
export * as BinanceFeed from "./BinanceFeed.ts"
/** The failure classes of Binance. */
export * as Failure from "./Failure.ts"
/** Binance's market events, and their decoders. */
export * as MarketEvent from "./MarketEvent.ts"
/** Binance's order books. */
export * as OrderBook from "./OrderBook.ts"
/** Schemas of the data of the streams. */
export * as Payloads from "./Payloads.ts"
/** Binance's session protocol. */
export * as Protocol from "./Protocol.ts"
/** The files of the recorder, as streams. */
export * as Recording from "./Recording.ts"
/** A client of the REST interface, for snapshots and repairs. */
export * as Rest from "./Rest.ts"
/** The kinds of streams, and how a feed repairs each of them. */
export * as StreamKind from "./StreamKind.ts"
/** The venues of Binance: their addresses and limits. */
export * as Venue from "./Venue.ts"
