// The headers of the server's answer to an upgrade.
import type { IncomingHttpHeaders } from "node:http"

/** One text for each name. `set-cookie` may come several times. */
export const headersOf = (headers: IncomingHttpHeaders): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value]]
    )
  )
