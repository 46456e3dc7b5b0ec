// Removes from shown text what was sent with an upgrade: the parts of the URL, the headers and the subprotocols. A peer often
// quotes the request that it refuses, in another encoding.
//
// What counts as a secret: each part of the path, each value of the query, the user, the password, each header value and each
// subprotocol that is not a plain name. Whole values count, and their words too. Values of fewer than four characters are left:
// they can be guessed, and their removal would tear other words apart. So are well-known words, and what the shown host has.
import * as Cause from "effect/Cause"
import * as Encoding from "effect/Encoding"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import type { AttemptError, ReconnectRequested, SendError } from "../../ConnectionError.ts"
import * as Errors from "../../ConnectionError.ts"
import type { DialRequest } from "../../Transport.ts"

/** What is sent with an upgrade, and must not be shown. */
export type Sent = Pick<DialRequest, "url" | "headers" | "protocols">

const shortestSecret = 4
// A base64 text of fewer characters, or a word of a longer value, may be there by chance.
const shortestCode = 5
const shortestWord = 8

const wellKnown: ReadonlySet<string> = new Set(
  ("api apikey basic bearer binary digest false feed gzip http https json market negotiate none null private public socket " +
    "stream streams text token true utf-8 websocket websockets").split(" ")
)

const mark = "…"

// ---------------------------------------------------------------------------------------------------------------------
// Escapes

// A text as UTF-8 bytes, one character a byte. `from` and `to` are the span in the original that each byte stands for.
interface Bytes {
  readonly text: string
  readonly from: ReadonlyArray<number>
  readonly to: ReadonlyArray<number>
}

const encoder = new TextEncoder()

// At most 64 KiB, far above any limit of a text that is shown.
const latin1 = (bytes: Uint8Array): string => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")

const utf8 = (text: string): string => latin1(encoder.encode(text))

const bytesOf = (original: string): Bytes => {
  const from: Array<number> = []
  const to: Array<number> = []
  let text = ""
  let at = 0
  for (const character of original) {
    for (const byte of utf8(character)) {
      text += byte
      from.push(at)
      to.push(at + character.length)
    }
    at += character.length
  }
  return { text, from, to }
}

const named: ReadonlyMap<string, string> = new Map([
  ["amp", "&"],
  ["apos", "'"],
  ["colon", ":"],
  ["commat", "@"],
  ["equals", "="],
  ["gt", ">"],
  ["lt", "<"],
  ["nbsp", " "],
  ["percnt", "%"],
  ["plus", "+"],
  ["quest", "?"],
  ["quot", `"`],
  ["sol", "/"]
])

const control: ReadonlyMap<string, string> = new Map([["b", "\b"], ["f", "\f"], ["n", "\n"], ["r", "\r"], ["t", "\t"]])

const codePoint = (digits: string, radix: number): string => {
  const code = Number.parseInt(digits, radix)
  return code <= 0x10ffff ? utf8(String.fromCodePoint(code)) : ""
}

// URLs and forms; HTML; JSON and JavaScript. Two \u may be the halves of one character.
const escapes =
  /(?<space>\+)|%(?<byte>[\da-f]{2})|&#(?<decimal>\d{1,7});?|&#x(?<hex>[\da-f]{1,6});?|&(?<name>[a-z]{2,6});|\\u(?<high>d[89ab][\da-f]{2})\\u(?<low>d[c-f][\da-f]{2})|\\u(?<unit>[\da-f]{4})|\\x(?<char>[\da-f]{2})|\\(?<escaped>[^ux])/gi

const meaning = (found: string, groups: Readonly<Partial<Record<string, string>>>): string => {
  const { byte, char, decimal, escaped, hex, high, low, name, space, unit } = groups
  if (space !== undefined) return " "
  if (byte !== undefined) return String.fromCharCode(Number.parseInt(byte, 16))
  if (decimal !== undefined) return codePoint(decimal, 10)
  if (high !== undefined && low !== undefined) {
    return utf8(String.fromCharCode(Number.parseInt(high, 16), Number.parseInt(low, 16)))
  }
  const digits = hex ?? unit ?? char
  if (digits !== undefined) return codePoint(digits, 16)
  return (name === undefined ? control.get(escaped ?? "") ?? escaped : named.get(name.toLowerCase())) ?? found
}

const unescape = (bytes: Bytes): Bytes => {
  const from: Array<number> = []
  const to: Array<number> = []
  let text = ""
  let at = 0
  const copy = (until: number) => {
    for (; at < until; at++) {
      text += bytes.text.charAt(at)
      from.push(bytes.from[at] ?? 0)
      to.push(bytes.to[at] ?? 0)
    }
  }
  for (const match of bytes.text.matchAll(escapes)) {
    const [found] = match
    copy(match.index)
    at += found.length
    for (const byte of meaning(found, match.groups ?? {})) {
      text += byte
      from.push(bytes.from[match.index] ?? 0)
      to.push(bytes.to[at - 1] ?? 0)
    }
  }
  copy(bytes.text.length)
  return { text, from, to }
}

// The text itself, and after one, two and three rounds of unescaping: an escaped text may be escaped again.
const rounds = 3
const levelsOf = (bytes: Bytes): ReadonlyArray<Bytes> => {
  const levels = [bytes]
  for (let round = 0; round < rounds; round++) {
    const last = levels[round] ?? bytes
    const next = unescape(last)
    if (next.text === last.text) break
    levels.push(next)
  }
  return levels
}

// ---------------------------------------------------------------------------------------------------------------------
// Secrets

const words = (value: string) => value.split(/[^\p{L}\p{N}_~-]+/u).filter(({ length }) => length >= shortestWord)

// A header's value is a list of parts: "Bearer X", "a=b; c=d", "v1, v2".
const parts = (value: string) => value.split(/[\s,;="]+/)

// `ws` sends the user and the password of a URL as a header.
const decoded = (part: string): ReadonlyArray<string> => {
  if (!/^[\w+/-]{8,}={0,2}$/.test(part)) return []
  const text = Either.getOrElse(
    Either.orElse(Encoding.decodeBase64String(part), () => Encoding.decodeBase64UrlString(part.replace(/=+$/, ""))),
    () => ""
  )
  return text === "" || /[\p{Cc}\ufffd]/u.test(text) ? [] : [text, ...text.split(":")]
}

const percentDecoded = (text: string) => latin1ToText(unescape(bytesOf(text.replaceAll("+", "%2B"))).text)

const latin1ToText = (bytes: string): string =>
  new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)))

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

// A version or a few short lower-case words, such as "graphql-transport-ws" or "v12.stomp". The server shows which one it
// chose, and it is no secret. A token has capital letters, or letters and digits mixed.
const isName = (protocol: string) => protocol.length <= 40 && /^(?:[a-z]{1,12}\d{0,2}|v?\d{1,3}|[a-z]\d[a-z])(?:[._+-](?:[a-z]{1,12}\d{0,2}|v?\d{1,3}|[a-z]\d[a-z]))*$/.test(protocol)

const hostOf = (text: string) => URL.canParse(text) ? new URL(text).hostname.toLowerCase() : ""

// The base64 of a text that contains the secret, wherever it begins there. The characters at both ends have bits of others.
const codes = (secret: string): ReadonlyArray<string> =>
  [0, 1, 2].flatMap((before) => {
    const bytes = Uint8Array.from(`${"\0".repeat(before)}${secret}`, (byte) => byte.charCodeAt(0))
    const from = Math.ceil(before * 8 / 6)
    const standard = Encoding.encodeBase64(bytes).slice(from, Math.floor(bytes.length * 8 / 6))
    return standard.length < shortestCode ? [] : [standard, standard.replaceAll("+", "-").replaceAll("/", "_")]
  })

/** What is looked for: lower-case bytes. */
interface Needles {
  readonly plain: ReadonlyArray<string>
  readonly coded: ReadonlyArray<string>
}

const needlesOf = (sent: ReadonlyArray<Sent>): Needles => {
  const values = sent.flatMap(({ headers, protocols, url }) => [
    ...secretsOfUrl(Redacted.value(url)),
    ...[...Object.values(headers).map(Redacted.value), ...protocols.filter((protocol) => !isName(protocol))].flatMap((value) => [
      value.trim(),
      ...parts(value)
    ])
  ])
  const hosts = new Set(sent.map(({ url }) => hostOf(Redacted.value(url))))
  const isShown = (secret: string) =>
    wellKnown.has(secret) || [...hosts].some((host) => host === secret || host.split(".").includes(secret))
  const exact = [...values, ...values.flatMap(decoded)].flatMap((value) => [value, ...words(value)])
  const bytes = new Set(exact.flatMap((value) => levelsOf(bytesOf(value)).map(({ text }) => text)))
  const secrets = [...bytes].filter((secret) => secret.trim().length >= shortestSecret && !isShown(secret.toLowerCase()))
  return {
    plain: [...new Set(secrets.map((secret) => secret.toLowerCase()))],
    coded: [...new Set(secrets.flatMap(codes).map((code) => code.toLowerCase()))]
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Search

type Span = readonly [from: number, to: number]

const occurrences = (text: string, needle: string): ReadonlyArray<number> => {
  const found: Array<number> = []
  for (let at = text.indexOf(needle); at !== -1; at = text.indexOf(needle, at + 1)) found.push(at)
  return found
}

// What may follow a text that was cut: half an escape, or marks of the one who cut it.
const afterCut = /(?:%[\da-f]?|&#?\w{0,8}|\\(?:[ux][\da-f]{0,3})?)?[\s"'`.…)\]}>]*$/i

// The beginning of a secret at the end of a text, which a cut left there.
const cutAt = (text: string, needle: string): number | undefined => {
  for (let length = Math.min(needle.length - 1, text.length); length >= shortestSecret; length--) {
    if (text.endsWith(needle.slice(0, length)) && !wellKnown.has(needle.slice(0, length).trim())) return text.length - length
  }
  return undefined
}

const isCode = /[\w+/=-]/

const spansOf = ({ from, text: given, to }: Bytes, end: number, { coded, plain }: Needles): ReadonlyArray<Span> => {
  const text = given.toLowerCase()
  const span = (first: number, last: number): Span => [from[first] ?? 0, to[last] ?? end]
  const aroundCode = (at: number, length: number): Span => {
    let first = at
    let last = at + length - 1
    while (first > 0 && isCode.test(text.charAt(first - 1))) first--
    while (last + 1 < text.length && isCode.test(text.charAt(last + 1))) last++
    return span(first, last)
  }
  // "…" is three bytes, and stays whole.
  const ends = [text, text.replace(/(?:\xe2\x80\xa6)+$/, "").replace(afterCut, "")]
  return [
    ...plain.flatMap((needle) => occurrences(text, needle).map((at) => span(at, at + needle.length - 1))),
    ...coded.flatMap((needle) => occurrences(text, needle).map((at) => aroundCode(at, needle.length))),
    ...[...plain, ...coded].flatMap((needle) =>
      ends.flatMap((cut) => {
        const at = cutAt(cut, needle)
        return at === undefined ? [] : [[from[at] ?? 0, end] as const]
      })
    )
  ]
}

const withoutSpans = (text: string, spans: ReadonlyArray<Span>): string => {
  let shown = ""
  let at = 0
  for (const [from, to] of [...spans].sort(([a], [b]) => a - b)) {
    if (from >= at) shown += `${text.slice(at, from)}${shown.endsWith(mark) && from === at ? "" : mark}`
    at = Math.max(at, to)
  }
  return shown + text.slice(at)
}

// The user, the path and the query of any URL: an error may quote another one than that of the connection.
const urls = /([a-z][a-z\d+.-]*:\/\/)(?:[^\s/?#"'<>]*@)?([^\s/?#"'<>]*)(?:[/?#][^\s"'<>]*)?/gi

const withoutUrls = (text: string): string => text.replaceAll(urls, (url, scheme: string, host: string) => {
  const origin = `${scheme}${host}`
  return url === origin || url === `${origin}/` ? url : `${origin}/${mark}`
})

// ---------------------------------------------------------------------------------------------------------------------
// The redactor

// The dials whose secrets are removed: a late error may quote the token of the dial before.
const remembered = 2

// A class, because each connection has one. It looks for secrets only when a text of others is shown.
export class Redactor {
  #sent: ReadonlyArray<Sent> = []
  #needles: Needles | undefined

  /** Adds what a dial sends. */
  sends(sent: Sent): void {
    const last = this.#sent[this.#sent.length - 1]
    if (last !== undefined && isSame(last, sent)) return
    this.#sent = [...this.#sent.slice(1 - remembered), sent]
    this.#needles = undefined
  }

  /** Removes the secrets from a text of the peer, and the beginning of one that was cut. */
  text(text: string): string {
    if (text === "" || this.#sent.length === 0) return text
    const needles = this.#needles ??= needlesOf(this.#sent)
    return withoutSpans(text, levelsOf(bytesOf(text)).flatMap((level) => spansOf(level, text.length, needles)))
  }

  /** Removes the secrets from what ended an attempt. */
  failure<E extends AttemptError | ReconnectRequested>(error: E): AttemptError | ReconnectRequested
  failure(error: AttemptError): AttemptError
  failure(error: AttemptError | ReconnectRequested): AttemptError | ReconnectRequested {
    return error
  }

  /** Removes the secrets from an error of a user's function, and what is secret in any URL. Errors stay of their class. */
  error(error: unknown): unknown {
    return this.#unknown(error, new Set())
  }

  /** Removes the secrets from the defects of a cause. */
  cause<E>(cause: Cause.Cause<E>): Cause.Cause<E> {
    return this.#each(cause, (error) => error)
  }

  /** Removes the secrets from the failures and the defects of a cause. */
  failures<E extends AttemptError>(cause: Cause.Cause<E>): Cause.Cause<AttemptError> {
    return this.#each(cause, (error) => this.failure(error))
  }

  #each<E, E2>(cause: Cause.Cause<E>, change: (error: E) => E2): Cause.Cause<E2> {
    return Cause.match(cause, {
      onEmpty: Cause.empty,
      onFail: (error) => Cause.fail(change(error)),
      onDie: (defect) => Cause.die(this.error(defect)),
      onInterrupt: Cause.interrupt,
      onSequential: Cause.sequential,
      onParallel: Cause.parallel
    })
  }

  // `seen` stops at circles. An error without secrets stays the same object.
  #unknown(value: unknown, seen: ReadonlySet<unknown>): unknown {
    if (typeof value === "string") return withoutUrls(this.text(value))
    if (typeof value !== "object" || value === null || seen.has(value) || Redacted.isRedacted(value)) return value
    if (!(value instanceof Error) && !isPlain(value)) return value
    const inside = new Set([...seen, value])
    const properties = Object.entries(Object.getOwnPropertyDescriptors(value))
    const changed = properties.flatMap(([key, property]) => {
      if (!("value" in property)) return []
      const before: unknown = property.value
      const after = this.#unknown(before, inside)
      return after === before ? [] : [[key, { ...property, value: after }] as const]
    })
    if (changed.length === 0) return value
    const copy: unknown = Object.create(Reflect.getPrototypeOf(value), Object.fromEntries([...properties, ...changed]))
    return copy
  }
}

const isPlain = (value: object): boolean => {
  const prototype = Reflect.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null || Array.isArray(value)
}

const isSame = (a: Sent, b: Sent) =>
  a.headers === b.headers && a.protocols === b.protocols && Redacted.value(a.url) === Redacted.value(b.url)
