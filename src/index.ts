/**
 * WebSocket connections that heal themselves, and data that arrives whole.
 *
 * @since 0.1.0
 */

/** Settings from a JSON file. */
export * as ConfigFile from "./ConfigFile.ts"
/** The self-healing connection: the service, its layers and its options. */
export * as Connection from "./Connection.ts"
/** The errors of a connection. */
export * as ConnectionError from "./ConnectionError.ts"
/** The events of a connection, with their reasons. */
export * as ConnectionEvent from "./ConnectionEvent.ts"
/** The states of a connection and their transitions. */
export * as ConnectionState from "./ConnectionState.ts"
/** Spaces the dials to one host over all connections of a process. */
export * as DialGate from "./DialGate.ts"
/** Classifies failures: retry, retry after a time, a limited number of retries, or none. */
export * as FailureClass from "./FailureClass.ts"
/** The items of a connection: messages and gaps. */
export * as Item from "./Item.ts"
/** Streams that can also be read with an effect per element, or a function per batch. */
export * as Listenable from "./Listenable.ts"
/** Detects a dead peer by deadlines. */
export * as Liveness from "./Liveness.ts"
/** The metrics of connections. */
export * as Metrics from "./Metrics.ts"
/** Decides when to dial again: the settings, and the schedule that is made from them. */
export * as ReconnectPolicy from "./ReconnectPolicy.ts"
/** Subscriptions that survive reconnects. */
export * as Session from "./Session.ts"
/** The errors of subscriptions. */
export * as SessionError from "./SessionError.ts"
/** The events of subscriptions. */
export * as SessionEvent from "./SessionEvent.ts"
/** Describes a subscribe-and-acknowledge protocol to a session. */
export * as SessionProtocol from "./SessionProtocol.ts"
/** Dials one WebSocket and reads it. */
export * as Transport from "./Transport.ts"
