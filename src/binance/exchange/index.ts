/**
 * A Binance-compatible exchange of one's own, which breaks on command.
 *
 * @since 0.1.0
 */

/** Klines, made of the trades as they happen. */
export * as Candles from "./Candles.ts"
/** What clients ask for over the socket. */
export * as ControlMessage from "./ControlMessage.ts"
/** Whole units as decimal text. */
export * as Decimal from "./Decimal.ts"
/** The server. */
export * as Exchange from "./Exchange.ts"
/** What it can do to its clients. */
export * as Fault from "./Fault.ts"
/** The latest of what only grows. */
export * as History from "./History.ts"
/** A market generated from a seed. */
export * as Market from "./Market.ts"
/** The book of one symbol. */
export * as OrderBook from "./OrderBook.ts"
/** Events in Binance's own words. */
export * as Payload from "./Payload.ts"
/** A recording, played again. */
export * as Replay from "./Replay.ts"
/** The names of streams. */
export * as StreamName from "./StreamName.ts"
