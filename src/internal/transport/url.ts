// Checks the URL of a dial, before a library refuses it with an error that quotes it.
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { InvalidUrl } from "../../ConnectionError.ts"

const problem = (url: URL): string | undefined => {
  if (url.protocol !== "ws:" && url.protocol !== "wss:") return "its scheme is neither ws nor wss"
  // RFC 6455 §3: a WebSocket URL must not have a fragment.
  if (url.hash !== "") return "it has a fragment"
  return undefined
}

export const parseUrl = (redacted: Redacted.Redacted): Effect.Effect<URL, InvalidUrl> =>
  Effect.suspend(() => {
    const text = Redacted.value(redacted)
    if (!URL.canParse(text)) return new InvalidUrl({ reason: "it is not a URL" })
    const url = new URL(text)
    const reason = problem(url)
    return reason === undefined ? Effect.succeed(url) : new InvalidUrl({ reason })
  })
