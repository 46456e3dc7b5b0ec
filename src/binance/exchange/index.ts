/**
 * The embedded exchange: a Binance-compatible exchange on loopback that injects faults on command.
 *
 * @since 0.1.0
 */

/** Whose requests the exchange answers. */
export * as Access from "./Access.ts"
/** Builds klines from trades. */
export * as Candles from "./Candles.ts"
/** The requests of clients over the socket. */
export * as ControlMessage from "./ControlMessage.ts"
/** Formats whole units as decimal text. */
export * as Decimal from "./Decimal.ts"
/** The server. */
export * as Exchange from "./Exchange.ts"
/** The faults that it can inject. */
export * as Fault from "./Fault.ts"
/** The latest items of a growing list. */
export * as History from "./History.ts"
/** A market generated from a seed. */
export * as Market from "./Market.ts"
/** The order book of one symbol. */
export * as OrderBook from "./OrderBook.ts"
/** Events as Binance's payloads. */
export * as Payload from "./Payload.ts"
/** A capture for the exchange to play. */
export * as Replay from "./Replay.ts"
/** Parses the names of streams. */
export * as StreamName from "./StreamName.ts"
