/**
 * Market data of any venue: the feed, and the interfaces of a venue's adapter.
 *
 * @since 0.1.0
 */

/** How a stream shows losses, and what repairs them. */
export * as Continuity from "./Continuity.ts"
/** Decodes the messages of a stream into its events. */
export * as Decoder from "./Decoder.ts"
/** Parses the messages of venues that send JSON. */
export * as Json from "./Json.ts"
/** The errors that a stream of a feed can end with. */
export * as FeedError from "./FeedError.ts"
/** The events of any market, and the gaps between them. */
export * as MarketEvent from "./MarketEvent.ts"
/** The feed of any venue: streams whose gaps are repaired, and order books. */
export * as MarketFeed from "./MarketFeed.ts"
/** The metrics of feeds, books, REST clients and recordings. */
export * as Metrics from "./Metrics.ts"
/** Order books whose reads are right, or fail. */
export * as OrderBook from "./OrderBook.ts"
/** Errors of a venue's REST interface. */
export * as RestError from "./RestError.ts"
/** A venue, as an adapter describes it. */
export * as Venue from "./Venue.ts"
