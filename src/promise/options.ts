// The options of a connection as callers outside Effect give them, as options of `Connection`.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Connection from "../Connection.ts"
import type { AttemptError } from "../ConnectionError.ts"
import { dialWith } from "../internal/transport/webSocket.ts"
import type * as ReconnectPolicy from "../ReconnectPolicy.ts"
import { Transport } from "../Transport.ts"
import type { ConnectOptions, Handshake, LogName, SocketOptions, Url, WebSocketConstructor } from "./connect.ts"
import * as Check from "./InvalidArgument.ts"
import { called, toPromise } from "./run.ts"

const levels: Readonly<Record<LogName, LogLevel.LogLevel>> = {
  none: LogLevel.None,
  error: LogLevel.Error,
  warning: LogLevel.Warning,
  info: LogLevel.Info,
  debug: LogLevel.Debug
}

/** Logs from this level on: an app outside Effect has a log of its own. */
export const withLog = (name: LogName = "none") => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Logger.withMinimumLogLevel(effect, levels[name])

// ---------------------------------------------------------------------------------------------------------------------
// Checks

const reconnect = {
  enabled: Check.aBoolean,
  maxRetries: Check.elsewhere,
  initialDelay: Check.elsewhere,
  maxDelay: Check.elsewhere,
  backoffMultiplier: Check.elsewhere,
  jitterFactor: Check.elsewhere,
  stableAfter: Check.elsewhere,
  provenBy: Check.oneOf(["pong", "message", "open"])
} satisfies Record<keyof ReconnectPolicy.Options, Check.Check>

const policy: Check.Check = (value, name, subject) => {
  if (value !== false) Check.optionsOf(reconnect)(value, name, subject)
}

/** The checks of the options that every connection has. */
export const socketChecks = {
  protocols: Check.texts,
  headers: Check.headers,
  reconnect: policy,
  openTimeout: Check.elsewhere,
  messageTimeout: Check.elsewhere,
  pingInterval: Check.elsewhere,
  pongTimeout: Check.elsewhere,
  closeTimeout: Check.elsewhere,
  inbox: Check.optionsOf({ capacity: Check.elsewhere, maxBytes: Check.elsewhere, overflow: Check.elsewhere }),
  maxMessageBytes: Check.elsewhere,
  classify: Check.aFunction
} satisfies Record<keyof SocketOptions, Check.Check>

/** The checks of the options of a handle. */
export const handleChecks = {
  signal: Check.aSignal,
  WebSocket: Check.aConstructor,
  log: Check.oneOf(Object.keys(levels))
}

export const connectChecks = {
  name: Check.aText,
  ...socketChecks,
  onOpen: Check.aFunction,
  ...handleChecks
} satisfies Record<keyof ConnectOptions, Check.Check>

const anUrl = `a text such as "wss://example.com/feed", a list of them, or a function that gives one`

const isUrl = (value: unknown): value is string | URL => Check.isText(value) || value instanceof URL

/** Throws if this is no URL, list of URLs or function. Whether a text can be dialled shows at the dial. */
export const checkUrl = (url: unknown): void => {
  const isAllowed = isUrl(url) || Predicate.isFunction(url) || (Array.isArray(url) && url.length > 0 && url.every(isUrl))
  if (!isAllowed) throw Check.wrong("url", "The URL of connect", anUrl, url)
}

// ---------------------------------------------------------------------------------------------------------------------
// Conversions

// A function runs anew before every dial.
const given = <A>(value: A | (() => A | PromiseLike<A>) | undefined, name: string, check: Check.Check) => {
  if (!Predicate.isFunction(value)) return value
  return Effect.tap(called(() => value()), (result) =>
    called(() => {
      check(result, name, `What the function of the option ${name} gives`)
    }))
}

const urlOf = (url: Url): Connection.Options["url"] => {
  if (typeof url === "function") {
    return (last: Option.Option<AttemptError>) =>
      Effect.flatMap(called(() => url(Option.getOrUndefined(last))), (text) =>
        isUrl(text)
          ? Effect.succeed(String(text))
          : Effect.fail(Check.wrong("url", "What the function of the URL gives", `a text such as "wss://example.com/feed"`, text)))
  }
  if (typeof url === "string" || url instanceof URL) return String(url)
  const [first, ...rest] = url
  return [String(first), ...rest.map(String)]
}

const onOpenOf = (onOpen: (handshake: Handshake) => unknown) => ({ headers, protocol, receive, send }: Connection.Handshake) =>
  Effect.asVoid(called((signal) =>
    onOpen({
      protocol,
      headers,
      signal,
      send: (message) => toPromise(send(message), signal),
      receive: () => toPromise(receive, signal)
    })
  ))

/** The options that every connection has, for `Connection`. */
export const socketOptions = ({ headers, protocols, reconnect, ...rest }: SocketOptions): Omit<Connection.Options, "url" | "onOpen"> => ({
  ...rest,
  reconnect: reconnect === false ? { enabled: false } : reconnect,
  headers: given(headers, "headers", Check.headers),
  protocols: given(protocols, "protocols", Check.texts)
})

export const connectionOptions = (
  url: Url,
  { WebSocket: _constructor, log: _log, name, onOpen, signal: _signal, ...rest }: ConnectOptions
): Connection.Options => ({
  ...socketOptions(rest),
  name,
  url: urlOf(url),
  onOpen: onOpen === undefined ? undefined : onOpenOf(onOpen)
})

/** The transport of this constructor, which is like the WebSocket of browsers, or that of the platform. */
export const transportOf = (constructor: WebSocketConstructor | undefined, platform: Layer.Layer<Transport>): Layer.Layer<Transport> =>
  constructor === undefined ? platform : Layer.succeed(Transport, {
    capabilities: { ping: false, pause: false, terminate: false, handshake: false, headers: false },
    dial: dialWith((url, protocols) => new constructor(url, protocols))
  })

