/**
 * Market data of any venue: what is the same for all of them, and what an adapter for one must say.
 *
 * @since 0.1.0
 */

/** How the events of a stream hang together. */
export * as Continuity from "./Continuity.ts"
/** From the frames of a stream to its events. */
export * as Decoder from "./Decoder.ts"
/** Reads the messages of venues that speak JSON. */
export * as Json from "./Json.ts"
/** The envelope of an event, and the gaps between events. */
export * as MarketEvent from "./MarketEvent.ts"
/** The feed of any venue: streams whose holes are repaired, and order books. */
export * as MarketFeed from "./MarketFeed.ts"
/** Order books that are right, or say that they are not. */
export * as OrderBook from "./OrderBook.ts"
/** How asking a venue's REST interface fails. */
export * as RestError from "./RestError.ts"
/** What a venue must say. */
export * as Venue from "./Venue.ts"
