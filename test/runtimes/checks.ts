// Checks one transport on the runtime that runs this file: `checks.ts node|global ROUNDS URLS`. Prints a line for each
// check, then "end". It does not exit by itself: a handle that stayed would keep the process alive, and its parent looks for that.
import * as PlatformSocket from "@effect/platform/Socket"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import assert from "node:assert"
import { createPrivateKey } from "node:crypto"
import * as Connection from "../../src/Connection.ts"
import * as NodeTransport from "../../src/NodeTransport.ts"
import * as Transport from "../../src/Transport.ts"
import * as authority from "../utils/privateAuthority.ts"

// The bytes that a socket has moved.
const progressOf = ({ progress }: Transport.Socket): Transport.Progress => {
  if (progress === undefined) throw new Error("the transport does not count bytes")
  return progress()
}

const [, , transport = "node", rounds = "1", url = "", secure = "", untrusted = "", wary = "", unix = "", proxy = "", socks = "", refusing = ""] =
  process.argv

const layer = transport === "node"
  ? NodeTransport.layer
  : Transport.layerWebSocketConstructor.pipe(Layer.provide(PlatformSocket.layerWebSocketConstructorGlobal))

const connect = (path: string, options: Partial<Connection.Options> = {}) =>
  Connection.make({ url: `${url}${path}`, pingInterval: "100 millis", reconnect: { maxRetries: 0 }, ...options })

const first = (connection: Connection.Connection, count = 1) =>
  Effect.map(Stream.runCollect(Stream.take(connection.messages, count)), (messages) => [...messages])

const failure = (connection: Connection.Connection) =>
  Effect.map(
    Effect.flip(Stream.runDrain(connection.messages)),
    (error) => error._tag === "RetriesExhausted" ? error.last : error
  )

const dialAt = (url: string, options: Partial<Transport.DialRequest> = {}) =>
  Effect.flatMap(Transport.Transport, ({ dial }) =>
    dial({
      url: Redacted.make(url),
      protocols: [],
      headers: {},
      maxMessageBytes: 16 * 1024 * 1024,
      closeTimeout: Duration.seconds(5),
      ...options
    }))

const dial = (path: string, options: Partial<Transport.DialRequest> = {}) => dialAt(`${url}${path}`, options)

const dialWith = (options: NodeTransport.Options, at: string, request: Partial<Transport.DialRequest> = {}) =>
  Effect.provide(dialAt(at, request), NodeTransport.layerWith(options))

const receives = (socket: Transport.Socket, expected: string) =>
  Effect.map(Effect.flip(socket.receive((batch) => Effect.fail(batch[0]))), (message) => {
    assert.strictEqual(message, expected)
  })

const ask = (path: string) => Effect.scoped(Effect.map(Effect.flatMap(connect(path), first), ([text]) => Number(text)))

// Asks again until the answer is as expected. The check's own deadline bounds it.
const until = (path: string, expected: (answer: number) => boolean) =>
  Effect.repeat(ask(path), { until: expected })

interface Check {
  readonly name: string
  /** Whether it applies to a transport with these capabilities. Default: always. */
  readonly where?: (capabilities: Transport.Capabilities) => boolean
  readonly run: Effect.Effect<unknown, unknown, Transport.Transport | Scope.Scope>
}

const has = (capability: keyof Transport.Capabilities) => (capabilities: Transport.Capabilities) => capabilities[capability]
const lacks = (capability: keyof Transport.Capabilities) => (capabilities: Transport.Capabilities) => !capabilities[capability]

const checks: ReadonlyArray<Check> = [
  {
    name: "delivers text and bytes in order",
    run: Effect.gen(function*() {
      const messages = yield* first(yield* connect("/burst"), 1000)
      for (const [i, message] of messages.entries()) {
        assert.strictEqual(typeof message === "string", i % 2 === 0)
        assert.strictEqual(typeof message === "string" ? message : new TextDecoder().decode(message), String(i))
      }
    })
  },
  {
    name: "sends text, and 1 MiB of bytes whole",
    run: Effect.gen(function*() {
      const connection = yield* connect("/echo")
      const echoes = yield* Effect.fork(first(connection, 2))
      yield* connection.send("text", { deadline: "10 seconds" })
      yield* connection.send(new Uint8Array(1024 * 1024).fill(7), { deadline: "10 seconds" })
      const [text, bytes] = yield* Fiber.join(echoes)
      assert.strictEqual(text, "text")
      assert(typeof bytes === "object" && bytes.length === 1024 * 1024 && bytes.every((byte) => byte === 7))
    })
  },
  {
    name: "tells the status and the Retry-After of a refused upgrade",
    where: has("handshake"),
    run: Effect.gen(function*() {
      const error = yield* Effect.flip(dial("/503"))
      assert(error._tag === "HandshakeRejected")
      assert.strictEqual(error.status, 503)
      assert(error.message.includes("7s") && error.message.includes("busy"), error.message)
    })
  },
  {
    name: "fails typed when an upgrade is refused",
    where: lacks("handshake"),
    run: Effect.map(Effect.flip(dial("/503")), ({ _tag }) => {
      assert.strictEqual(_tag, "DialFailed")
    })
  },
  {
    name: "fails typed when the peer hangs up before it answers",
    run: Effect.map(Effect.flip(dial("/reset")), ({ _tag }) => {
      assert.strictEqual(_tag, "DialFailed")
    })
  },
  {
    name: "fails typed when the socket is cut",
    run: Effect.gen(function*() {
      const error = yield* failure(yield* connect("/cut"))
      assert(error._tag === "ConnectionClosed" && error.code === 1006, error.message)
    })
  },
  {
    name: "tells the code and reason of the peer's close",
    run: Effect.gen(function*() {
      const error = yield* failure(yield* connect("/bye"))
      assert(error._tag === "ConnectionClosed")
      assert.strictEqual(error.code, 4001)
      assert.strictEqual(error.reason, "bye")
    })
  },
  {
    name: "ends with the peer's close frame, though its TCP connection stays open",
    where: has("terminate"),
    run: Effect.gen(function*() {
      const socket = yield* dial("/half")
      const error = yield* Effect.flip(socket.receive(() => undefined))
      assert(error._tag === "ConnectionClosed")
      assert.strictEqual(error.code, 1013)
      assert.strictEqual(error.reason, "try again")
    })
  },
  {
    name: "delivers over TLS",
    run: Effect.gen(function*() {
      assert.deepStrictEqual(yield* first(yield* connect("/hello", { url: `${secure}/hello` })), ["hello"])
    })
  },
  {
    name: "refuses a certificate that nobody vouches for",
    run: Effect.map(Effect.flip(dialAt(`${untrusted}/hello`)), ({ _tag }) => {
      assert.strictEqual(_tag, "DialFailed")
    })
  },
  {
    name: "closes with code 1000",
    run: Effect.gen(function*() {
      const connection = yield* connect("/noted")
      yield* first(connection)
      yield* connection.disconnect
      yield* until("/code", (code) => code === 1000)
    })
  },
  {
    name: "terminates without a close frame",
    where: has("terminate"),
    run: Effect.gen(function*() {
      const socket = yield* dial("/noted")
      yield* socket.terminate
      const error = yield* Effect.flip(socket.receive(() => undefined))
      assert.strictEqual(error._tag, "ConnectionClosed")
      yield* until("/code", (code) => code === 1006)
    })
  },
  ...["/big", "/parts"].map((path): Check => ({
    name: `refuses a message that is too large${path === "/parts" ? " and comes in fragments" : ""}`,
    run: Effect.gen(function*() {
      const error = yield* failure(yield* connect(path, { maxMessageBytes: 1000 }))
      assert.strictEqual(error._tag, "MessageTooLarge")
    })
  })),
  {
    name: "finds out a silent peer by its missing pong",
    where: has("ping"),
    run: Effect.gen(function*() {
      const error = yield* failure(yield* connect("/silent", { pongTimeout: "200 millis" }))
      assert.strictEqual(error._tag, "ConnectionTimeout", error.message)
    })
  },
  {
    name: "finds out a silent peer by its missing messages",
    run: Effect.gen(function*() {
      const error = yield* failure(yield* connect("/silent", { messageTimeout: "300 millis" }))
      assert.strictEqual(error._tag, "ConnectionTimeout", error.message)
    })
  },
  {
    name: "pings, and receives the pongs",
    where: has("ping"),
    run: Effect.gen(function*() {
      const socket = yield* dial("/pinged")
      yield* Effect.repeatN(socket.ping, 2)
      const got = yield* Deferred.make<Transport.Message>()
      yield* Effect.fork(socket.receive(([message]) => Effect.asVoid(Deferred.succeed(got, message))))
      assert.strictEqual(yield* Deferred.await(got), "3 pings")
    })
  },
  {
    name: "answers the peer's pings",
    run: Effect.gen(function*() {
      assert.deepStrictEqual(yield* first(yield* connect("/pings")), ["are you there"])
    })
  },
  {
    name: "sends headers, and shows those of the answer",
    where: has("headers"),
    run: Effect.gen(function*() {
      const socket = yield* dial("/hello", { headers: { "x-key": Redacted.make("value") } })
      assert.strictEqual(socket.headers?.["x-answer"], "value")
    })
  },
  {
    name: "refuses headers",
    where: lacks("headers"),
    run: Effect.gen(function*() {
      const error = yield* Effect.flip(dial("/hello", { headers: { "x-key": Redacted.make("value") } }))
      assert(error._tag === "DialFailed" && error.code === "UNSUPPORTED_HEADERS")
    })
  },
  {
    name: "shows the subprotocol",
    run: Effect.map(dial("/hello", { protocols: ["one", "two"] }), ({ protocol }) => {
      assert.strictEqual(protocol, "two")
    })
  },
  {
    name: "counts the bytes that move",
    run: Effect.gen(function*() {
      const socket = yield* dial("/burst")
      const done = yield* Deferred.make<void>()
      let count = 0
      yield* Effect.fork(socket.receive((batch) =>
        (count += batch.length) === 1000 ? Effect.asVoid(Deferred.succeed(done, undefined)) : undefined
      ))
      yield* Deferred.await(done)
      assert(progressOf(socket).received > 1000, `${progressOf(socket).received}`)
    })
  },
  {
    name: "slows a peer down whose messages nobody takes, and loses none",
    where: has("pause"),
    run: Effect.gen(function*() {
      const socket = yield* dial("/flood")
      const release = yield* Deferred.make<void>()
      const all = yield* Deferred.make<void>()
      const seen: Array<number | undefined> = []
      yield* Effect.fork(socket.receive((batch) => {
        for (const message of batch) seen.push(typeof message === "string" ? undefined : message[0])
        return seen.length === 64 ? Effect.asVoid(Deferred.succeed(all, undefined)) : Deferred.await(release)
      }))
      // The peer's system has taken what it can, and 50 answers of the peer later it still waits with the rest.
      const unsent = yield* Effect.replicateEffect(ask("/unsent"), 50)
      assert((unsent.at(-1) ?? 0) > 16 * 1024 * 1024, `${unsent.at(-1)} bytes wait`)
      yield* Deferred.succeed(release, undefined)
      yield* Deferred.await(all)
      assert.deepStrictEqual(seen, Array.from({ length: 64 }, (_, i) => i))
    })
  },
  {
    name: "layerWith: trusts a private authority, and shows a client's certificate",
    where: has("handshake"),
    run: Effect.gen(function*() {
      const { cert, key } = authority.client
      const passphrase = "correct horse"
      const encrypted = createPrivateKey(key).export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase }).toString()
      const ca = authority.authority
      for (const client of [{ cert, key: Redacted.make(key) }, { cert, key: Redacted.make(encrypted), passphrase: Redacted.make(passphrase) }]) {
        yield* receives(yield* dialWith({ ca, ...client, servername: "peer.test" }, `${wary}/hello`), "hello")
      }
      assert.strictEqual((yield* Effect.flip(dialWith({ ca }, `${wary}/hello`)))._tag, "DialFailed")
      assert.strictEqual((yield* Effect.flip(dialWith({}, `${wary}/hello`)))._tag, "DialFailed")
    })
  },
  {
    name: "layerWith: dials through proxies, over HTTP and SOCKS",
    where: has("handshake"),
    run: Effect.gen(function*() {
      for (const each of [proxy, socks]) {
        yield* receives(yield* dialWith({ proxy: each }, `${url.replace("127.0.0.1", "peer.test")}/hello`), "hello")
        yield* receives(yield* dialWith({ proxy: each }, `${secure}/hello`), "hello")
      }
      const refused = yield* Effect.flip(dialWith({ proxy: refusing }, `${url}/hello`))
      assert(refused._tag === "DialFailed" && refused.code === "ERR_PROXY_REFUSED", refused._tag)
      const wrong = yield* Effect.flip(dialWith({ proxy: socks.replace("word", "other") }, `${url}/hello`))
      assert(wrong._tag === "DialFailed" && wrong.code === "ERR_PROXY_AUTHENTICATION", wrong._tag)
    })
  },
  {
    name: "layerWith: dials a Unix socket",
    where: has("handshake"),
    run: Effect.flatMap(dialWith({}, `${unix}/hello`), (socket) => receives(socket, "hello"))
  },
  {
    name: "layerWith: inflates messages, and not beyond the limit",
    where: has("handshake"),
    run: Effect.gen(function*() {
      yield* receives(yield* dialWith({ perMessageDeflate: true }, `${url}/big`), "x".repeat(5000))
      const socket = yield* dialWith({ perMessageDeflate: true }, `${url}/bomb`, { maxMessageBytes: 1024 * 1024 })
      assert.strictEqual((yield* Effect.flip(socket.receive(() => undefined)))._tag, "MessageTooLarge")
    })
  },
  {
    name: "reconnects after the server has restarted",
    run: Effect.gen(function*() {
      const connection = yield* connect("/restart", {
        reconnect: { initialDelay: "50 millis", maxDelay: "200 millis", maxRetries: 50 }
      })
      yield* connection.events.pipe(
        Stream.filter((event) => event._tag === "Opened"),
        Stream.take(2),
        Stream.runDrain
      )
    })
  }
]

const outside: Array<unknown> = []
for (const event of ["uncaughtException", "unhandledRejection"]) {
  process.on(event, (error) => {
    outside.push(error)
  })
}

const print = (line: string) => Effect.sync(() => process.stdout.write(`${line}\n`))

const one = ({ name, run }: Check) =>
  Effect.gen(function*() {
    const exit = yield* Effect.exit(Effect.timeout(Effect.scoped(run), "20 seconds"))
    yield* print(Exit.isSuccess(exit) ? `ok ${name}` : `not ok ${name}: ${exit.cause.toString().replaceAll("\n", " ").slice(0, 300)}`)
  })

await Effect.gen(function*() {
  const { capabilities } = yield* Transport.Transport
  const able = Object.entries(capabilities).flatMap(([name, has]) => has ? [name] : [])
  yield* print(`capabilities ${able.join(", ") || "none"}`)
  for (let round = 0; round < Number(rounds); round++) {
    yield* Effect.forEach(checks.filter(({ where }) => where?.(capabilities) ?? true), one)
  }
  yield* print(outside.length === 0 ? "ok nothing is thrown outside" : `not ok nothing is thrown outside: ${String(outside[0])}`)
  yield* print("end")
}).pipe(Effect.provide(layer), Effect.provide(Logger.remove(Logger.defaultLogger)), Effect.runPromise)
