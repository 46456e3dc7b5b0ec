// Shows the messages of a connection that has no protocol that the program knows.
import * as Duration from "effect/Duration"
import * as Encoding from "effect/Encoding"
import type { Gap } from "../Item.ts"
import type { Message } from "../Transport.ts"

// All but the line feed and the tab could change a terminal.
const commands = /[^\P{Cc}\n\t]+/gu

/** A message as it is printed: a text as it is, bytes in base64. On a terminal, a text has no control characters. */
export const messageText = (message: Message, isTerminal: boolean): string => {
  if (typeof message !== "string") return Encoding.encodeBase64(message)
  return isTerminal ? message.replace(commands, " ") : message
}

/** A message as an object of JSON. */
export const messageJson = (message: Message, timestamp: number): string =>
  JSON.stringify(
    typeof message === "string"
      ? { type: "text", data: message, timestamp }
      : { type: "binary", data: Encoding.encodeBase64(message), timestamp }
  )

/** The place where messages may be missing as an object of JSON. */
export const gapJson = ({ cause, downtime, dropped, epoch }: Gap, timestamp: number): string =>
  JSON.stringify({
    type: "gap",
    cause: { error: cause._tag, message: cause.message },
    downtime: Duration.toMillis(downtime),
    dropped,
    epoch,
    timestamp
  })

/** The headers of lines such as `x-token: abc`. Lines with the same name are one header (RFC 9110 §5.3). */
export const headersOf = (lines: ReadonlyArray<string>): Readonly<Record<string, string>> => {
  const headers = new Map<string, string>()
  for (const line of lines) {
    const at = line.indexOf(":")
    const name = line.slice(0, at).trim().toLowerCase()
    const value = line.slice(at + 1).trim()
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return Object.fromEntries(headers)
}
