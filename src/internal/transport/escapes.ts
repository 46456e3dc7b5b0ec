// Undoes the escapes of URLs, HTML and JSON, and keeps for each byte its place in the original text.

// A text as UTF-8 bytes, one character a byte. `from` and `to` are the span in the original that each byte stands for.
export interface Bytes {
  readonly text: string
  readonly from: ReadonlyArray<number>
  readonly to: ReadonlyArray<number>
}

const encoder = new TextEncoder()

const latin1 = (bytes: Uint8Array): string => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")

const utf8 = (text: string): string => text < "\x80" ? text : latin1(encoder.encode(text))

export const bytesOf = (original: string, fold: "fold" | "keep"): Bytes => {
  const from: Array<number> = []
  const to: Array<number> = []
  let text = ""
  let at = 0
  for (const character of original) {
    for (const byte of utf8(fold === "fold" ? character.toLowerCase() : character)) {
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
export const levelsOf = (bytes: Bytes): ReadonlyArray<Bytes> => {
  const levels = [bytes]
  for (let round = 0; round < rounds; round++) {
    const last = levels[round] ?? bytes
    const next = unescape(last)
    if (next.text === last.text) break
    levels.push(next)
  }
  return levels
}

/** Undoes the escapes of a URL once. */
export const percentDecoded = (text: string): string =>
  text.replaceAll(/(?:%[\da-f]{2})+/gi, (run) =>
    new TextDecoder().decode(Uint8Array.from(run.slice(1).split("%"), (digits) => Number.parseInt(digits, 16))))
