// URLs of Unix sockets, as `ws` takes them: ws+unix:/path/of/the.sock:/path/of/the/request. They are never shown.
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { InvalidUrl } from "../../ConnectionError.ts"

const scheme = "ws+unix:"

export const isUnix = (url: Redacted.Redacted): boolean => Redacted.value(url).trim().toLowerCase().startsWith(scheme)

/** The path of the socket's file, if the URL has one. */
export const fileOf = ({ pathname, protocol }: URL): string | undefined =>
  protocol === scheme ? pathname.split(":")[0] : undefined

export const parseUnixUrl = (redacted: Redacted.Redacted): Effect.Effect<URL, InvalidUrl> =>
  Effect.suspend(() => {
    const text = Redacted.value(redacted)
    if (!URL.canParse(text)) return new InvalidUrl({ reason: "it is not a URL" })
    const url = new URL(text)
    if (url.hash !== "") return new InvalidUrl({ reason: "it has a fragment" })
    return fileOf(url) === "" || url.host !== ""
      ? new InvalidUrl({ reason: "ws+unix: must be followed by the path of a socket, as in ws+unix:/run/app.sock:/path" })
      : Effect.succeed(url)
  })
