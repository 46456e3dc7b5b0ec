// The failures of a proxy, told apart from those of the server behind it.
import * as Predicate from "effect/Predicate"
import { dialFailure } from "./errorCode.ts"

/** Its message says that it was the proxy, and quotes nothing that the proxy sent. */
export class ProxyFailure extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

const authentication = new ProxyFailure(
  "ERR_PROXY_AUTHENTICATION",
  "the proxy refused the user and the password, or asks for them"
)

const nonsense = new ProxyFailure("ERR_PROXY_RESPONSE", "the proxy answered something else than its protocol allows")

/** A proxy over HTTP answered with another status than 200. */
export const ofStatus = (status: number): ProxyFailure => {
  if (status === 407) return authentication
  if (status >= 400 && status < 500) {
    return new ProxyFailure("ERR_PROXY_REFUSED", `the proxy refused to connect to the server, with status ${status}`)
  }
  return Number.isInteger(status)
    ? new ProxyFailure("ERR_PROXY_GATEWAY", `the proxy could not connect to the server, with status ${status}`)
    : nonsense
}

const lookups: ReadonlySet<string> = new Set(["ENOTFOUND", "EAI_AGAIN", "EAI_NODATA", "EAI_NONAME", "EAI_FAIL"])

// The texts of the packages for what has no code of the system.
const texts: ReadonlyArray<readonly [text: RegExp, failure: (found: string) => ProxyFailure]> = [
  [/authentication|NoAcceptedAuth|no accepted auth/i, () => authentication],
  [/rejected connection - (NotAllowed|AddressNotSupported|CommandNotSupported)/, (found) =>
    new ProxyFailure("ERR_PROXY_REFUSED", `the proxy refused to connect to the server: ${found}`)],
  [/rejected connection - (?:\()?(\w+)/, (found) =>
    new ProxyFailure("ERR_PROXY_GATEWAY", `the proxy could not connect to the server: ${found}`)],
  [/timed out/, () => new ProxyFailure("ERR_PROXY_GATEWAY", "the proxy did not answer in time")],
  [/ended before|socket closed/i, () =>
    new ProxyFailure("ERR_PROXY_GATEWAY", "the proxy hung up before it had connected to the server")]
]

const ofText = (text: string): ProxyFailure => {
  for (const [pattern, failure] of texts) {
    const found = pattern.exec(text)
    if (found !== null) return failure(found[1] ?? "")
  }
  return nonsense
}

// The package for SOCKS passes on the text of an error of the system, and not its code.
const systemCode = /^(?:connect|getaddrinfo|read|write) (E[A-Z_]+)/

// Resolving the name of the server is ours with some kinds of SOCKS.
const isOfServer = (error: Error, proxy: string): boolean =>
  Predicate.hasProperty(error, "hostname") && typeof error.hostname === "string" && error.hostname !== proxy

/** The connection to a proxy failed, or the proxy did not connect to the server. */
export const ofError = (error: unknown, proxy: string): Error => {
  if (!(error instanceof Error)) return ofText("")
  if (isOfServer(error, proxy)) return error
  const { code: given, reason } = dialFailure(error)
  const code = given === "ERR_HANDSHAKE" ? systemCode.exec(reason)?.[1] ?? given : given
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER") {
    return new ProxyFailure("ERR_PROXY_RESPONSE", "the proxy does not speak TLS, as its https:// URL says")
  }
  if (code === "ERR_HANDSHAKE") return ofText(error.message)
  if (lookups.has(code)) return new ProxyFailure(code, `the name of the proxy was not resolved: ${reason}`)
  return new ProxyFailure(code, `the connection to the proxy failed: ${reason}`)
}
