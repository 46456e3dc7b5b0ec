// The code of an error of Node or of `ws`, such as ECONNRESET, and its reason in words.
import * as Predicate from "effect/Predicate"
import { handshakeFault } from "./handshakeFault.ts"
import { fileOf } from "./unixUrl.ts"

export const codeOf = (error: Error, fallback: string): string =>
  Predicate.hasProperty(error, "code") && typeof error.code === "string" ? error.code : fallback

// OpenSSL's words for an answer that is not TLS. Node gives it the code EPROTO or one of its own; on Bun the words are the
// code.
const notTls = /wrong[ _]version[ _]number|packet[ _]length[ _]too[ _]long/i

// OpenSSL's words, and those of Bun and Deno, for the alert certificate_required (RFC 8446 §6.2).
const wantsCertificate = /alert[ _:]*certificate[ _]?required/i

// For a host with several addresses, Node has one error for each, in an error without a message.
const reasonOf = (error: Error): string => {
  if (error.message !== "") return error.message
  const reasons = error instanceof AggregateError
    ? error.errors.flatMap((each: unknown) => each instanceof Error ? [each.message] : [])
    : []
  return reasons.length === 0 ? error.name : reasons.join(", ")
}

export interface Failure {
  readonly code: string
  readonly reason: string
}

// The first bytes of an alert of TLS 1.0 and later (RFC 8446 §5.1), with which some servers answer what is not TLS.
const isTlsAlert = (error: Error): boolean =>
  Predicate.hasProperty(error, "rawPacket") && error.rawPacket instanceof Uint8Array && error.rawPacket[0] === 21 &&
  error.rawPacket[1] === 3

// Node's text for a server that closed the connection before it answered.
const hangUp = "socket hang up"

/** The code and the reason of a failed dial of this URL. */
export const dialFailure = (error: Error, url?: URL): Failure => {
  if (notTls.test(error.message) || notTls.test(codeOf(error, ""))) {
    return { code: "ERR_SSL_WRONG_VERSION_NUMBER", reason: "the server does not speak TLS" }
  }
  if (wantsCertificate.test(error.message)) {
    return { code: "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", reason: "the server asks for a certificate of the client" }
  }
  if (isTlsAlert(error)) return { code: "ERR_TLS_REQUIRED", reason: "the server speaks TLS" }
  const failure = { code: codeOf(error, handshakeFault(error.message) ?? "ERR_HANDSHAKE"), reason: reasonOf(error) }
  // Others answer what is not TLS by hanging up.
  if (url?.protocol === "ws:" && failure.reason === hangUp) {
    return { ...failure, reason: "the server hung up without an answer, as one does that expects wss:// and gets ws://" }
  }
  const file = url === undefined ? undefined : fileOf(url)
  return file === undefined ? failure : { ...failure, reason: failure.reason.replaceAll(file, "the socket") }
}
