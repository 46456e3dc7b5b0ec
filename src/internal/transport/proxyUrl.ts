// The URL of a proxy. It may have a user and a password, so it is never shown.
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"

export interface Proxy {
  readonly protocol: "http" | "socks"
  readonly url: Redacted.Redacted<URL>
  /** The host of the proxy, without the brackets of an IPv6 address. */
  readonly host: string
}

const protocols: Readonly<Partial<Record<string, Proxy["protocol"]>>> = {
  "http:": "http",
  "https:": "http",
  "socks:": "socks",
  "socks4:": "socks",
  "socks4a:": "socks",
  "socks5:": "socks",
  "socks5h:": "socks"
}

// Well-known tools take "host:port" for a proxy over HTTP.
const withScheme = (text: string) => text.includes("://") ? text : `http://${text}`

const isDecodable = (text: string): boolean => {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

export const withoutBrackets = (host: string): string => host.replace(/^\[|\]$/g, "")

/** What is allowed, for the sentence of an error. */
export const allowed = "the URL of a proxy, such as http://127.0.0.1:3128 or socks5h://127.0.0.1:1080"

export const parse = (redacted: Redacted.Redacted): Either.Either<Proxy, string> => {
  const text = withScheme(Redacted.value(redacted).trim())
  if (!URL.canParse(text)) return Either.left("it is not a URL")
  const url = new URL(text)
  const protocol = protocols[url.protocol]
  if (protocol === undefined) return Either.left("its scheme is none of http, https, socks, socks4, socks4a, socks5, socks5h")
  if (url.hostname === "") return Either.left("it has no host")
  return isDecodable(url.username) && isDecodable(url.password)
    ? Either.right({ protocol, url: Redacted.make(url), host: withoutBrackets(url.hostname) })
    : Either.left("its user or its password has a % that is not followed by two hexadecimal digits")
}
