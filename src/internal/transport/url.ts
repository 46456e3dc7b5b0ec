// Checks the URL of a dial, before a library refuses it with an error that quotes it.
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { InvalidUrl } from "../../ConnectionError.ts"

// A scheme is shown only before "//": otherwise it may be a user's name.
const schemeOf = (text: string): string | undefined => /^([a-z][a-z\d+.-]{0,15}):\/\//i.exec(text.trim())?.[1]?.toLowerCase()

// With an "@" anywhere, the digits may belong to a password.
const portOf = (text: string): string | undefined =>
  text.includes("@") ? undefined : /^[a-z\d+.-]+:\/\/(?:\[[^\]]*\]|[^/?#:[]*):(\d{1,10})(?:[/?#]|$)/i.exec(text.trim())?.[1]

const isInRange = (port: string) => Number(port) >= 1 && Number(port) <= 65_535

const problem = (text: string): string | undefined => {
  const scheme = schemeOf(text)
  if (scheme === undefined && !/^wss?:/i.test(text.trim())) return "it has no scheme; use ws, or wss for TLS"
  if (scheme !== undefined && scheme !== "ws" && scheme !== "wss") return `its scheme is ${scheme}; use ws, or wss for TLS`
  const port = portOf(text)
  if (port !== undefined && !isInRange(port)) return `its port is ${port}; use one from 1 to 65535`
  if (!URL.canParse(text)) return "it is not a URL"
  // RFC 6455 §3: a WebSocket URL must not have a fragment.
  return new URL(text).hash === "" ? undefined : "it has a fragment"
}

export const parseUrl = (redacted: Redacted.Redacted): Effect.Effect<URL, InvalidUrl> =>
  Effect.suspend(() => {
    const text = Redacted.value(redacted)
    const reason = problem(text)
    return reason === undefined ? Effect.succeed(new URL(text)) : new InvalidUrl({ reason })
  })
