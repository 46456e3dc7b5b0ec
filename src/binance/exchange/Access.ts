/**
 * Whose requests the exchange answers. A page of the web that a browser shows on this machine reaches 127.0.0.1 too: its
 * requests have its `Origin`, or a `Host` that was made to lead here.
 *
 * @since 0.1.0
 */
import { hostOfOrigin, isHostAllowed, isIn, isLoopback } from "../../internal/access.ts"

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
  const { host, origin } = headers
  if (origin !== undefined && !isLoopback(hostOfOrigin(origin)) && !isIn(origins, origin)) {
    return "The Origin is not allowed: see the option access of the exchange."
  }
  return isHostAllowed(host, hosts) ? undefined : "The Host is not allowed: see the option access of the exchange."
}
