import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import * as fc from "fast-check"
import { createServer } from "node:http"
import { createHash } from "node:crypto"
import type { Duplex } from "node:stream"
import { inspect } from "node:util"
import type { SessionEvent } from "holdfast"
import { Connection, ConnectionError, DialGate, Session, Transport } from "holdfast"
import * as NodeTransport from "holdfast/NodeTransport"
import { forever, idle, scripted } from "./connection/scripted.ts"
import { TestTransport } from "holdfast/testing"

// ---------------------------------------------------------------------------------------------------------------------
// The dresses of a secret

const bytes = (text: string) => [...Buffer.from(text)].map((byte) => byte.toString(16).padStart(2, "0"))
const entities: Readonly<Partial<Record<string, string>>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;", "'": "&#39;" }
const html = (text: string) => text.replace(/[&<>"']/g, (character) => entities[character] ?? character)
const json = (text: string) => JSON.stringify(text).slice(1, -1)
const units = (text: string) => text.replace(/[^A-Za-z0-9]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

const dresses: Readonly<Record<string, (text: string) => string>> = {
  raw: (text) => text,
  "percent-encoded": encodeURIComponent,
  "percent-encoded in lower case": (text) => encodeURIComponent(text).replace(/%../g, (escape) => escape.toLowerCase()),
  "percent-encoded, every byte": (text) => `%${bytes(text).join("%")}`,
  "percent-encoded twice": (text) => encodeURIComponent(encodeURIComponent(text)),
  "as a form": (text) => new URLSearchParams({ "": text }).toString().slice(1),
  "HTML-escaped": html,
  "HTML-escaped by numbers": (text) => Array.from(text, (character) => `&#${character.codePointAt(0) ?? 0};`).join(""),
  "HTML-escaped by hexadecimal numbers": (text) => Array.from(text, (character) => `&#x${(character.codePointAt(0) ?? 0).toString(16)};`).join(""),
  "JSON-escaped": json,
  "JSON-escaped, slashes too": (text) => json(text).replaceAll("/", "\\/"),
  "JSON-escaped by numbers": units,
  "JSON-escaped in HTML": (text) => html(json(text)),
  base64: (text) => Buffer.from(text).toString("base64"),
  "base64 of more": (text) => Buffer.from(`u:${text}!`).toString("base64"),
  "base64 of still more": (text) => Buffer.from(`me:${text}?`).toString("base64"),
  base64url: (text) => Buffer.from(text).toString("base64url"),
  "in capitals": (text) => text.toUpperCase()
}

const dressNames = Object.keys(dresses)
const dressed = (name: string, text: string) => dresses[name]?.(text) ?? text

// ---------------------------------------------------------------------------------------------------------------------
// The positions of a secret

interface Positioned {
  readonly options: Pick<Connection.Options, "headers" | "protocols"> & { readonly url: string }
  readonly secret: string
}

const positions: Readonly<Record<string, (secret: string) => Positioned>> = {
  query: (secret) => ({ options: { url: `ws://peer.test/feed?v=1&token=${encodeURIComponent(secret)}&x=2` }, secret }),
  "the query of a form": (secret) => ({ options: { url: `ws://peer.test/?${new URLSearchParams({ token: secret }).toString()}` }, secret }),
  path: (secret) => ({ options: { url: `ws://peer.test/ws/${encodeURIComponent(secret)}/depth` }, secret }),
  user: (secret) => ({ options: { url: `ws://${encodeURIComponent(secret)}@peer.test` }, secret }),
  password: (secret) => ({ options: { url: `ws://me:${encodeURIComponent(secret)}@peer.test/feed` }, secret }),
  header: (secret) => ({ options: { url: "ws://peer.test", headers: { "x-api-key": Redacted.make(secret) } }, secret }),
  "bearer token": (secret) => ({ options: { url: "ws://peer.test", headers: { authorization: `Bearer ${secret}` } }, secret }),
  subprotocol: (secret) => {
    const token = secret.replace(/[^A-Za-z0-9]/g, "")
    return { options: { url: "ws://peer.test", protocols: ["v1", token] }, secret: token }
  }
}

// Begins so that no text of ours contains it by chance.
const secrets = fc.array(
  fc.constantFrom(..."a b c X Y Z 0 1 8 9".split(" "), "&", "<", ">", "\"", "'", "/", "+", "=", "%", "\\", "é", "€", "😀", "?", "#", ".", "-", "_", "~", ":", "@", " "),
  { minLength: 8, maxLength: 60 }
).map((characters) => `Zq7xK${characters.join("")}w9`)

// ---------------------------------------------------------------------------------------------------------------------
// All that a connection shows when its peer, or a function of its options, quotes a text

type Output = "body" | "close" | "dial" | "url" | "onOpen" | "classify" | "subprotocol" | "closing" | "send" | "reconnect"
const outputs: ReadonlyArray<Output> = ["body", "close", "dial", "url", "onOpen", "classify", "subprotocol", "closing", "send", "reconnect"]

const closedBy = (reason: string) => new ConnectionError.ConnectionClosed({ code: 1008, reason, openFor: Duration.zero })

const transportOf = (output: Output, text: string): Transport.Transport => ({
  capabilities: { ping: true, pause: true, terminate: true, handshake: true, headers: true },
  dial: (): Effect.Effect<Transport.Socket, Transport.DialError, Scope.Scope> => {
    if (output === "body") return new ConnectionError.HandshakeRejected({ status: 400, retryAfter: Option.none(), body: text })
    if (output === "dial" || output === "url") return new ConnectionError.DialFailed({ code: "E", reason: output === "url" ? "" : text })
    const socket: Transport.Socket = {
      ...idle,
      protocol: output === "subprotocol" ? text : "",
      send: () => new ConnectionError.SendFailed({ reason: text }),
      receive: () => output === "send" || output === "reconnect" ? Effect.never : closedBy(output === "close" ? text : "")
    }
    return output === "closing"
      ? Effect.acquireRelease(Effect.succeed(socket), () => Effect.die(new Error(text)))
      : Effect.succeed(socket)
  }
})

const shownBy = (error: unknown) => [String(error), JSON.stringify(error, (_, value: unknown) => typeof value === "bigint" ? String(value) : value), inspect(error, { depth: 8 })]

const shown = (output: Output, text: string, { url, ...options }: Positioned["options"]) =>
  Effect.gen(function*() {
    const out: Array<string> = []
    const logger = Logger.make(({ annotations, cause, message }) => {
      out.push(...shownBy(message), ...shownBy([...annotations]), Cause.pretty(cause, { renderErrorCause: true }), ...shownBy(cause))
    })
    const spans: Array<Tracer.Span> = []
    const native = yield* Effect.tracer
    const tracer = Tracer.make({
      ...native,
      span: (...args) => {
        const span = native.span(...args)
        spans.push(span)
        return span
      }
    })
    let dials = 0
    const program = Effect.gen(function*() {
      const scope = yield* Scope.make()
      const connection = yield* Connection.make({
        ...options,
        url: output === "url"
          ? Effect.suspend(() => dials++ === 0 ? Effect.succeed(url) : Effect.fail<unknown>(new Error(text, { cause: { detail: text } })))
          : url,
        reconnect: output === "url" ? { initialDelay: 0, maxRetries: 1 } : { enabled: false },
        ...(output === "onOpen" ? { onOpen: () => Effect.fail<unknown>(new Error(text)) } : {}),
        ...(output === "classify"
          ? {
            classify: () => {
              throw new Error(text)
            }
          }
          : {})
      }).pipe(Scope.extend(scope))
      if (output === "send") {
        yield* connection.awaitOpen
        out.push(...shownBy(yield* Effect.exit(connection.send("x"))))
      }
      if (output === "reconnect") {
        yield* connection.awaitOpen
        yield* connection.reconnect(text)
      }
      const isEndless = output === "send" || output === "reconnect"
      if (!isEndless) {
        const exit = yield* Effect.exit(Stream.runDrain(connection.messages))
        if (Exit.isFailure(exit)) out.push(Cause.pretty(exit.cause, { renderErrorCause: true }), ...shownBy(exit.cause), ...shownBy(Cause.squash(exit.cause)))
        out.push(...shownBy(yield* Effect.exit(connection.awaitOpen)))
      }
      out.push(...shownBy(yield* connection.state))
      const events = connection.events
      yield* Scope.close(scope, Exit.void)
      for (const event of yield* Stream.runCollect(events)) {
        out.push(...shownBy(event))
        if ("cause" in event && event.cause instanceof Error) out.push(event.cause.message)
        if ("error" in event) out.push(event.error.message)
      }
    }).pipe(
      Effect.provideService(Transport.Transport, transportOf(output, text)),
      Effect.withTracer(tracer),
      Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
      Logger.withMinimumLogLevel(LogLevel.All)
    )
    yield* program
    for (const span of spans) out.push(span.name, ...shownBy([...span.attributes]), ...shownBy(span.status))
    for (const { metricKey } of yield* Metric.snapshot) out.push(JSON.stringify(metricKey))
    return out.join("\n")
  })

// The lines that contain a text.
const linesWith = (out: string, text: string) => out.split("\n").filter((line) => line.toLowerCase().includes(text.toLowerCase())).slice(0, 3)

const assertHidden = (out: string, secret: string, what: string) => {
  for (const dress of dressNames) {
    // The base64 of more has characters at its ends that tell nothing of the secret.
    const hidden = dress.startsWith("base64 of") ? dressed(dress, secret).slice(4, -4) : dressed(dress, secret)
    assert.deepStrictEqual(linesWith(out, hidden), [], `${what}: shows ${hidden}, ${dress}`)
  }
}

describe("secrets", () => {
  it("are in no output, whatever their position and their dress", () =>
    fc.assert(
      fc.asyncProperty(
        secrets,
        fc.constantFrom(...Object.keys(positions)),
        fc.constantFrom(...dressNames),
        fc.constantFrom(...outputs),
        fc.constantFrom(["", ""], ["invalid token ", ""], ["no \"", "\" here. Try again."], ["/ws/", "?x=1"], ["Bearer ", ", or not"], ["{\"token\":\"", "\"}"]),
        async (given, position, dress, output, [before = "", after = ""]) => {
          const { options, secret } = positions[position]?.(given) ?? assert.fail(position)
          const text = `${before}${dressed(dress, secret)}${after}`
          assertHidden(await Effect.runPromise(shown(output, text, options)), secret, `${position}, ${dress}, ${output}`)
        }
      ),
      { numRuns: 400 }
    ), 120_000)

  it("leave no beginning behind when a text is cut", () =>
    fc.assert(
      fc.asyncProperty(
        secrets,
        fc.constantFrom("query", "path", "password", "header", "bearer token"),
        fc.constantFrom(...dressNames.filter((name) => !name.startsWith("base64 of"))),
        fc.double({ min: 0.6, max: 0.99, noNaN: true }),
        fc.constantFrom("", "…", "...", "\""),
        async (given, position, dress, part, end) => {
          const { options, secret } = positions[position]?.(given) ?? assert.fail(position)
          const whole = dressed(dress, secret)
          const out = await Effect.runPromise(shown("close", `invalid ${whole.slice(0, Math.floor(whole.length * part))}${end}`, options))
          const beginning = whole.slice(0, Math.ceil(whole.length * 0.4))
          assert.deepStrictEqual(linesWith(out, beginning), [], `${position}, ${dress}`)
        }
      ),
      { numRuns: 200 }
    ))

  it.effect("are removed from the excerpts, refusals and defects of a session", () =>
    Effect.gen(function*() {
      const out: Array<string> = []
      const logger = Logger.make(({ cause, message }) => {
        out.push(...shownBy(message), Cause.pretty(cause))
      })
      yield* Effect.gen(function*() {
        const session = yield* Session.make<string>({
          connection: { url: "ws://peer.test/ws/LISTENKEY?token=TOKEN%20123", messageTimeout: Duration.infinity },
          protocol: {
            subscribe: (topics, id) => JSON.stringify([topics, id]),
            unsubscribe: (topics, id) => JSON.stringify([topics, id]),
            pace: { limit: 5, window: "1 second" },
            maxBatch: 1,
            cadence: () => "exempt",
            parse: (message) => {
              const text = String(message)
              if (text === "throw") throw new Error("cannot read TOKEN+123")
              return text === "refuse"
                ? { _tag: "Refused", id: 1, reason: "no topic for TOKEN%20123." }
                : { _tag: "Invalid", reason: "not of LISTENKEY", excerpt: text }
            }
          }
        })
        const threw = (event: SessionEvent.SessionEvent) => event._tag === "Invalid" && event.reason.includes("threw")
        const reading = yield* Effect.fork(Stream.runCollect(Stream.takeUntil(session.events, threw)))
        yield* Effect.yieldNow()
        const refused = yield* Effect.flip(session.subscribe("a"))
        out.push(...shownBy(refused))
        yield* Effect.forkScoped(Stream.runDrain(session.stream("b")))
        const events = yield* Fiber.join(reading)
        for (const event of events) out.push(...shownBy(event))
      }).pipe(
        Effect.scoped,
        Effect.provide(TestTransport.layer([
          TestTransport.open(TestTransport.expect(() => true), TestTransport.send("echo TOKEN&#32;123", "refuse"), TestTransport.expect(() => true), TestTransport.send("throw"))
        ])),
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      const text = out.join("\n")
      for (const secret of ["LISTENKEY", "TOKEN 123", "TOKEN+123", "TOKEN%20123", "TOKEN&#32;123"]) assert.notInclude(text, secret)
      assert.include(text, "no topic for …")
      assert.include(text, "echo …")
      assert.include(text, "cannot read …")
    }))

  it.live("are distinguished from what may be shown", () =>
    Effect.gen(function*() {
      const text = (yield* shown("close", "the stream of peer.test speaks json on websocket v1, not HUNTER", {
        url: "wss://peer.test/v1/stream?format=json&key=HUNTER",
        headers: { authorization: "Bearer websocket" }
      }))
      assert.deepStrictEqual(linesWith(text, `"the stream of peer.test speaks json on websocket v1, not …"`).slice(0, 1), linesWith(text, "Lost the connection").slice(0, 1))
      for (const name of ["graphql-transport-ws", "v12.stomp", "mqtt", "ocpp1.6", "v4.channel.k8s.io"]) {
        assert.include(yield* shown("subprotocol", name, { url: "wss://peer.test", protocols: [name] }), `"protocol":"${name}"`)
      }
    }))
})

// ---------------------------------------------------------------------------------------------------------------------
// Real sockets

const rawServer = (answer: (socket: Duplex, key: string, path: string) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<ReturnType<typeof createServer>>((resume) => {
        const server = createServer()
        server.on("upgrade", ({ headers, url }, socket) => {
          socket.on("error", () => undefined)
          answer(socket, headers["sec-websocket-key"] ?? "", url ?? "")
        })
        server.listen(0, "127.0.0.1", () => {
          resume(Effect.succeed(server))
        })
      }),
      (server) => Effect.sync(() => server.close())
    ),
    (server) => {
      const address = server.address()
      assert(address !== null && typeof address === "object")
      return `ws://127.0.0.1:${address.port}`
    }
  )

const failureOf = (url: string) =>
  Effect.gen(function*() {
    const connection = yield* Connection.make({ url, reconnect: { enabled: false } })
    return yield* Effect.flip(Stream.runDrain(connection.messages))
  }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer))

describe("secrets on real sockets", () => {
  it.scopedLive("are removed before a body is cut, and when they come in two packets", () =>
    Effect.gen(function*() {
      const url = yield* rawServer((socket, _, path) => {
        const body = `${"x ".repeat(252)}${path}${"y".repeat(5_000)}`
        const half = body.indexOf("TOKENSEC")
        socket.write(`HTTP/1.1 400 Bad Request\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, half + 4)}`, () => {
          setImmediate(() => socket.end(body.slice(half + 4)))
        })
      })
      const error = yield* failureOf(`${url}/?t=TOKENSECRET`)
      assert(error._tag === "HandshakeRejected")
      assert.isAtMost(error.body.length, 512)
      assert.include(error.body, "x …y")
      assert.notInclude(error.body, "TOKE")
    }))

  it.scopedLive("are removed from the reason of a close frame", () =>
    Effect.gen(function*() {
      const url = yield* rawServer((socket, key, path) => {
        const reason = Buffer.from(`no ${path}`)
        const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")
        socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
        socket.end(Buffer.concat([Buffer.from([0x88, reason.length + 2, 1008 >> 8, 1008 & 255]), reason]))
      })
      const error = yield* failureOf(`${url}/ws/LISTENKEY?t=TOKENSECRET`)
      assert(error._tag === "ConnectionClosed")
      assert.deepStrictEqual([error.code, error.reason], [1008, "no …"])
    }))
})

// ---------------------------------------------------------------------------------------------------------------------
// Sentences

describe("sentences", () => {
  it.effect("of a URL that cannot be dialled name its scheme or port, and nothing else", () =>
    Effect.gen(function*() {
      for (
        const [url, reason] of [
          ["http://host/SECRET", "its scheme is http; use ws, or wss for TLS"],
          ["HTTPS://host/SECRET", "its scheme is https; use ws, or wss for TLS"],
          ["user:SECRET@host", "it has no scheme; use ws, or wss for TLS"],
          ["localhost:8080/SECRET", "it has no scheme; use ws, or wss for TLS"],
          ["ws://host:65536/SECRET", "its port is 65536; use one from 1 to 65535"],
          ["wss://[::1]:0/SECRET", "its port is 0; use one from 1 to 65535"],
          ["ws://user:99999/@host/SECRET", "it is not a URL"],
          ["ws://host:SECRET/", "it is not a URL"],
          ["ws://host/#SECRET", "it has a fragment"]
        ] as const
      ) {
        const error = yield* failureOf(url)
        assert.strictEqual(error.message, `The URL cannot be dialled: ${reason}. It must be like wss://example.com/path.`)
      }
    }))

  it("have one full stop", () => {
    const messages = [
      new ConnectionError.HandshakeRejected({ status: 400, retryAfter: Option.none(), body: "Refused on purpose." }).message,
      new ConnectionError.ConnectionClosed({ code: 1008, reason: "Bye.", openFor: Duration.zero }).message,
      new ConnectionError.DialFailed({ code: "E", reason: "It broke!" }).message,
      new ConnectionError.ReconnectRequested({ reason: "Now." }).message
    ]
    assert.deepStrictEqual(messages, [
      `The server refused the upgrade with status 400: "Refused on purpose".`,
      `The connection closed with code 1008: "Bye", after 0ms.`,
      "The dial failed with E: It broke.",
      `A reconnect was requested: "Now".`
    ])
  })

  it.effect("tell why something is no message", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* connection.awaitOpen
      // As a program without types would.
      type Send = (...args: ReadonlyArray<unknown>) => Effect.Effect<void, ConnectionError.SendError>
      const isSend = (value: unknown): value is Send => typeof value === "function"
      const send: unknown = connection.send
      assert(isSend(send))
      for (
        const [message, kind] of [
          [1, "a number"],
          [undefined, "undefined"],
          [null, "null"],
          [{ a: 1 }, "an object: encode it first, for example with JSON.stringify"],
          [[1], "an array: encode it first, for example with JSON.stringify"],
          [new Blob([]), "a Blob: read its bytes first"],
          [new ArrayBuffer(1), "an ArrayBuffer: wrap it in a Uint8Array"],
          [new DataView(new ArrayBuffer(1)), "a DataView: make a Uint8Array of its buffer"],
          [Symbol("s"), "a symbol"],
          [() => "x", "a function"]
        ] as const
      ) {
        const error = yield* Effect.flip(send(message))
        assert.strictEqual(error.message, `The message could not be sent: a message is a string or a Uint8Array, but this is ${kind}.`)
      }
      for (const message of ["", "x", new Uint8Array(1), Buffer.from("x")]) yield* connection.send(message)
      for (const deadline of [-1, Number.NaN, "soon", "-1 seconds", [-1, 0]]) {
        assert.include((yield* Effect.flip(send("x", { deadline }))).message, "a deadline is a duration of zero or longer")
      }
    }).pipe(Effect.provide(scripted(forever(TestTransport.open())))))

  it.effect("refuse negative durations in code", () =>
    Effect.gen(function*() {
      for (const key of ["openTimeout", "messageTimeout", "pingInterval", "pongTimeout", "closeTimeout"] as const) {
        for (const value of [-1, Number.NaN, -1n, "-1 seconds", [-1, 0]] as const) {
          const options: Connection.Options = { url: "ws://peer.test", [key]: value }
          const error = yield* Effect.flip(Effect.scoped(Connection.make(options)))
          assert.include(JSON.stringify(error), `"${key}"`)
        }
      }
    }).pipe(Effect.provide(TestTransport.layer([]))))

  it.effect("warn of a policy that can dial without end and without a pause", () =>
    Effect.gen(function*() {
      const warns = (reconnect: Connection.Options["reconnect"]) =>
        Effect.gen(function*() {
          const lines: Array<string> = []
          const logger = Logger.make(({ logLevel, message }) => {
            if (logLevel === LogLevel.Warning) lines.push(String(message))
          })
          yield* Effect.scoped(Connection.make({ url: "ws://peer.test", reconnect })).pipe(
            Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
            Effect.provide(Layer.merge(TestTransport.layer(forever(TestTransport.hang)), Layer.empty))
          )
          return lines.filter((line) => line.includes("ten times a second"))
        })
      for (
        const policy of [
          { initialDelay: 1, maxDelay: 60, maxRetries: "unlimited" },
          { initialDelay: 1, backoffMultiplier: 1, maxRetries: "unlimited" },
          { initialDelay: 1, stableAfter: 0 }
        ] as const
      ) assert.lengthOf(yield* warns(policy), 1, JSON.stringify(policy))
      for (
        const policy of [
          undefined,
          { initialDelay: 1, maxRetries: "unlimited" },
          { initialDelay: 1, maxDelay: 60 },
          { initialDelay: 0, maxRetries: "unlimited", stableAfter: 0 },
          { initialDelay: 1, stableAfter: 0, enabled: false }
        ] as const
      ) assert.lengthOf(yield* warns(policy), 0, JSON.stringify(policy))
    }))

  it.effect("name the dial gate if its classify throws", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const error = yield* Effect.flip(connection.awaitOpen)
      assert.strictEqual(
        error.message,
        "There is no open connection: a defect ended it (the classify of the dial gate threw: a bug). Fix it, then call connect."
      )
    }).pipe(
      Effect.provide(scripted([TestTransport.fail()])),
      Effect.provide(DialGate.layer({
        classify: () => {
          throw new Error("a bug")
        }
      }))
    ))

  it.effect("of settings that are missing say their key once", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Connection.layerConfig({ url: Config.string("FEED_URL") }))))
      assert.deepStrictEqual(error, ConfigError.MissingData(["FEED_URL"], "Expected a value, but it is not set"))
    }).pipe(Effect.provide(TestTransport.layer([])), Effect.withConfigProvider(ConfigProvider.fromMap(new Map()))))
})
