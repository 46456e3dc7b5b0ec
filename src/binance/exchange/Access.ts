/**
 * Whose requests the exchange answers. A page of the web that a browser shows on this machine reaches 127.0.0.1 too: its
 * requests have its `Origin`, or a `Host` that was made to lead here.
 *
 * @since 0.1.0
 */
/**
 * Whose requests the exchange answers, besides those without an `Origin` and those from this machine.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** More values of `Origin`, such as `https://app.example.com`, or all. Default: none. */
  readonly origins?: ReadonlyArray<string> | "any" | undefined
  /** More names in `Host`, such as `exchange.test`, without a port, or all. Default: none. */
  readonly hosts?: ReadonlyArray<string> | "any" | undefined
}

// Names of this machine: RFC 1122, section 3.2.1.3, RFC 4291, section 2.5.3, and RFC 6761, section 6.3.
const loopback = /^(?:127(?:\.\d{1,3}){3}|\[::1\]|(?:[a-z\d-]+\.)*localhost)$/

const hostIn = (text: string): string | undefined => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url?.hostname
}

const isIn = (allowed: ReadonlyArray<string> | "any" | undefined, value: string): boolean =>
  allowed === "any" || (allowed ?? []).some((each) => each.toLowerCase() === value)

/**
 * Says why a request is refused. Undefined if it is answered.
 *
 * @since 0.1.0
 * @category predicates
 */
export const refusal = (
  { hosts, origins }: Options,
  headers: { readonly origin?: string | undefined; readonly host?: string | undefined }
): string | undefined => {
  const origin = headers.origin?.toLowerCase()
  if (origin !== undefined && !loopback.test(hostIn(origin) ?? "") && !isIn(origins, origin)) {
    return "The Origin is not allowed: see the option access of the exchange."
  }
  const host = headers.host === undefined ? undefined : hostIn(`http://${headers.host.toLowerCase()}`) ?? headers.host
  if (host !== undefined && !loopback.test(host) && !isIn(hosts, host)) {
    return "The Host is not allowed: see the option access of the exchange."
  }
  return undefined
}
