/**
 * The errors of a connection.
 *
 * Each is a tagged error with its facts as fields. Its message is one line: the failure, then the remedy if there is one.
 * No error of a connection shows the URL's path, its query, the value of a header or a token among the subprotocols, because
 * those may be secret: where the peer quotes one, in whatever encoding, `…` stands for it.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Option from "effect/Option"
import { reasonOf } from "./internal/reason.ts"
import { formatDuration } from "./internal/time/durationText.ts"

const longestQuote = 200

// A peer's text may have many lines, and control characters for a terminal.
const quoted = (text: string): string => {
  // The sentence around the quote has its own full stop.
  const line = text.replaceAll(/[\s\p{Cc}]+/gu, " ").trim().replace(/(?<!\.)\.$/, "")
  return line === "" ? "" : `: "${line.length > longestQuote ? `${line.slice(0, longestQuote)}…` : line}"`
}

const sentence = (text: string): string => text.trim().replace(/[.!]+$/, "")

const credentialsAdvice = " Check the credentials in the URL or the headers."
const redirectAdvice = " Redirects are not followed: dial the address that it leads to, or set maxRedirects of the transport."
const schemeAdvice = " Should the URL begin with wss:// instead of ws://?"
// The texts with which Go's server, nginx and Apache answer a request that should have been TLS.
const wantsTls = /HTTP request (?:was sent )?to (?:an )?HTTPS (?:port|server)|plain HTTP to an SSL-enabled/i
const statusAdvice: ReadonlyMap<number, string> = new Map([
  [401, credentialsAdvice],
  [403, credentialsAdvice],
  [404, " Check the path of the URL."]
])

const codeAdvice: ReadonlyMap<string, string> = new Map([
  ...["EMFILE", "ENFILE"].map((code) => [code, " Raise the limit of open files."] as const),
  ["CERT_HAS_EXPIRED", " The server needs a new certificate."],
  ...["DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"].map((code) =>
    [code, " Trust the authority that signed the certificate, in Node with NODE_EXTRA_CA_CERTS."] as const
  ),
  ["ERR_PROXY_AUTHENTICATION", " Check the user and the password in the URL of the proxy."],
  ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", " Set cert and key with NodeTransport.layerWith."],
  ["ERR_TLS_REQUIRED", schemeAdvice],
  ["ERR_SSL_WRONG_VERSION_NUMBER", " Should the URL begin with ws:// instead of wss://?"],
  ["HPE_INVALID_CONSTANT", " The server does not answer in HTTP. Should the URL begin with wss://?"],
  ["ERR_SUBPROTOCOL", " Check the option protocols: the server must choose one of them, and none if there are none."],
  ["ERR_EXTENSION", " The server must not use an extension that the client did not offer."],
  ...["ERR_TLS_CERT_ALTNAME_INVALID", "HOSTNAME_MISMATCH"].map((code) =>
    [code, " Dial the host by a name that its certificate has."] as const
  )
])

/**
 * The deadline that passed in a {@link ConnectionTimeout}:
 *
 * - `open`: the dial, the handshake after it, or the effects of the options `url`, `headers` and `protocols`.
 * - `message`: the next message.
 * - `pong`: the answer to a ping.
 * - `heartbeat`: the answer to a heartbeat of a session's protocol.
 *
 * @since 0.1.0
 * @category models
 */
export type Deadline = "open" | "message" | "pong" | "heartbeat"

/**
 * A deadline passed: the connection did not open, no message came, or the peer did not answer a ping or a heartbeat.
 *
 * @since 0.1.0
 * @category errors
 * @example
 * ```ts
 * import * as Duration from "effect/Duration"
 * import { ConnectionError } from "holdfast"
 *
 * const error = new ConnectionError.ConnectionTimeout({ deadline: "message", after: Duration.seconds(30) })
 * console.log(error.message) // No message came for 30s.
 * ```
 */
export class ConnectionTimeout extends Data.TaggedError("ConnectionTimeout")<{
  /** The deadline that passed. */
  readonly deadline: Deadline
  /** The length of the deadline. */
  readonly after: Duration.Duration
}> {
  override get message(): string {
    const after = formatDuration(this.after)
    switch (this.deadline) {
      case "open":
        return `The connection did not open within ${after}.`
      case "message":
        return `No message came for ${after}.`
      case "pong":
        return `The peer did not answer a ping within ${after}.`
      case "heartbeat":
        return `The peer did not answer a heartbeat within ${after}.`
    }
  }
}

/**
 * An open socket closed, with a close frame or without one.
 *
 * A clean close is an error too, because a reader must see that the data stopped (RFC 6455 §7.1.5).
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectionClosed extends Data.TaggedError("ConnectionClosed")<{
  /** The close code (RFC 6455 §7.4): 1005 when the close frame had none, 1006 when no close frame came. */
  readonly code: number
  /** The reason in the close frame, or a description of the protocol violation; `""` if there is neither. */
  readonly reason: string
  /** How long the socket had been open. */
  readonly openFor: Duration.Duration
  /** The operating system's error code, such as `ECONNRESET`, if there was one. */
  readonly errno?: string | undefined
}> {
  override get message(): string {
    const how = this.errno === undefined ? `code ${this.code}` : `code ${this.code}, ${this.errno}`
    return `The connection closed with ${how}${quoted(this.reason)}, after ${formatDuration(this.openFor)}.`
  }
}

/**
 * The server answered the upgrade with an HTTP status instead of `101 Switching Protocols`.
 *
 * @since 0.1.0
 * @category errors
 */
export class HandshakeRejected extends Data.TaggedError("HandshakeRejected")<{
  /** The HTTP status. */
  readonly status: number
  /** The wait that the server asked for with `Retry-After` (RFC 9110 §10.2.3), in seconds or as a date. */
  readonly retryAfter: Option.Option<Duration.Duration>
  /** The beginning of the response's body; `""` if there is none. A connection removes quotes of the URL and the headers. */
  readonly body: string
  /**
   * The headers of the answer, with names in lower case; empty if the transport cannot see them. The message shows none.
   * Those that may hold credentials, such as `set-cookie`, can be read by name, but are not enumerable, so that no log and no
   * JSON shows them.
   */
  readonly headers: Readonly<Record<string, string>>
}> {
  constructor(facts: {
    readonly status: number
    readonly retryAfter: Option.Option<Duration.Duration>
    readonly body: string
    readonly headers?: Readonly<Record<string, string>> | undefined
  }) {
    super({ ...facts, headers: facts.headers ?? {} })
  }
  override get message(): string {
    const wait = this.retryAfter._tag === "Some" ? `, asking to wait ${formatDuration(this.retryAfter.value)}` : ""
    const advice = wantsTls.test(this.body)
      ? schemeAdvice
      : statusAdvice.get(this.status) ?? (this.status >= 300 && this.status < 400 ? redirectAdvice : "")
    return `The server refused the upgrade with status ${this.status}${wait}${quoted(this.body)}.${advice}`
  }
}

/**
 * The dial failed without an HTTP status. Either the request was invalid, or the TCP connection was refused or reset, the
 * host was unreachable, its name did not resolve, or its certificate was not valid.
 *
 * @since 0.1.0
 * @category errors
 */
export class DialFailed extends Data.TaggedError("DialFailed")<{
  /**
   * The error code of the system, of TLS or of the transport, such as `ECONNREFUSED`, `ENOTFOUND`,
   * `DEPTH_ZERO_SELF_SIGNED_CERT` or `ERR_INVALID_REQUEST`. `ERR_SUBPROTOCOL` and `ERR_EXTENSION`: the server's answer does
   * not fit the subprotocols and extensions that were offered. `ERR_PROXY_AUTHENTICATION`, `ERR_PROXY_REFUSED`,
   * `ERR_PROXY_GATEWAY` and `ERR_PROXY_RESPONSE`: a proxy did not connect to the server. `ERR_REDIRECT`: a redirect is not
   * followed. `ERR_TLS_REQUIRED`: the server speaks TLS, and the URL begins with `ws://`.
   */
  readonly code: string
  readonly reason: string
}> {
  override get message(): string {
    return `The dial failed with ${this.code}: ${sentence(this.reason)}.${codeAdvice.get(this.code) ?? ""}`
  }
}

/**
 * The URL cannot be dialled. The error does not contain it, because it may hold a token.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidUrl extends Data.TaggedError("InvalidUrl")<{
  readonly reason: string
}> {
  override get message(): string {
    return `The URL cannot be dialled: ${sentence(this.reason)}. It must be like wss://example.com/path.`
  }
}

/**
 * An option of a connection that may be an effect, which runs anew before every dial.
 *
 * @since 0.1.0
 * @category models
 */
export type DialOption = "url" | "headers" | "protocols"

const nounOf: Readonly<Record<DialOption, string>> = { url: "URL", headers: "headers", protocols: "protocols" }

/**
 * The effect of an option failed, so there was no dial. It runs again before the next dial.
 *
 * @since 0.1.0
 * @category errors
 */
export class OptionUnavailable extends Data.TaggedError("OptionUnavailable")<{
  /** The option whose effect failed. */
  readonly option: DialOption
  /** The error or the defect of that effect. */
  readonly cause: unknown
}> {
  override get message(): string {
    return `The option ${this.option} gave no ${nounOf[this.option]}: ${sentence(reasonOf(this.cause))}.`
  }
}

/**
 * The protocol's own handshake, `onOpen`, failed on an open socket.
 *
 * @since 0.1.0
 * @category errors
 */
export class OnOpenFailed extends Data.TaggedError("OnOpenFailed")<{
  /** The error or the defect of `onOpen`. */
  readonly cause: unknown
}> {
  override get message(): string {
    return `The handshake onOpen failed: ${sentence(reasonOf(this.cause))}.`
  }
}

/**
 * A session made several requests in a row that had no effect: the peer answered none, or refused to unsubscribe. A
 * connection on which the peer has answered nothing and sent no data of a topic is not proven.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotAcknowledged extends Data.TaggedError("NotAcknowledged")<{
  /** The number of requests in a row that had no effect. */
  readonly requests: number
  /** The deadline of each of them. */
  readonly after: Duration.Duration
}> {
  override get message(): string {
    return `The peer acknowledged none of ${this.requests} requests in a row, each within ${formatDuration(this.after)}.`
  }
}

/**
 * The peer sent a message larger than `maxMessageBytes`. The transport discarded the message and ended the socket.
 *
 * @since 0.1.0
 * @category errors
 */
export class MessageTooLarge extends Data.TaggedError("MessageTooLarge")<{
  /** The limit that the message exceeded, in bytes. */
  readonly limit: number
}> {
  override get message(): string {
    return `The peer sent a message of more than ${this.limit} bytes. Raise maxMessageBytes to accept it.`
  }
}

/**
 * A message arrived while the inbox was full, in messages or in bytes. With the overflow policy `fail`, the connection is given up. With `sliding`
 * and `dropping`, this is the cause in the gap for the dropped messages.
 *
 * @since 0.1.0
 * @category errors
 */
export class InboxOverflow extends Data.TaggedError("InboxOverflow")<{
  /** The capacity of the inbox, in messages. */
  readonly capacity: number
  /** The most bytes that the inbox holds. */
  readonly maxBytes: number
  /** The bound that the message did not fit into. */
  readonly bound: "capacity" | "maxBytes"
}> {
  override get message(): string {
    const behind = this.bound === "capacity" ? `${this.capacity} messages` : `${this.maxBytes} bytes`
    return `The inbox is full: a reader is more than ${behind} behind. Read faster, or raise inbox.${this.bound}.`
  }
}

/**
 * One failed attempt in the history of an outage.
 *
 * @since 0.1.0
 * @category models
 */
export interface Attempt {
  /** The time of the failure, as Unix time in milliseconds. */
  readonly at: number
  readonly error: AttemptError
}

/**
 * The connection was given up because its retry budget is spent. It stays down until `connect` is called.
 *
 * @since 0.1.0
 * @category errors
 */
export class RetriesExhausted extends Data.TaggedError("RetriesExhausted")<{
  /** The number of retries in this outage. */
  readonly attempts: number
  /** The time from the first failure of the outage to the last. */
  readonly elapsed: Duration.Duration
  /** The last failure. */
  readonly last: AttemptError
  /** The failures of the outage, oldest first; if there were more than a hundred, the latest hundred. */
  readonly history: ReadonlyArray<Attempt>
}> {
  override get message(): string {
    const tries = this.attempts === 1 ? "1 retry" : `${this.attempts} retries`
    return `Gave up after ${tries} in ${formatDuration(this.elapsed)}; the last failure: ${this.last.message}`
  }
}

/**
 * The errors that end one attempt, while it dials or while its socket is open.
 *
 * @since 0.1.0
 * @category models
 */
export type AttemptError =
  | ConnectionTimeout
  | ConnectionClosed
  | HandshakeRejected
  | DialFailed
  | InvalidUrl
  | OptionUnavailable
  | OnOpenFailed
  | NotAcknowledged
  | MessageTooLarge
  | InboxOverflow

/**
 * The errors that `messages` can fail with: {@link RetriesExhausted} when the retry budget is spent, otherwise the error
 * of the last attempt, when it was fatal, came too often for its class, or reconnection is off.
 *
 * @since 0.1.0
 * @category models
 */
export type ConnectionError = AttemptError | RetriesExhausted

/**
 * What a close frame says to the server.
 *
 * @since 0.1.0
 * @category models
 */
export interface CloseFrame {
  /** 1000 (normal), 1001 (going away), or 3000 to 4999, whose meaning the application defines (RFC 6455 §7.4). */
  readonly code: number
  /** At most 123 bytes of UTF-8 (RFC 6455 §5.5). Default: empty. */
  readonly reason?: string | undefined
}

/**
 * The close frame that was asked for must not be sent. Nothing was closed.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidCloseFrame extends Data.TaggedError("InvalidCloseFrame")<{
  readonly reason: string
}> {
  override get message(): string {
    return `The close frame cannot be sent: ${sentence(this.reason)}.`
  }
}

/**
 * `reconnect(reason)` was called, and replaces the connection. This is the cause in a gap, an event or a state; no stream
 * fails with it.
 *
 * @since 0.1.0
 * @category models
 */
export class ReconnectRequested extends Data.TaggedError("ReconnectRequested")<{
  readonly reason: string
  /** The close frame for the server. Default: code 1000. */
  readonly close?: CloseFrame | undefined
}> {
  override get message(): string {
    return `A reconnect was requested${quoted(this.reason)}.`
  }
}

/**
 * A defect that ended a connection.
 *
 * @since 0.1.0
 * @category models
 */
export interface Defect {
  /** The option whose function threw or died, if it is known. */
  readonly option: "classify" | "reconnect" | undefined
  readonly cause: Cause.Cause<unknown>
}

const describeDefect = ({ cause, option }: Defect): string =>
  `${option === undefined ? "a defect ended it" : `the option ${option} ended it with a defect`} ` +
  `(${sentence(reasonOf(Cause.squash(cause)))}). Fix it, then call connect.`

const whyByState: ReadonlyMap<string, string> = new Map([
  ["Disconnected", "it is disconnected. Call connect to dial again."],
  ["Failed", "it was given up. Call connect to dial again."],
  ["Connecting", "it is being dialled. Wait with awaitOpen, or send with a deadline."],
  ["Reconnecting", "it was lost, and will be dialled again. Wait with awaitOpen, or send with a deadline."],
  ["Closing", "its socket is being closed. Wait with awaitOpen, or send with a deadline."],
  ["Closed", "its scope is closed. Make a new connection."]
])

/**
 * No connection is open, and the operation does not wait for one.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotConnected extends Data.TaggedError("NotConnected")<{
  /** The state of the connection, or `Closing` while a lost or replaced socket is being closed. */
  readonly state: string
  /** The defect that ended the connection, if one did, for example a bug in `classify`. */
  readonly defect?: Defect | undefined
}> {
  override get message(): string {
    const why = this.defect === undefined ? whyByState.get(this.state) : describeDefect(this.defect)
    return `There is no open connection: ${why ?? `its state is ${this.state}.`}`
  }
}

/**
 * The deadline of `send` passed. If no connection was open before it, the message was not sent. If the message was being
 * written, the peer may have a part of it, and the rest may still arrive.
 *
 * @since 0.1.0
 * @category errors
 */
export class SendTimeout extends Data.TaggedError("SendTimeout")<{
  /** The length of the deadline. */
  readonly after: Duration.Duration
  /** Where the time was spent: on waiting for an open connection, or on writing the message. */
  readonly stage: "open" | "write"
}> {
  override get message(): string {
    const after = formatDuration(this.after)
    return this.stage === "open"
      ? `The message was not sent: no connection opened within ${after}.`
      : `The message was not sent whole within ${after}: the peer does not read. The rest may still arrive.`
  }
}

/**
 * The socket refused the message, or ended while it wrote the message.
 *
 * @since 0.1.0
 * @category errors
 */
export class SendFailed extends Data.TaggedError("SendFailed")<{
  readonly reason: string
}> {
  override get message(): string {
    return `The message could not be sent: ${sentence(this.reason)}.`
  }
}

/**
 * The errors that `send` can fail with. A message that failed to be sent is never sent later.
 *
 * @since 0.1.0
 * @category models
 */
export type SendError = NotConnected | SendTimeout | SendFailed
