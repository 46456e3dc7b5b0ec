// Chooses the proxy of a dial: always the same one, or what HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say.
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { isExempt } from "./noProxy.ts"
import type { Proxy } from "./proxyUrl.ts"
import { allowed, parse } from "./proxyUrl.ts"

export interface ProxyChoice {
  /** All proxies that may be chosen. */
  readonly all: ReadonlyArray<Proxy>
  readonly of: (url: URL) => Proxy | undefined
}

export const noProxy: ProxyChoice = { all: [], of: () => undefined }

const parsed = (key: string, url: Redacted.Redacted): Either.Either<Proxy, ConfigError.ConfigError> =>
  Either.mapLeft(parse(url), (problem) => ConfigError.InvalidData([key], `Expected ${allowed}, but ${problem}`))

/** Always this one. `key` names the option in an error. */
export const always = (key: string, url: Redacted.Redacted): Either.Either<ProxyChoice, ConfigError.ConfigError> =>
  Either.map(parsed(key, url), (proxy) => ({ all: [proxy], of: ({ protocol }) => protocol in variables ? proxy : undefined }))

// There is no standard. As with curl, a name in lower case comes first, and ALL_PROXY is for schemes without a variable of
// their own.
const variables: Readonly<Partial<Record<string, ReadonlyArray<string>>>> = {
  "ws:": ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
  "wss:": ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
}

const portOf = ({ port, protocol }: URL) => port === "" ? (protocol === "wss:" ? 443 : 80) : Number(port)

// An empty variable is set: it means no proxy.
const first = (names: ReadonlyArray<string>) =>
  Effect.map(
    Effect.forEach(names, (name) => Effect.option(Effect.map(Config.redacted(name), (value) => ({ name, value })))),
    (found) => found.flatMap((each) => each._tag === "Some" ? [each.value] : [])[0]
  )

const variable = (names: ReadonlyArray<string> = []): Effect.Effect<Proxy | undefined, ConfigError.ConfigError> =>
  Effect.flatMap(first(names), (found) =>
    found === undefined || Redacted.value(found.value).trim() === ""
      ? Effect.succeed(undefined)
      : parsed(found.name, found.value))

/** What the environment says now, or whatever else is the source of configuration. */
export const fromEnvironment: Effect.Effect<ProxyChoice, ConfigError.ConfigError> = Effect.gen(function*() {
  const plain = yield* variable(variables["ws:"])
  const secure = yield* variable(variables["wss:"])
  const exempt = yield* first(["no_proxy", "NO_PROXY"])
  const list = exempt === undefined ? "" : Redacted.value(exempt.value)
  const byScheme: Readonly<Partial<Record<string, Proxy | undefined>>> = { "ws:": plain, "wss:": secure }
  return {
    all: [plain, secure].flatMap((proxy) => proxy === undefined ? [] : [proxy]),
    of: (url) => isExempt(list, url.hostname, portOf(url)) ? undefined : byScheme[url.protocol]
  }
})
