// Where a redirect leads. WebSocket clients need not follow one (RFC 6455 §4.1); the Fetch standard sets the rules used here.

export type Redirect =
  /** The answer is no redirect. */
  | { readonly _tag: "None" }
  | { readonly _tag: "Refused"; readonly reason: string }
  /** Credentials of the request may go to the same origin only: the same scheme, host and port. */
  | { readonly _tag: "Follow"; readonly url: URL; readonly isSameOrigin: boolean }

// RFC 9110 §15.4.
const statuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

const schemes: Readonly<Partial<Record<string, string>>> = { "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" }

const none: Redirect = { _tag: "None" }
const refused = (reason: string): Redirect => ({ _tag: "Refused", reason })

const withoutUser = (url: URL): URL => {
  url.username = ""
  url.password = ""
  return url
}

/** Tells where the answer to a dial of `from` leads. */
export const redirectOf = (from: URL, status: number, location: string | undefined): Redirect => {
  if (!statuses.has(status)) return none
  if (location === undefined || !URL.canParse(location, from.href)) {
    return refused("the server redirects, and does not say where to")
  }
  const given = new URL(location, from)
  const scheme = schemes[given.protocol]
  // Only the user of this process may name a file of its machine.
  if (scheme === undefined || !(from.protocol in schemes)) return refused("the redirect leads to no WebSocket URL")
  if (from.protocol === "wss:" && scheme === "ws:") {
    return refused("the redirect leads from wss:// to ws://, which is not encrypted")
  }
  const url = new URL(`${scheme}${given.href.slice(given.protocol.length)}`)
  url.hash = ""
  const isSameOrigin = url.origin === from.origin
  if (!isSameOrigin) return { _tag: "Follow", url: withoutUser(url), isSameOrigin }
  if (url.username === "" && url.password === "") {
    url.username = from.username
    url.password = from.password
  }
  return { _tag: "Follow", url, isSameOrigin }
}
