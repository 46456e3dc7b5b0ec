// The code of an error of Node or of `ws`, such as ECONNRESET, and its reason in words.
import * as Predicate from "effect/Predicate"
import { handshakeFault } from "./handshakeFault.ts"

export const codeOf = (error: Error, fallback: string): string =>
  Predicate.hasProperty(error, "code") && typeof error.code === "string" ? error.code : fallback

// OpenSSL's words for an answer that is not TLS. Node gives it the code EPROTO or one of its own; on Bun the words are the
// code.
const notTls = /wrong[ _]version[ _]number|packet[ _]length[ _]too[ _]long/i

// For a host with several addresses, Node has one error for each, in an error without a message.
const reasonOf = (error: Error): string => {
  if (error.message !== "") return error.message
  const reasons = error instanceof AggregateError
    ? error.errors.flatMap((each: unknown) => each instanceof Error ? [each.message] : [])
    : []
  return reasons.length === 0 ? error.name : reasons.join(", ")
}

/** The code and the reason of a failed dial. */
export const dialFailure = (error: Error): { readonly code: string; readonly reason: string } =>
  notTls.test(error.message) || notTls.test(codeOf(error, ""))
    ? { code: "ERR_SSL_WRONG_VERSION_NUMBER", reason: "the server does not speak TLS" }
    : { code: codeOf(error, handshakeFault(error.message) ?? "ERR_HANDSHAKE"), reason: reasonOf(error) }
