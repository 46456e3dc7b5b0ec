/**
 * From a failure to what is done about it: the table that decides between trying again and giving up.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { AttemptError } from "./ConnectionError.ts"

/**
 * What a failure calls for.
 *
 * - `Retry`: dial again after the backoff.
 * - `RetryAfter`: dial again after the backoff, and no sooner than `floor`.
 * - `Limited`: dial again, but give up when the same failure comes more than `tries` times in one outage.
 * - `Fatal`: give up now; a retry would fail the same way.
 *
 * @since 0.1.0
 * @category models
 */
export type FailureClass = Data.TaggedEnum<{
  readonly Retry: object
  readonly RetryAfter: { readonly floor: Duration.Duration }
  readonly Limited: { readonly tries: number }
  readonly Fatal: object
}>

/**
 * Constructors, matchers and guards of {@link FailureClass}.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Connection, FailureClass } from "holdfast"
 *
 * // This server answers 404 while it deploys.
 * const ConnectionLive = Connection.layer({
 *   url: "wss://example.com/feed",
 *   classify: (error, standard) =>
 *     error._tag === "HandshakeRejected" && error.status === 404 ? FailureClass.Limited({ tries: 5 }) : standard
 * })
 * ```
 */
export const { $is, $match, Fatal, Limited, Retry, RetryAfter } = Data.taggedEnum<FailureClass>()

/**
 * A classification of one's own: gets the failure and what the standard table says of it. The table knows HTTP and
 * WebSocket; what one server means by a status or a close code belongs in a function of this type.
 *
 * @since 0.1.0
 * @category models
 */
export type Classify = (error: AttemptError, standard: FailureClass) => FailureClass

/**
 * The least wait where a server asks for patience without saying how much (close 1013, or 429 and 503 without
 * `Retry-After`).
 *
 * @since 0.1.0
 * @category constants
 */
export const raisedFloor: Duration.Duration = Duration.seconds(5)

/**
 * The longest `Retry-After` that is obeyed to the letter. A server may ban a client for longer, but a header that says so
 * in error must not silence a client for days; who is banned is told so again once an hour.
 *
 * @since 0.1.0
 * @category constants
 */
export const longestRetryAfter: Duration.Duration = Duration.hours(1)

/**
 * The wait where our own process has run out of something (file descriptors): it takes time to be freed.
 *
 * @since 0.1.0
 * @category constants
 */
export const exhaustedFloor: Duration.Duration = Duration.seconds(10)

const retry = Retry()
const fatal = Fatal()
const raised = RetryAfter({ floor: raisedFloor })

// RFC 6455 §7.4.1 and the IANA registry of close codes. What is not here is retried: 1001 (going away), 1005 (no
// code), 1006 (no close frame), 1011 (internal error), 1012 (restart), 1014 (bad gateway), 1000 when it was not ours,
// and the codes of protocols (3000 to 4999), which only their own users can judge.
const byCloseCode: ReadonlyMap<number, FailureClass> = new Map<number, FailureClass>([
  // A protocol error: once may be a glitch.
  [1002, Limited({ tries: 1 })],
  [1003, fatal],
  [1007, Limited({ tries: 1 })],
  // Some servers close with "policy violation" for rate limits too.
  [1008, Limited({ tries: 3 })],
  [1009, fatal],
  [1010, fatal],
  [1013, raised],
  [1015, fatal]
])

// RFC 9110 §15. Other 4xx, and redirects, which are not followed, are fatal; what is left is retried.
const byStatus: ReadonlyMap<number, FailureClass> = new Map<number, FailureClass>([
  // The URL effect is asked again at the next dial: once, in case the credentials had just expired.
  [401, Limited({ tries: 1 })],
  [403, Limited({ tries: 1 })],
  [408, retry],
  [425, retry]
])

// Statuses that ask for patience: too many requests, out of service.
const raisedTries: ReadonlySet<number> = new Set([429, 503])

// Node's errno and TLS codes. What is not here is retried: the network and its names come and go.
const byErrno: ReadonlyMap<string, FailureClass> = new Map<string, FailureClass>([
  ...["EMFILE", "ENFILE"].map((code) => [code, RetryAfter({ floor: exhaustedFloor })] as const),
  // The request itself cannot be made.
  ...["ERR_INVALID_REQUEST", "UNSUPPORTED_HEADERS"].map((code) => [code, fatal] as const),
  // The certificate errors of Node's TLS (https://nodejs.org/api/tls.html#x509-certificate-error-codes).
  ...[
    "CERT_CHAIN_TOO_LONG",
    "CERT_HAS_EXPIRED",
    "CERT_NOT_YET_VALID",
    "CERT_REJECTED",
    "CERT_REVOKED",
    "CERT_SIGNATURE_FAILURE",
    "CERT_UNTRUSTED",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "ERROR_IN_CERT_NOT_AFTER_FIELD",
    "ERROR_IN_CERT_NOT_BEFORE_FIELD",
    "ERR_TLS_CERT_ALTNAME_FORMAT",
    "ERR_TLS_CERT_ALTNAME_INVALID",
    "HOSTNAME_MISMATCH",
    "INVALID_CA",
    "INVALID_PURPOSE",
    "PATH_LENGTH_EXCEEDED",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY",
    "UNABLE_TO_DECRYPT_CERT_SIGNATURE",
    "UNABLE_TO_GET_ISSUER_CERT",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
  ].map((code) => [code, fatal] as const)
])

/**
 * What a refusal that asks for patience calls for: to wait as long as its `Retry-After` says, at most
 * {@link longestRetryAfter}, or {@link raisedFloor} where there is none.
 *
 * @since 0.1.0
 * @category classification
 * @example
 * ```ts
 * import { Connection, FailureClass } from "holdfast"
 *
 * // This server answers 509 when a client has used up its bandwidth.
 * const ConnectionLive = Connection.layer({
 *   url: "wss://example.com/feed",
 *   classify: (error, standard) =>
 *     error._tag === "HandshakeRejected" && error.status === 509 ? FailureClass.obey(error.retryAfter) : standard
 * })
 * ```
 */
export const obey = (retryAfter: Option.Option<Duration.Duration>): FailureClass =>
  Option.match(retryAfter, {
    onNone: () => raised,
    onSome: (asked) => RetryAfter({ floor: Duration.min(asked, longestRetryAfter) })
  })

const ofStatus = (status: number, retryAfter: Option.Option<Duration.Duration>): FailureClass =>
  raisedTries.has(status)
    ? obey(retryAfter)
    : byStatus.get(status) ?? (status >= 300 && status < 500 ? fatal : retry)

/**
 * The standard table.
 *
 * @since 0.1.0
 * @category classification
 * @example
 * ```ts
 * import { ConnectionError, FailureClass } from "holdfast"
 *
 * const refused = new ConnectionError.DialFailed({ code: "ECONNREFUSED", reason: "nobody listens" })
 * const expired = new ConnectionError.DialFailed({ code: "CERT_HAS_EXPIRED", reason: "certificate has expired" })
 * console.log(FailureClass.classify(refused)._tag, FailureClass.classify(expired)._tag) // Retry Fatal
 * ```
 */
export const classify = (error: AttemptError): FailureClass => {
  switch (error._tag) {
    case "ConnectionClosed":
      return byCloseCode.get(error.code) ?? retry
    case "HandshakeRejected":
      return ofStatus(error.status, error.retryAfter)
    case "DialFailed":
      return byErrno.get(error.code) ?? retry
    case "ConnectionTimeout":
    case "UrlUnavailable":
    case "OnOpenFailed":
      return retry
    case "MessageTooLarge":
      // Once may be a glitch; a peer that always sends such messages will do so again.
      return Limited({ tries: 1 })
    case "InvalidUrl":
    case "InboxOverflow":
      return fatal
  }
}

/**
 * Whether a failure is our own fault rather than the peer's or the network's.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isLocal = (error: AttemptError): boolean => {
  switch (error._tag) {
    case "DialFailed":
      return error.code === "EMFILE" || error.code === "ENFILE"
    case "InboxOverflow":
    case "InvalidUrl":
    case "UrlUnavailable":
      return true
    default:
      return false
  }
}
