/**
 * WebSocket connections that heal themselves, and data that arrives whole.
 *
 * @since 0.1.0
 */

/** Settings from a JSON file. */
export * as ConfigFile from "./ConfigFile.ts"
/** The self-healing connection: service, layers, options. */
export * as Connection from "./Connection.ts"
/** Everything that can go wrong, as tagged errors. */
export * as ConnectionError from "./ConnectionError.ts"
/** What happens to a connection, with the reasons. */
export * as ConnectionEvent from "./ConnectionEvent.ts"
/** The states of a connection and what may follow what. */
export * as ConnectionState from "./ConnectionState.ts"
/** What all connections to a host share. */
export * as DialGate from "./DialGate.ts"
/** From a failure to what is done about it. */
export * as FailureClass from "./FailureClass.ts"
/** Messages, with the gaps between them. */
export * as Item from "./Item.ts"
/** Streams that can also be listened to. */
export * as Listenable from "./Listenable.ts"
/** Whether the peer is still there. */
export * as Liveness from "./Liveness.ts"
/** What is measured. */
export * as Metrics from "./Metrics.ts"
/** When to dial again: the settings and the schedule made of them. */
export * as ReconnectPolicy from "./ReconnectPolicy.ts"
/** Subscriptions that survive reconnects. */
export * as Session from "./Session.ts"
/** How a subscription fails. */
export * as SessionError from "./SessionError.ts"
/** What happens to subscriptions. */
export * as SessionEvent from "./SessionEvent.ts"
/** How to ask for topics, and what the answers mean. */
export * as SessionProtocol from "./SessionProtocol.ts"
/** The wire. */
export * as Transport from "./Transport.ts"
