// What must not be shown of an upgrade: the parts of its URL, its headers and its subprotocols.
//
// Each part of the path counts, each value of the query, the user, the password, each header value and each subprotocol that is
// not a plain name; whole, and in parts. Values of fewer than four characters do not: they can be guessed, and their removal
// would tear other text apart. Nor do well-known terms, and what is part of the host's name, which is shown anyway.
import * as Redacted from "effect/Redacted"
import type { DialRequest, Transport } from "../../Transport.ts"
import { bytesOf, levelsOf, percentDecoded } from "./escapes.ts"

/** What is sent with an upgrade, and to a proxy before it. */
export type Sent = Pick<DialRequest, "url" | "headers" | "protocols"> & Pick<Transport, "proxies">

export const shortestSecret = 4
// A base64 text of fewer characters, or a part of a longer value, may be there by chance.
const shortestCode = 5
const shortestPart = 8
const mostSeparators = 16

export const wellKnown: ReadonlySet<string> = new Set(
  ("api apikey basic bearer binary certificate closed connect connection digest error false feed gzip http https invalid json " +
    "market negotiate none null private public refused request response server socket stream streams text timeout token true " +
    "upgrade utf-8 websocket websockets").split(" ")
)

const partsOf = (value: string) => value.split(/[^\p{L}\p{N}_~-]+/u).filter(({ length }) => length >= shortestPart)

// A header's value may be a list: "Bearer X", "a=b; c=d", "v1, v2". All that follows a separator counts too, since a credential
// may have one inside.
const listed = (value: string) => [
  value.trim(),
  ...value.split(/[\s,;="]+/),
  ...[...value.matchAll(/[\s,;="]+/g)].slice(0, mostSeparators).map(({ 0: separator, index }) => value.slice(index + separator.length))
]

const decoder = new TextDecoder()

// The text of this base64, in either alphabet; "" if it is none.
const textOf = (base64: string): string => {
  try {
    return decoder.decode(Uint8Array.from(atob(base64.replaceAll("-", "+").replaceAll("_", "/").replace(/=+$/, "")), byteOf))
  } catch {
    return ""
  }
}

const byteOf = (byte: string): number => byte.charCodeAt(0)

// `ws` sends the user and the password of a URL as a header.
const decoded = (part: string): ReadonlyArray<string> => {
  if (!/^[\w+/-]{8,}={0,2}$/.test(part)) return []
  const text = textOf(part)
  return text === "" || /[\p{Cc}\ufffd]/u.test(text) ? [] : [text, ...text.split(":")]
}

const secretsOfUrl = (text: string): ReadonlyArray<string> => {
  if (!URL.canParse(text)) return [text]
  const { hash, password, pathname, search, username } = new URL(text)
  const [user, pass] = [percentDecoded(username), percentDecoded(password)]
  const query = search.slice(1).split("&")
  return [
    ...pathname.length + search.length < shortestSecret ? [] : [`${pathname}${search}`, pathname, search],
    ...pathname.split("/"),
    ...query.flatMap((pair) => {
      const value = pair.slice(pair.indexOf("=") + 1)
      return [value, percentDecoded(value)]
    }),
    hash.slice(1),
    username,
    password,
    ...user === "" && pass === "" ? [] : [`${user}:${pass}`]
  ]
}

// A version or a few short lower-case terms, such as "graphql-transport-ws" or "v12.stomp". The server shows which one it
// chose, and it is no secret. A token has capital letters, or letters and digits mixed.
export const isName = (protocol: string): boolean =>
  protocol.length <= 40 && protocol.split(/[._+-]/).every((part) => /^(?:[a-z]{1,12}\d{0,2}|v?\d{1,3}|[a-z]\d[a-z])$/.test(part))

const hostOf = (text: string) => URL.canParse(text) ? new URL(text).hostname.toLowerCase() : ""

// The base64 of a text that contains the secret, wherever it begins there. The characters at both ends have bits of others.
const codes = (secret: string): ReadonlyArray<string> =>
  [0, 1, 2].flatMap((before) => {
    const bytes = `${"\0".repeat(before)}${secret}`
    const from = Math.ceil(before * 8 / 6)
    const standard = btoa(bytes).slice(from, Math.floor(bytes.length * 8 / 6))
    return standard.length < shortestCode ? [] : [standard, standard.replaceAll("+", "-").replaceAll("/", "_")]
  })

/** What is looked for: lower-case bytes. */
export interface Needles {
  readonly plain: ReadonlyArray<string>
  readonly coded: ReadonlyArray<string>
}

export const needlesOf = (sent: ReadonlyArray<Sent>): Needles => {
  const urls = sent.flatMap(({ proxies = [], url }) => [url, ...proxies].map(Redacted.value))
  const values = sent.flatMap(({ headers, protocols }) => [
    ...[...Object.values(headers).map(Redacted.value), ...protocols.filter((protocol) => !isName(protocol))].flatMap(listed)
  ])
  const hosts = new Set(urls.map(hostOf))
  const isShown = (secret: string) =>
    wellKnown.has(secret) || [...hosts].some((host) => host === secret || host.split(".").includes(secret))
  const all = [...urls.flatMap(secretsOfUrl), ...values]
  const exact = [...all, ...all.flatMap(decoded)].flatMap((value) => [value, ...partsOf(value)])
  const folded = (fold: "fold" | "keep") =>
    [...new Set(exact.flatMap((value) => levelsOf(bytesOf(value, fold)).map(({ text }) => text)))]
      .filter((secret) => secret.trim().length >= shortestSecret && !isShown(secret.toLowerCase()))
  return {
    plain: [...new Set(folded("fold").map((secret) => secret.toLowerCase()))],
    coded: [...new Set(folded("keep").flatMap(codes).map((code) => code.toLowerCase()))]
  }
}
