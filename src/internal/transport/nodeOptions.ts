// Checks the options of the transport for Node, and finds the way that each dial takes.
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { readFile } from "node:fs/promises"
import { createSecureContext } from "node:tls"
import type { Options } from "../../NodeTransport.ts"
import type { PeerMissing } from "../optionalPeer.ts"
import { codeOf } from "./errorCode.ts"
import type { Hop, MakeTunnel } from "./proxyAgent.ts"
import * as ProxyAgent from "./proxyAgent.ts"
import type { ProxyChoice } from "./proxyChoice.ts"
import * as Choice from "./proxyChoice.ts"
import type { Way } from "./wsDial.ts"

const invalid = (option: string, problem: string) => ConfigError.InvalidData([option], problem)

const check = (isAllowed: boolean, option: string, problem: () => string): Effect.Effect<void, ConfigError.ConfigError> =>
  isAllowed ? Effect.void : Effect.fail(invalid(option, problem()))

// ---------------------------------------------------------------------------------------------------------------------
// Certificates

type Pem = string | Buffer

const asPem = (given: string | Uint8Array): Pem => typeof given === "string" ? given : Buffer.from(given)

const asList = (ca: NonNullable<Options["ca"]>): ReadonlyArray<string | Uint8Array> =>
  typeof ca === "string" || ca instanceof Uint8Array ? [ca] : ca

// OpenSSL ignores a text without any certificate, and then trusts nobody.
const hasCertificate = (pem: Pem) => pem.includes("-----BEGIN ")

const read = (file: string): Effect.Effect<Pem, ConfigError.ConfigError> =>
  Effect.tryPromise({
    try: () => readFile(file),
    catch: (error) => {
      const code = error instanceof Error ? codeOf(error, error.name) : "an error"
      return invalid("caFile", `Expected a file that can be read, but reading "${file}" fails with ${code}`)
    }
  })

const authorities = ({ ca, caFile }: Options): Effect.Effect<Array<Pem> | undefined, ConfigError.ConfigError> =>
  Effect.gen(function*() {
    const all = [
      ...ca === undefined ? [] : asList(ca).map((given) => ({ option: "ca", pem: asPem(given) })),
      ...caFile === undefined ? [] : [{ option: "caFile", pem: yield* read(caFile) }]
    ]
    for (const { option, pem } of all) {
      yield* check(hasCertificate(pem), option, () => "Expected certificates in PEM format, but there are none")
    }
    return all.length === 0 ? undefined : all.map(({ pem }) => pem)
  })

// The words of OpenSSL, such as "error:0480006C:PEM routines::no start line", say nothing of the key.
const reasonOf = (error: unknown) =>
  error instanceof Error ? error.message.replace(/^error:[\dA-F]+:/i, "") : "it cannot be used"

/** What holds for every server. The rest is for the one that was asked for. */
type Trust = Pick<Hop, "ca" | "rejectUnauthorized">

interface TlsOptions {
  readonly own: Trust & Pick<Way["options"], "cert" | "key" | "passphrase" | "servername">
  readonly foreign: Trust
}

const tlsOf = (options: Options): Effect.Effect<TlsOptions, ConfigError.ConfigError> =>
  Effect.gen(function*() {
    const { cert, key, passphrase, rejectUnauthorized, servername } = options
    yield* check(
      (cert === undefined) === (key === undefined),
      cert === undefined ? "cert" : "key",
      () => "Expected cert and key, but only one of them is given"
    )
    yield* check(
      passphrase === undefined || key !== undefined,
      "passphrase",
      () => "Expected the key that it decrypts, but no key is given"
    )
    const ca = yield* authorities(options)
    const client = {
      ...(cert === undefined ? {} : { cert: asPem(cert) }),
      ...(key === undefined ? {} : { key: Redacted.value(key) }),
      ...(passphrase === undefined ? {} : { passphrase: Redacted.value(passphrase) })
    }
    yield* Effect.try({
      try: () => createSecureContext({ ...client, ...(ca === undefined ? {} : { ca }) }),
      catch: (error) =>
        invalid(
          cert === undefined ? "ca" : "key",
          `Expected certificates and a key that fit each other, but OpenSSL says: ${reasonOf(error)}`
        )
    })
    const foreign: Trust = {
      ...(ca === undefined ? {} : { ca }),
      ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized })
    }
    return { foreign, own: { ...foreign, ...client, ...(servername === undefined ? {} : { servername }) } }
  })

// ---------------------------------------------------------------------------------------------------------------------
// Proxies

const choiceOf = ({ agent, proxy }: Options): Effect.Effect<ProxyChoice, ConfigError.ConfigError> => {
  if (proxy === undefined) return Effect.succeed(Choice.noProxy)
  if (agent !== undefined) return Effect.fail(invalid("agent", "Expected an agent or a proxy, but both are given"))
  return proxy === "environment"
    ? Choice.fromEnvironment
    : Choice.always("proxy", typeof proxy === "string" ? Redacted.make(proxy) : proxy)
}

// ---------------------------------------------------------------------------------------------------------------------

export interface Ways {
  /** The way to the server that was asked for. */
  readonly own: (url: URL) => Way
  /** The way to any other, to which a redirect leads: without the client's certificate. */
  readonly foreign: (url: URL) => Way
  readonly maxRedirects: number
  readonly proxies: ReadonlyArray<Redacted.Redacted>
}

const wayOf = (options: Way["options"], choice: ProxyChoice, tunnel: MakeTunnel): Ways["own"] => {
  const direct: Way = { options }
  return (url) => {
    const proxy = choice.of(url)
    if (proxy === undefined) return direct
    const { abort, agent } = tunnel(proxy, url.protocol === "wss:")
    return { options: { ...options, agent }, abort }
  }
}

// More than browsers follow (https://fetch.spec.whatwg.org/#http-redirect-fetch) is a circle.
const mostRedirects = 20

export const resolve = (options: Options): Effect.Effect<Ways, ConfigError.ConfigError | PeerMissing> =>
  Effect.gen(function*() {
    const { agent, family, localAddress, maxRedirects = 0, perMessageDeflate = false, rejectUnauthorized } = options
    yield* check(
      Number.isInteger(maxRedirects) && maxRedirects >= 0 && maxRedirects <= mostRedirects,
      "maxRedirects",
      () => `Expected a whole number from 0 to ${mostRedirects}, but received "${String(maxRedirects)}"`
    )
    const tls = yield* tlsOf(options)
    const choice = yield* choiceOf(options)
    const local = {
      ...(localAddress === undefined ? {} : { localAddress }),
      ...(family === undefined ? {} : { family })
    }
    const tunnel = yield* ProxyAgent.load(choice.all, { ...local, ...tls.foreign })
    if (rejectUnauthorized === false) {
      yield* Effect.logWarning(
        "The option rejectUnauthorized is false: certificates are not verified, so anyone on the network can pose as the server."
      )
    }
    const common = { ...local, perMessageDeflate, ...(agent === undefined ? {} : { agent }) }
    return {
      own: wayOf({ ...common, ...tls.own }, choice, tunnel),
      foreign: wayOf({ ...common, ...tls.foreign }, choice, tunnel),
      maxRedirects,
      proxies: choice.all.map(({ url }) => Redacted.make(Redacted.value(url).href))
    }
  })
