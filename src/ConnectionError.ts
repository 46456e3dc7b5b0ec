/**
 * Everything that can go wrong with a connection, as tagged errors.
 *
 * Each error carries its facts as fields and prints as one sentence. None holds the URL's path, its query or a
 * header: those may be secrets.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { formatDuration } from "./internal/time/durationText.ts"

const longestQuote = 200

// A peer's text may have many lines, and control characters for a terminal.
const quoted = (text: string): string => {
  const line = text.replaceAll(/[\s\p{Cc}]+/gu, " ").trim()
  return line === "" ? "" : `: "${line.length > longestQuote ? `${line.slice(0, longestQuote)}…` : line}"`
}

// Only what was written to be read: an unknown object may hold anything, secrets too.
const describeCause = (error: unknown): string => {
  if (error instanceof Error && error.message !== "") return error.message
  if (typeof error === "string") return error
  return Predicate.hasProperty(error, "_tag") ? String(error._tag) : "no reason was given"
}

const sentence = (text: string): string => text.endsWith(".") ? text.slice(0, -1) : text

const credentialsAdvice = " Check the credentials in the URL or the headers."
const redirectAdvice = " Redirects are not followed: dial the address that it leads to."
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
  ...["ERR_TLS_CERT_ALTNAME_INVALID", "HOSTNAME_MISMATCH"].map((code) =>
    [code, " Dial the host by a name that its certificate has."] as const
  )
])

/**
 * What was being waited for when a {@link ConnectionTimeout} struck: the dial and its handshake (`open`), any message
 * at all (`message`), or the answer to a ping (`pong`).
 *
 * @since 0.1.0
 * @category models
 */
export type Phase = "open" | "message" | "pong"

/**
 * A deadline passed: the connection did not open, fell silent, or did not answer a ping.
 *
 * @since 0.1.0
 * @category errors
 * @example
 * ```ts
 * import * as Duration from "effect/Duration"
 * import { ConnectionError } from "holdfast"
 *
 * const error = new ConnectionError.ConnectionTimeout({ phase: "message", after: Duration.seconds(30) })
 * console.log(error.message) // No message came for 30s.
 * ```
 */
export class ConnectionTimeout extends Data.TaggedError("ConnectionTimeout")<{
  readonly phase: Phase
  /** The deadline that passed. */
  readonly after: Duration.Duration
}> {
  override get message(): string {
    const after = formatDuration(this.after)
    switch (this.phase) {
      case "open":
        return `The connection did not open within ${after}.`
      case "message":
        return `No message came for ${after}.`
      case "pong":
        return `The peer did not answer a ping within ${after}.`
    }
  }
}

/**
 * An open connection ended, however it ended: a close frame (its code and reason), or none at all (code 1006, with
 * the operating system's errno where there was one).
 *
 * A clean close is an error here on purpose: whoever reads a stream must see that it stopped (RFC 6455 §7.1.5).
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectionClosed extends Data.TaggedError("ConnectionClosed")<{
  /** The close code (RFC 6455 §7.4): 1005 when the close frame had none, 1006 when no close frame came. */
  readonly code: number
  /** The peer's own words, or what the protocol violation was; `""` when there were none. */
  readonly reason: string
  /** How long the connection had been open. */
  readonly openFor: Duration.Duration
  /** The errno that ended it, such as `ECONNRESET`. */
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
  readonly status: number
  /** How long the server asked us to stay away (RFC 9110 §10.2.3), whether it said so in seconds or as a date. */
  readonly retryAfter: Option.Option<Duration.Duration>
  /** The beginning of the answer's body. */
  readonly body: string
}> {
  override get message(): string {
    const wait = this.retryAfter._tag === "Some" ? `, asking to wait ${formatDuration(this.retryAfter.value)}` : ""
    const advice = statusAdvice.get(this.status) ?? (this.status >= 300 && this.status < 400 ? redirectAdvice : "")
    return `The server refused the upgrade with status ${this.status}${wait}${quoted(this.body)}.${advice}`
  }
}

/**
 * The dial failed below HTTP: refused, unreachable, unresolved, reset, or a certificate that does not hold.
 *
 * @since 0.1.0
 * @category errors
 */
export class DialFailed extends Data.TaggedError("DialFailed")<{
  /** The errno or TLS code, such as `ECONNREFUSED`, `ENOTFOUND` or `DEPTH_ZERO_SELF_SIGNED_CERT`. */
  readonly code: string
  readonly reason: string
}> {
  override get message(): string {
    return `The dial failed with ${this.code}: ${sentence(this.reason)}.${codeAdvice.get(this.code) ?? ""}`
  }
}

/**
 * The URL cannot be dialled. It is not shown, since it may hold a token.
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
 * The effect that was to give the URL of the next dial failed. It is asked anew at the next dial.
 *
 * @since 0.1.0
 * @category errors
 */
export class UrlUnavailable extends Data.TaggedError("UrlUnavailable")<{
  readonly cause: unknown
}> {
  override get message(): string {
    return `The option url gave no URL: ${sentence(describeCause(this.cause))}.`
  }
}

/**
 * The protocol's own handshake, `onOpen`, failed: the socket was open, but the session on it was not.
 *
 * @since 0.1.0
 * @category errors
 */
export class OnOpenFailed extends Data.TaggedError("OnOpenFailed")<{
  readonly cause: unknown
}> {
  override get message(): string {
    return `The handshake onOpen failed: ${sentence(describeCause(this.cause))}.`
  }
}

/**
 * The peer sent a message larger than `maxMessageBytes`; it was not read.
 *
 * @since 0.1.0
 * @category errors
 */
export class MessageTooLarge extends Data.TaggedError("MessageTooLarge")<{
  /** The limit that was passed, in bytes. */
  readonly limit: number
}> {
  override get message(): string {
    return `The peer sent a message of more than ${this.limit} bytes. Raise maxMessageBytes to accept it.`
  }
}

/**
 * The inbox was full and its overflow policy is `fail`.
 *
 * @since 0.1.0
 * @category errors
 */
export class InboxOverflow extends Data.TaggedError("InboxOverflow")<{
  /** The number of messages the inbox holds. */
  readonly capacity: number
}> {
  override get message(): string {
    return `The inbox is full: a reader is more than ${this.capacity} messages behind. Read faster, or raise inbox.capacity.`
  }
}

/**
 * One failed attempt in the history of an outage.
 *
 * @since 0.1.0
 * @category models
 */
export interface Attempt {
  /** When it failed, in milliseconds since the epoch. */
  readonly at: number
  readonly error: AttemptError
}

/**
 * The retry budget is spent: nothing more will be dialled until `connect` is called.
 *
 * @since 0.1.0
 * @category errors
 */
export class RetriesExhausted extends Data.TaggedError("RetriesExhausted")<{
  /** How many re-dials were made in this outage. */
  readonly attempts: number
  /** How long the outage had lasted. */
  readonly elapsed: Duration.Duration
  /** The failure that ended it. */
  readonly last: AttemptError
  /** The outage's failures, oldest first: the latest hundred when there were more. */
  readonly history: ReadonlyArray<Attempt>
}> {
  override get message(): string {
    const tries = this.attempts === 1 ? "1 retry" : `${this.attempts} retries`
    return `Gave up after ${tries} in ${formatDuration(this.elapsed)}; the last failure: ${this.last.message}`
  }
}

/**
 * What can end one attempt, whether it was still dialling or already open.
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
  | UrlUnavailable
  | OnOpenFailed
  | MessageTooLarge
  | InboxOverflow

/**
 * What the message stream can fail with: the attempt's own error when it is fatal or reconnection is off, and
 * {@link RetriesExhausted} when the budget is spent.
 *
 * @since 0.1.0
 * @category models
 */
export type ConnectionError = AttemptError | RetriesExhausted

/**
 * Not a failure: `reconnect(reason)` was called, and the connection is being replaced. It appears as the cause of a
 * gap and of a state, and never fails a stream.
 *
 * @since 0.1.0
 * @category models
 */
export class ReconnectRequested extends Data.TaggedError("ReconnectRequested")<{
  readonly reason: string
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
  /** The option whose function threw or died, where it is known. */
  readonly option: "classify" | "reconnect" | undefined
  readonly cause: Cause.Cause<unknown>
}

const describeDefect = ({ cause, option }: Defect): string =>
  `${option === undefined ? "a defect ended it" : `the option ${option} ended it with a defect`} ` +
  `(${sentence(describeCause(Cause.squash(cause)))}). Mend it, then call connect.`

const whyByState: ReadonlyMap<string, string> = new Map([
  ["Disconnected", "it is disconnected. Call connect to dial again."],
  ["Failed", "it was given up. Call connect to dial again."],
  ["Connecting", "it is being dialled. Wait with awaitOpen, or send with a deadline."],
  ["Reconnecting", "it was lost, and is dialled again. Wait with awaitOpen, or send with a deadline."],
  ["Closing", "its socket is being closed. Wait with awaitOpen, or send with a deadline."],
  ["Closed", "its scope is closed. Make a new connection."]
])

/**
 * There is no open connection to use, and none was waited for.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotConnected extends Data.TaggedError("NotConnected")<{
  /** The state the connection was in, or `Closing` while the socket that was open is being closed. */
  readonly state: string
  /** What ended it, if a defect did: a bug in `classify`, for example. */
  readonly defect?: Defect | undefined
}> {
  override get message(): string {
    const why = this.defect === undefined ? whyByState.get(this.state) : describeDefect(this.defect)
    return `There is no open connection: ${why ?? `its state is ${this.state}.`}`
  }
}

/**
 * No connection opened before the send's deadline; the message was not sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class SendTimeout extends Data.TaggedError("SendTimeout")<{
  readonly after: Duration.Duration
}> {
  override get message(): string {
    return `The message was not sent: no connection opened within ${formatDuration(this.after)}.`
  }
}

/**
 * The socket refused the message, or ended while it was being written.
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
 * What `send` can fail with. A message that failed to be sent is never sent later.
 *
 * @since 0.1.0
 * @category models
 */
export type SendError = NotConnected | SendTimeout | SendFailed
