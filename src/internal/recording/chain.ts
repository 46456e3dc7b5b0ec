// The lines of a recording are a chain: each has its number, and a checksum of its text and of all lines before it.
import { crc32 } from "node:zlib"
import type { Chain, Link } from "./link.ts"

/** The chain before its first line. */
export const start: Chain = { line: 0, sum: "00000000" }

// The CRC-32 of gzip (RFC 1952, section 8). Each checksum continues the one before.
const sumOf = (text: string, before: string) =>
  crc32(text, Number.parseInt(before, 16)).toString(16).padStart(8, "0")

/** Links an object of JSON to the chain: makes the text of its line, without the newline. */
export const link = (chain: Chain, json: string): { readonly text: string; readonly chain: Chain } => {
  const line = chain.line + 1
  const body = `${json.slice(0, -1)},"line":${line}`
  const sum = sumOf(body, chain.sum)
  return { text: `${body},"sum":"${sum}"}`, chain: { line, sum } }
}

/** Whether a line is as it was written, after the line with this checksum. */
export const isIntact = ({ json, line, sum }: Link, before: string): boolean =>
  sumOf(`${json.slice(0, -1)},"line":${line}`, before) === sum

/** Whether a line is the one after this moment, as it was written. */
export const follows = (link: Link, chain: Chain): boolean => link.line === chain.line + 1 && isIntact(link, chain.sum)
