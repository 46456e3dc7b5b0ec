/**
 * Classifies failures: the standard table decides whether to dial again or to give up.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { AttemptError } from "./ConnectionError.ts"

/**
 * The class of a failure: the retries that it allows.
 *
 * - `Retry`: dial again after the backoff.
 * - `RetryAfter`: dial again after the backoff, but no sooner than after `floor`.
 * - `Limited`: dial again, but give up when the same failure comes more than `tries` times in one outage.
 * - `Passing`: as `Limited`, until a connection has been proven. From then on, as `Retry`: what has worked before may be
 *   refused for a while, by a proxy that restarts or by a network that asks for a login. `connect` after `disconnect` begins
 *   anew. The connections of a feed share what they have proven.
 * - `Fatal`: give up now, because a retry would fail in the same way.
 *
 * @since 0.1.0
 * @category models
 */
export type FailureClass = Data.TaggedEnum<{
  readonly Retry: object
  readonly RetryAfter: { readonly floor: Duration.Duration }
  readonly Limited: { readonly tries: number }
  readonly Passing: { readonly tries: number }
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
export const { $is, $match, Fatal, Limited, Passing, Retry, RetryAfter } = Data.taggedEnum<FailureClass>()

/**
 * A function that classifies failures. It gets a failure and its class in the standard table, and returns the class to use.
 * The standard table covers HTTP and WebSocket; such a function adds the meaning that one server gives to a code.
 *
 * @since 0.1.0
 * @category models
 */
export type Classify = (error: AttemptError, standard: FailureClass) => FailureClass

/**
 * The shortest wait, 5 seconds, after close code 1013, and after status 429 or 503 without `Retry-After`: the server is
 * busy, but does not say for how long.
 *
 * @since 0.1.0
 * @category constants
 */
export const raisedFloor: Duration.Duration = Duration.seconds(5)

/**
 * The longest `Retry-After` that is obeyed: 1 hour. A longer one is shortened to it, so that a wrong header cannot stop a
 * client for days. A client that is banned for longer dials once an hour, and is refused again.
 *
 * @since 0.1.0
 * @category constants
 */
export const longestRetryAfter: Duration.Duration = Duration.hours(1)

/**
 * The shortest wait, 10 seconds, after this process or machine has run out of file descriptors: the system takes time to
 * free them.
 *
 * @since 0.1.0
 * @category constants
 */
export const exhaustedFloor: Duration.Duration = Duration.seconds(10)

const retry = Retry()
const fatal = Fatal()
const refused = Passing({ tries: 0 })
const raised = RetryAfter({ floor: raisedFloor })

// RFC 6455 §7.4.1 and the IANA registry of close codes. All other codes are retried: 1000 (normal, sent by the peer),
// 1001 (going away), 1005 (no code), 1006 (no close frame), 1011 (internal error), 1012 (restart), 1014 (bad gateway), and
// 3000 to 4999, whose meaning depends on the application.
const byCloseCode: ReadonlyMap<number, FailureClass> = new Map<number, FailureClass>([
  // Protocol error. A single one may be a glitch.
  [1002, Passing({ tries: 1 })],
  [1003, fatal],
  [1007, Passing({ tries: 1 })],
  // Policy violation. Some servers use it for rate limits too.
  [1008, Limited({ tries: 3 })],
  [1009, fatal],
  [1010, fatal],
  [1013, raised],
  [1015, refused]
])

// RFC 9110 §15. All other 4xx are refusals, and so are redirects (3xx), which are not followed. All other statuses are retried.
const byStatus: ReadonlyMap<number, FailureClass> = new Map<number, FailureClass>([
  // One more dial, in case the credentials had just expired: an effect for the URL runs again before it.
  [401, Passing({ tries: 1 })],
  [403, Passing({ tries: 1 })],
  [408, retry],
  [425, retry]
])

// Too many requests, and service unavailable.
const busyStatuses: ReadonlySet<number> = new Set([429, 503])

// Error codes of Node's network and TLS modules. All other codes are retried: networks and DNS fail for a while.
const byErrno: ReadonlyMap<string, FailureClass> = new Map<string, FailureClass>([
  ...["EMFILE", "ENFILE"].map((code) => [code, RetryAfter({ floor: exhaustedFloor })] as const),
  // The upgrade request cannot be made.
  ...["ERR_INVALID_REQUEST", "UNSUPPORTED_HEADERS"].map((code) => [code, fatal] as const),
  // The server speaks WebSocket, but not as the options ask: with no subprotocol in common, or with an extension.
  ...["ERR_SUBPROTOCOL", "ERR_EXTENSION"].map((code) => [code, fatal] as const),
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
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    // The server wants a certificate of the client.
    "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"
  ].map((code) => [code, refused] as const),
  // The server does not speak TLS, or nothing else.
  ...["ERR_SSL_WRONG_VERSION_NUMBER", "ERR_TLS_REQUIRED"].map((code) => [code, refused] as const),
  // A redirect that leads nowhere, or too often to another.
  ["ERR_REDIRECT", refused],
  // As the statuses 401 and 403 of a server. A proxy that cannot reach the server may be able to later.
  ...["ERR_PROXY_AUTHENTICATION", "ERR_PROXY_REFUSED"].map((code) => [code, Passing({ tries: 1 })] as const)
])

/**
 * Gives the class of a refusal by a busy server: wait as long as `Retry-After` says, but at most
 * {@link longestRetryAfter}; without that header, wait for {@link raisedFloor}.
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
    onSome: (requested) => RetryAfter({ floor: Duration.min(requested, longestRetryAfter) })
  })

const ofStatus = (status: number, retryAfter: Option.Option<Duration.Duration>): FailureClass =>
  busyStatuses.has(status)
    ? obey(retryAfter)
    : byStatus.get(status) ?? (status >= 300 && status < 500 ? refused : retry)

/**
 * The standard table: gives the class of a failure.
 *
 * @since 0.1.0
 * @category classification
 * @example
 * ```ts
 * import { ConnectionError, FailureClass } from "holdfast"
 *
 * const refused = new ConnectionError.DialFailed({ code: "ECONNREFUSED", reason: "connection refused" })
 * const expired = new ConnectionError.DialFailed({ code: "CERT_HAS_EXPIRED", reason: "certificate has expired" })
 * console.log(FailureClass.classify(refused)._tag, FailureClass.classify(expired)._tag) // Retry Passing
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
    case "OptionUnavailable":
    case "OnOpenFailed":
    case "NotAcknowledged":
      return retry
    case "MessageTooLarge":
      // A single one may be a glitch.
      return Limited({ tries: 1 })
    case "InvalidUrl":
    case "InboxOverflow":
      return fatal
  }
}

/**
 * Tells whether a failure is local: caused by this process or its options, not by the peer or the network.
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
    case "OptionUnavailable":
      return true
    default:
      return false
  }
}
