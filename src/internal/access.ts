// Whose requests a server on this machine answers. A page of the web that a browser shows here reaches 127.0.0.1 too: its
// requests have its `Origin`, or a `Host` that was made to lead here.

// Names of this machine: RFC 1122, section 3.2.1.3, RFC 4291, section 2.5.3, and RFC 6761, section 6.3.
const loopback = /^(?:127(?:\.\d{1,3}){3}|\[::1\]|(?:[a-z\d-]+\.)*localhost)$/

/** Values that are allowed, or all. */
export type Allowed = ReadonlyArray<string> | "any" | undefined

export const isLoopback = (host: string): boolean => loopback.test(host.toLowerCase())

/** The name of the host of an `Origin`, in lower case; `""` if it has none. */
export const hostOfOrigin = (origin: string): string => URL.canParse(origin) ? new URL(origin).hostname : ""

/** The name of a `Host` header, without the port and in lower case. */
export const nameOfHost = (host: string): string => {
  const text = `http://${host.toLowerCase()}`
  return URL.canParse(text) ? new URL(text).hostname : host.toLowerCase()
}

export const isIn = (allowed: Allowed, value: string): boolean =>
  allowed === "any" || (allowed ?? []).some((each) => each.toLowerCase() === value.toLowerCase())

/** Whether a `Host` header leads to this machine, or is allowed. A request without one comes from no browser. */
export const isHostAllowed = (host: string | undefined, allowed: Allowed): boolean =>
  host === undefined || isLoopback(nameOfHost(host)) || isIn(allowed, nameOfHost(host))

/** Whether an `Origin` is a page of the server that is asked: its host and port are those of the `Host` header. */
export const isSameOrigin = (origin: string, host: string | undefined): boolean =>
  host !== undefined && URL.canParse(origin) && URL.canParse(`http://${host}`) &&
  [new URL(origin).host, `${new URL(origin).hostname}:${new URL(origin).port}`].includes(host.toLowerCase())
