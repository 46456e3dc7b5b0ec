// Makes the request of one dial. Options that are effects run anew for each.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Options } from "../../Connection.ts"
import type { AttemptError, DialOption } from "../../ConnectionError.ts"
import { OptionUnavailable } from "../../ConnectionError.ts"
import type { DialRequest } from "../../Transport.ts"
import type { Choice } from "./endpoints.ts"

type Text = string | Redacted.Redacted

type Given<A> = A | Effect.Effect<A, unknown>

/** Where the URL of a dial comes from: a list, or an effect that may know the last failure. */
export type Source =
  | { readonly _tag: "List"; readonly urls: ReadonlyArray<Redacted.Redacted> }
  | { readonly _tag: "Ask"; readonly ask: (last: Option.Option<AttemptError>) => Effect.Effect<Text, unknown> }

export interface Parts {
  readonly source: Source
  readonly headers: Given<DialRequest["headers"]>
  readonly protocols: Given<DialRequest["protocols"]>
}

export const redacted = (text: Text): Redacted.Redacted => typeof text === "string" ? Redacted.make(text) : text

export const sourceOf = (url: Options["url"]): Source => {
  if (Effect.isEffect(url)) return { _tag: "Ask", ask: () => url }
  if (typeof url === "function") return { _tag: "Ask", ask: url }
  if (typeof url === "string" || Redacted.isRedacted(url)) return { _tag: "List", urls: [redacted(url)] }
  return { _tag: "List", urls: url.map(redacted) }
}

/** The number of URLs to choose from. An effect chooses by itself. */
export const countOf = (source: Source): number => source._tag === "List" ? source.urls.length : 1

type Headers = Readonly<Record<string, Text>>

const redactAll = (headers: Headers): DialRequest["headers"] =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, redacted(value)]))

export const headersOf = (headers: Options["headers"] = {}): Parts["headers"] =>
  Effect.isEffect(headers) ? Effect.map(headers, redactAll) : redactAll(headers)

const asked = <A>(option: DialOption, effect: Effect.Effect<A, unknown>) =>
  Effect.catchAllCause(effect, (cause) => Effect.fail(new OptionUnavailable({ option, cause: Cause.squash(cause) })))

const resolved = <A>(option: DialOption, given: Given<A>): Effect.Effect<A, OptionUnavailable> =>
  Effect.isEffect(given) ? asked(option, given) : Effect.succeed(given)

const urlOf = (source: Source, { index, last }: Choice): Effect.Effect<Redacted.Redacted, OptionUnavailable> => {
  if (source._tag === "Ask") return asked("url", Effect.suspend(() => Effect.map(source.ask(last), redacted)))
  const url = source.urls[index]
  return url === undefined ? Effect.dieMessage("there is no such URL") : Effect.succeed(url)
}

/** Tells whether making the request may take time. */
export const isAsked = ({ headers, protocols, source }: Parts): boolean =>
  source._tag === "Ask" || Effect.isEffect(headers) || Effect.isEffect(protocols)

export const make = (
  parts: Parts,
  choice: Choice
): Effect.Effect<Pick<DialRequest, "url" | "headers" | "protocols">, OptionUnavailable> =>
  Effect.all({
    url: urlOf(parts.source, choice),
    headers: resolved("headers", parts.headers),
    protocols: resolved("protocols", parts.protocols)
  })
