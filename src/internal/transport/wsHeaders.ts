// The headers of the server's answer to an upgrade.
import type { IncomingHttpHeaders } from "node:http"

// Headers of an answer that may hold credentials (RFC 6265 §4.1, RFC 9110 §11.6.3).
const credentials = ["set-cookie", "set-cookie2", "authentication-info", "proxy-authentication-info", "authorization", "cookie"]

/** The headers of a refusal. Those with credentials are not enumerable, so that nothing shows them. */
export const refusalHeaders = (headers: IncomingHttpHeaders): Readonly<Record<string, string>> =>
  Object.defineProperties<Record<string, string>>(
    {},
    Object.fromEntries(
      Object.entries(headersOf(headers)).map(([name, value]) => [name, { value, enumerable: !credentials.includes(name) }])
    )
  )

/** One text for each name. `set-cookie` may come several times. */
export const headersOf = (headers: IncomingHttpHeaders): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value]]
    )
  )
