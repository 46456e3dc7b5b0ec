import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { build } from "esbuild"
import { execFile } from "node:child_process"
import { createPrivateKey } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import type { RequestListener } from "node:http"
import { Agent, createServer } from "node:http"
import { createServer as createSecureServer } from "node:https"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { inspect } from "node:util"
import type { WebSocket } from "ws"
import { WebSocketServer } from "ws"
import { Connection, Transport } from "holdfast"
import * as NodeTransport from "holdfast/NodeTransport"
import * as addressOnly from "../runtimes/trusted.ts"
import * as HttpProxy from "../utils/HttpProxy.ts"
import * as authority from "../utils/privateAuthority.ts"
import * as selfSigned from "../utils/selfSigned.ts"
import * as SocksProxy from "../utils/SocksProxy.ts"

// The bytes that a socket has moved.
const progressOf = ({ progress }: Transport.Socket): Transport.Progress => {
  if (progress === undefined) throw new Error("the transport does not count bytes")
  return progress()
}

type UpgradeRequest = Parameters<RequestListener>[0]

const shown = (error: unknown) => String(error)

const request = (url: string): Transport.DialRequest => ({
  url: Redacted.make(url),
  protocols: [],
  headers: {},
  maxMessageBytes: 1_000_000,
  closeTimeout: Duration.millis(200)
})

const dial = (url: string, options: NodeTransport.Options = {}, overrides: Partial<Transport.DialRequest> = {}) =>
  Effect.provide(
    Effect.flatMap(Transport.Transport, (transport) => transport.dial({ ...request(url), ...overrides })),
    NodeTransport.layerWith(options)
  )

const messageOf = <A, R>(effect: Effect.Effect<A, { readonly message: string } | object, R>) =>
  Effect.map(Effect.flip(effect), (error) => "message" in error ? error.message : inspect(error))

const isDialFailed = (code: string) => (error: object) => "_tag" in error && error._tag === "DialFailed" && "code" in error && error.code === code

interface Peer {
  readonly port: number
  readonly requests: ReadonlyArray<UpgradeRequest>
}

interface PeerOptions {
  readonly tls?: {
    readonly key: string
    readonly cert: string
    readonly ca?: string
    readonly requestCert?: boolean
    readonly rejectUnauthorized?: boolean
  }
  /** The file of a Unix socket. */
  readonly file?: string
  /** Where it redirects a request to, with its status. Default: nowhere. */
  readonly redirect?: (request: UpgradeRequest) => readonly [status: number, location: string] | undefined
  readonly deflate?: boolean
  readonly onClient?: (client: WebSocket) => void
}

// A WebSocket server that says hello.
const peer = ({ deflate = false, file, onClient, redirect, tls }: PeerOptions = {}) =>
  Effect.acquireRelease(
    Effect.async<Peer & { readonly stop: () => void }>((resume) => {
      const requests: Array<UpgradeRequest> = []
      const sockets = new Set<net.Socket>()
      const upgrades = new WebSocketServer({ noServer: true, perMessageDeflate: deflate })
      const server = tls === undefined ? createServer() : createSecureServer(tls)
      server.on("connection", (socket: net.Socket) => {
        sockets.add(socket)
        socket.on("error", () => undefined)
      })
      server.on("upgrade", (request, socket, head) => {
        requests.push(request)
        const to = redirect?.(request)
        if (to !== undefined) {
          socket.end(`HTTP/1.1 ${to[0]} Moved\r\nLocation: ${to[1]}\r\nContent-Length: 0\r\n\r\n`)
          return
        }
        upgrades.handleUpgrade(request, socket, head, (client) => {
          client.on("error", () => undefined)
          client.send("hello")
          onClient?.(client)
        })
      })
      const listening = () => {
        const address = server.address()
        resume(Effect.succeed({
          port: typeof address === "object" && address !== null ? address.port : 0,
          requests,
          stop: () => {
            server.close()
            for (const socket of sockets) socket.destroy()
          }
        }))
      }
      if (file === undefined) server.listen(0, "127.0.0.1", listening)
      else server.listen(file, listening)
    }),
    ({ stop }) => Effect.sync(stop)
  )

const first = (socket: Transport.Socket) =>
  Effect.flip(socket.receive((batch) => Effect.fail(String(batch[0]))))

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "holdfast-"))),
  (path) =>
    Effect.sync(() => {
      rmSync(path, { recursive: true })
    })
)

const secure = { tls: authority.server }
const trusting = { ca: authority.authority }

// A port on which nobody listens.
const closedPort = Effect.scoped(Effect.map(peer(), ({ port }) => port))

describe("TLS", () => {
  it.scopedLive("trusts the authorities of ca and of caFile, and no others", () =>
    Effect.gen(function*() {
      const { port } = yield* peer(secure)
      const url = `wss://127.0.0.1:${port}/`
      const file = join(yield* folder, "authority.pem")
      writeFileSync(file, authority.authority)
      for (
        const options of [
          { ca: authority.authority },
          { ca: [selfSigned.cert, Buffer.from(authority.authority)] },
          { caFile: file },
          { ca: selfSigned.cert, caFile: file }
        ]
      ) {
        assert.strictEqual(yield* first(yield* dial(url, options)), "hello")
      }
      for (const options of [{}, { ca: selfSigned.cert }]) {
        assert.include(yield* messageOf(dial(url, options)), "Trust the authority")
      }
    }))

  it.scopedLive("shows the client's certificate, also with an encrypted key", () =>
    Effect.gen(function*() {
      const { port, requests } = yield* peer({
        tls: { ...authority.server, ca: authority.authority, requestCert: true, rejectUnauthorized: true }
      })
      const url = `wss://127.0.0.1:${port}/`
      const { cert, key } = authority.client
      const passphrase = "correct horse"
      const encrypted = createPrivateKey(key).export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase }).toString()
      assert.strictEqual(yield* first(yield* dial(url, { ...trusting, cert, key: Redacted.make(key) })), "hello")
      const secret = { cert, key: Redacted.make(encrypted), passphrase: Redacted.make(passphrase) }
      assert.strictEqual(yield* first(yield* dial(url, { ...trusting, ...secret })), "hello")
      assert.lengthOf(requests, 2)
      assert.strictEqual(
        yield* messageOf(dial(url, trusting)),
        "The dial failed with ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: the server asks for a certificate of the client. Set cert and key with NodeTransport.layerWith."
      )
      assert.lengthOf(requests, 2)

      const wrong = yield* messageOf(dial(url, { ...trusting, ...secret, passphrase: Redacted.make("wrong battery") }))
      assert.include(wrong, "key")
      assert.notInclude(wrong, "battery")
    }))

  it.scopedLive("checks the name that servername gives, and sends it", () =>
    Effect.gen(function*() {
      const { port, requests } = yield* peer(secure)
      const url = `wss://127.0.0.1:${port}/`
      assert.strictEqual(yield* first(yield* dial(url, { ...trusting, servername: "peer.test" })), "hello")
      const socket: unknown = requests[0]?.socket
      assert.strictEqual(Predicate.hasProperty(socket, "servername") ? socket.servername : "", "peer.test")
      const error = yield* Effect.flip(dial(url, { ...trusting, servername: "other.test" }))
      assert.isTrue(isDialFailed("ERR_TLS_CERT_ALTNAME_INVALID")(error))
    }))

  it.scopedLive("warns once when certificates are not verified", () =>
    Effect.gen(function*() {
      const { port } = yield* peer(secure)
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        lines.push(`${logLevel.label} ${String(message)}`)
      })
      yield* Effect.gen(function*() {
        const transport = yield* Transport.Transport
        for (let i = 0; i < 3; i++) yield* transport.dial(request(`wss://127.0.0.1:${port}/`))
      }).pipe(
        Effect.provide(NodeTransport.layerWith({ rejectUnauthorized: false })),
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      assert.lengthOf(lines, 1)
      assert.match(lines[0] ?? "", /^WARN .*rejectUnauthorized/)
    }))
})

describe("options that are not allowed", () => {
  const { cert, key } = authority.client
  for (
    const [name, options, text] of [
      ["a key without a certificate", { key: Redacted.make(key) }, "cert and key"],
      ["a certificate without a key", { cert }, "cert and key"],
      ["a passphrase without a key", { passphrase: Redacted.make("x") }, "no key"],
      ["a key that does not fit", { cert, key: Redacted.make(authority.server.key) }, "fit each other"],
      ["authorities that are no certificates", { ca: "nonsense" }, "PEM"],
      ["a file that does not exist", { caFile: "/nowhere/at/all.pem" }, "ENOENT"],
      ["a proxy of an unknown scheme", { proxy: "ftp://user:hidden@127.0.0.1" }, "its scheme is none of"],
      ["a proxy that is no URL", { proxy: "http://user:hidden@" }, "it is not a URL"],
      ["a proxy with half an escape", { proxy: "http://user:hidden%@127.0.0.1" }, "hexadecimal"],
      ["an agent that is none", { agent: { maxSockets: 1, destroy: () => undefined } }, "agent of node:http"],
      ["an agent and a proxy", { agent: new Agent(), proxy: "http://127.0.0.1" }, "both"],
      ["a fraction of a redirect", { maxRedirects: 0.5 }, "a whole number from 0 to 20"],
      ["too many redirects", { maxRedirects: 21 }, "a whole number from 0 to 20"]
    ] as const
  ) {
    it.scopedLive(name, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(dial("ws://127.0.0.1:1/", options))
        assert.include(shown(error), text)
        assert.notInclude(inspect(error, { depth: 9, showHidden: true }), "hidden")
      }))
  }
})

describe("the local side", () => {
  it.scopedLive("dials from localAddress, with an agent, and in one family", () =>
    Effect.gen(function*() {
      const { port, requests } = yield* peer()
      const url = `ws://127.0.0.1:${port}/`
      yield* dial(url, { localAddress: "127.0.0.2" })
      assert.strictEqual(requests[0]?.socket.remoteAddress, "127.0.0.2")

      let connections = 0
      class Counting extends Agent {
        override createConnection(...args: Parameters<Agent["createConnection"]>) {
          connections++
          return super.createConnection(...args)
        }
      }
      yield* dial(url, { agent: new Counting() })
      assert.strictEqual(connections, 1)

      const error = yield* messageOf(dial(`ws://localhost:${port}/`, { family: 6 }))
      assert.notInclude(error, "127.0.0.1")
      yield* dial(`ws://localhost:${port}/`, { family: 4 })
    }))

  for (const [name, layer] of [["layerWith", NodeTransport.layerWith({ proxy: "http://127.0.0.1:9" })], ["layer", NodeTransport.layer]] as const) {
    it.scopedLive(`dials a Unix socket with ${name}, without a proxy`, () =>
      Effect.gen(function*() {
        const file = join(yield* folder, "peer.sock")
        const { requests } = yield* peer({ file })
        const { dial } = yield* Transport.Transport
        assert.strictEqual(yield* first(yield* dial(request(`ws+unix:${file}:/path?x=1`))), "hello")
        assert.strictEqual(requests[0]?.url, "/path?x=1")
        const missing = yield* messageOf(dial(request(`ws+unix:${file}.not:/`)))
        assert.match(missing, /^The dial failed with ENOENT: /)
        assert.notInclude(missing, file)
        for (const url of ["ws+unix:", "ws+unix://host/a.sock", `ws+unix:${file}#part`]) {
          assert.include(yield* messageOf(dial(request(url))), "The URL cannot be dialled")
        }
      }).pipe(Effect.provide(layer)))
  }

  it.scopedLive("a connection over a Unix socket opens", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "peer.sock")
      yield* peer({ file })
      const connection = yield* Effect.provide(Connection.make({ url: `ws+unix:${file}:/` }), NodeTransport.layer)
      assert.deepStrictEqual([...(yield* Stream.runCollect(Stream.take(connection.messages, 1)))], ["hello"])
    }))
})

describe("compression", () => {
  it.scopedLive("is offered, and the limit of messages holds for what they inflate to", () =>
    Effect.gen(function*() {
      const sent = { bomb: 0 }
      const { port } = yield* peer({
        deflate: true,
        onClient: (client) => {
          client.on("message", (data) => {
            client.send(data)
            client.send("x".repeat(100_000), { compress: true })
            const bomb = Buffer.alloc(50_000_000)
            client.send(bomb, { compress: true }, () => {
              sent.bomb = bomb.length
            })
          })
        }
      })
      const socket = yield* dial(`ws://127.0.0.1:${port}/`, { perMessageDeflate: true })
      assert.include(socket.headers?.["sec-websocket-extensions"], "permessage-deflate")
      yield* socket.send("y".repeat(5000))
      const sizes: Array<number> = []
      const error = yield* Effect.flip(socket.receive((batch) => {
        sizes.push(...batch.map(({ length }) => length))
      }))
      assert.deepStrictEqual(sizes, [5, 5000, 100_000])
      assert.strictEqual(error._tag, "MessageTooLarge")
      // The bytes on the wire were a thousandth of it.
      assert.isBelow(progressOf(socket).received, 1_000_000)
    }))

  it.scopedLive("is not offered by default", () =>
    Effect.gen(function*() {
      const { port, requests } = yield* peer({ deflate: true })
      yield* dial(`ws://127.0.0.1:${port}/`)
      assert.isUndefined(requests[0]?.headers["sec-websocket-extensions"])
    }))
})

const userAgent = Redacted.make("user-agent")
const token = "c9f2A77e1bQ"

// What a server can see of the credentials of a dial.
const seen = ({ headers }: UpgradeRequest) => [headers.authorization, headers["x-key"], headers["sec-websocket-protocol"]]

describe("redirects", () => {
  const secrets = { headers: { "X-Key": Redacted.make("key"), "User-Agent": userAgent }, protocols: ["v1", token] }

  it.scopedLive("are not followed by default", () =>
    Effect.gen(function*() {
      const target = yield* peer()
      const { port } = yield* peer({ redirect: () => [302, `ws://127.0.0.1:${target.port}/`] })
      const message = yield* messageOf(dial(`ws://127.0.0.1:${port}/`))
      assert.include(message, "status 302")
      assert.lengthOf(target.requests, 0)
    }))

  for (const status of [301, 302, 303, 307, 308]) {
    it.scopedLive(`${status} is followed, with credentials on the same origin`, () =>
      Effect.gen(function*() {
        const { port, requests } = yield* peer({ redirect: ({ url }) => url === "/old" ? [status, "/new?a=1"] : undefined })
        const socket = yield* dial(`ws://user:word@127.0.0.1:${port}/old`, { maxRedirects: 1 }, secrets)
        assert.strictEqual(yield* first(socket), "hello")
        assert.strictEqual(requests[1]?.url, "/new?a=1")
        const credentials = [`Basic ${Buffer.from("user:word").toString("base64")}`, "key", `v1,${token}`]
        assert.deepStrictEqual(requests.map(seen), [credentials, credentials])
      }))
  }

  it.scopedLive("take no credentials to another origin, nor back", () =>
    Effect.gen(function*() {
      const ports = { origin: 0 }
      const other = yield* peer({ redirect: () => [307, `http://127.0.0.1:${ports.origin}/back`] })
      const origin = yield* peer({
        redirect: ({ url }) => url === "/" ? [307, `//thief:given@127.0.0.1:${other.port}/`] : undefined
      })
      ports.origin = origin.port
      const socket = yield* dial(`ws://user:word@127.0.0.1:${origin.port}/`, { maxRedirects: 5 }, secrets)
      assert.strictEqual(yield* first(socket), "hello")
      assert.deepStrictEqual(other.requests.map(seen), [[undefined, undefined, "v1"]])
      assert.deepStrictEqual(origin.requests.slice(1).map(seen), [[undefined, undefined, "v1"]])
      assert.isUndefined(other.requests[0]?.headers["user-agent"])
    }))

  it.scopedLive("show the client's certificate to the first origin only", () =>
    Effect.gen(function*() {
      const tls = { ...authority.server, ca: authority.authority, requestCert: true, rejectUnauthorized: false }
      const certified: Array<boolean> = []
      const note = ({ socket }: UpgradeRequest) => {
        certified.push("authorized" in socket && socket.authorized === true)
        return undefined
      }
      const other = yield* peer({ tls, redirect: note })
      const { port } = yield* peer({
        tls,
        redirect: (request) => {
          note(request)
          return [302, `wss://127.0.0.1:${other.port}/`]
        }
      })
      const { cert, key } = authority.client
      yield* dial(`wss://127.0.0.1:${port}/`, { ...trusting, cert, key: Redacted.make(key), maxRedirects: 1 })
      assert.deepStrictEqual(certified, [true, false])
    }))

  for (
    const [name, location, text] of [
      ["to ws:// from wss://", "ws://127.0.0.1:1/", "not encrypted"],
      ["to http:// from wss://", "http://127.0.0.1:1/", "not encrypted"],
      ["to a Unix socket", "ws+unix:/run/other.sock", "no WebSocket URL"],
      ["to a file", "file:///etc/passwd", "no WebSocket URL"],
      ["to nowhere", "", "redirected more than 2 times"],
      ["to no URL", "http://:x/", "does not say where to"]
    ] as const
  ) {
    it.scopedLive(`lead not ${name}`, () =>
      Effect.gen(function*() {
        const { port } = yield* peer({ ...secure, redirect: () => [302, location] })
        const error = yield* Effect.flip(dial(`wss://127.0.0.1:${port}/`, { ...trusting, maxRedirects: 2 }))
        assert.isTrue(isDialFailed("ERR_REDIRECT")(error), shown(error))
        assert.include(shown(error), text)
      }))
  }

  it.scopedLive("are bounded, and leave no connection behind", () =>
    Effect.gen(function*() {
      const { port, requests } = yield* peer({ redirect: ({ url = "" }) => [302, `${url}x`] })
      const error = yield* messageOf(dial(`ws://127.0.0.1:${port}/`, { maxRedirects: 3 }))
      assert.strictEqual(error, "The dial failed with ERR_REDIRECT: the server redirected more than 3 times.")
      assert.deepStrictEqual(requests.map(({ url }) => url), ["/", "/x", "/xx", "/xxx"])
      yield* Effect.repeat(Effect.yieldNow(), { until: () => requests.every(({ socket }) => socket.destroyed || socket.readableEnded) })
    }))

  it.scopedLive("show no secret of a redirect's URL", () =>
    Effect.gen(function*() {
      const { port } = yield* peer({
        redirect: ({ url }) => url === "/" ? [302, `/feed?token=${token}`] : undefined,
        onClient: (client) => {
          client.close(4001, `no ${token} here`)
        }
      })
      const socket = yield* dial(`ws://127.0.0.1:${port}/`, { maxRedirects: 1 })
      const error = yield* Effect.flip(socket.receive(() => undefined))
      assert.include(error.message, "4001")
      assert.notInclude(error.message, token)
    }))
})

const proxied = (proxy: string, url: string, options: NodeTransport.Options = {}) => dial(url, { ...options, proxy: Redacted.make(proxy) })

describe("an HTTP proxy", () => {
  it.scopedLive("tunnels ws:// and wss://, with a user and a password", () =>
    Effect.gen(function*() {
      const plain = yield* peer()
      const tls = yield* peer(secure)
      const proxy = yield* HttpProxy.make()
      const url = `http://us%20er:pass%3Aword@127.0.0.1:${proxy.port}`
      assert.strictEqual(yield* first(yield* proxied(url, `ws://peer.test:${plain.port}/`)), "hello")
      assert.strictEqual(yield* first(yield* proxied(url, `wss://peer.test:${tls.port}/`, trusting)), "hello")
      assert.deepStrictEqual(proxy.asked, [`peer.test:${plain.port}`, `peer.test:${tls.port}`])
      const credentials = `Basic ${Buffer.from("us er:pass:word").toString("base64")}`
      assert.deepStrictEqual(proxy.credentials, [credentials, credentials])
      assert.isUndefined(plain.requests[0]?.headers["proxy-authorization"])
    }))

  it.scopedLive("may be reached over TLS", () =>
    Effect.gen(function*() {
      const { port } = yield* peer(secure)
      const proxy = yield* HttpProxy.make({ tls: authority.server })
      const { cert, key } = authority.client
      const socket = yield* proxied(`https://localhost:${proxy.port}`, `wss://peer.test:${port}/`, { ...trusting, cert, key: Redacted.make(key) })
      assert.strictEqual(yield* first(socket), "hello")
      yield* socket.send("x".repeat(500_000))
      assert.include(yield* messageOf(proxied(`https://localhost:${proxy.port}`, `wss://peer.test:${port}/`)), "the proxy")
    }))

  for (
    const [name, answer, sentence] of [
      [
        "asks for a password",
        "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 6\r\n\r\nhidden",
        "The dial failed with ERR_PROXY_AUTHENTICATION: the proxy refused the user and the password, or asks for them. Check the user and the password in the URL of the proxy."
      ],
      ["forbids it", "403 hidden\r\n\r\n", "The dial failed with ERR_PROXY_REFUSED: the proxy refused to connect to the server, with status 403."],
      ["redirects", "302 hidden\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "The dial failed with ERR_PROXY_GATEWAY: the proxy could not connect to the server, with status 302."],
      ["finds no server", "502 hidden\r\n\r\n", "The dial failed with ERR_PROXY_GATEWAY: the proxy could not connect to the server, with status 502."],
      ["hangs up", "200", "The dial failed with ERR_PROXY_GATEWAY: the proxy hung up before it had connected to the server."],
      ["talks nonsense", "hidden\r\n\r\n", "The dial failed with ERR_PROXY_RESPONSE: the proxy answered something else than its protocol allows."]
    ] as const
  ) {
    it.scopedLive(`that ${name} is told from the server`, () =>
      Effect.gen(function*() {
        const { port } = yield* HttpProxy.make({ answer })
        const error = yield* Effect.flip(proxied(`http://user:hidden@127.0.0.1:${port}`, "ws://peer.test/", { maxRedirects: 3 }))
        assert.strictEqual("message" in error ? error.message : "", sentence)
        assert.notInclude(inspect(error, { depth: 9, showHidden: true }), "hidden")
      }))
  }

  it.scopedLive("that is not there, or has no address, is told from the server", () =>
    Effect.gen(function*() {
      const port = yield* closedPort
      assert.match(yield* messageOf(proxied(`http://127.0.0.1:${port}`, "ws://peer.test/")), /^The dial failed with ECONNREFUSED: the connection to the proxy failed: /)
      assert.match(yield* messageOf(proxied("http://nowhere.invalid:3128", "ws://127.0.0.1/")), /^The dial failed with \w+: the name of the proxy was not resolved: /)
      const { port: plain } = yield* HttpProxy.make()
      assert.include(yield* messageOf(proxied(`https://127.0.0.1:${plain}`, "ws://peer.test/")), "the proxy does not speak TLS")
    }))

  it.scopedLive("leaves the check of the server's certificate as it is, also for an address", () =>
    Effect.gen(function*() {
      const { port } = yield* peer({ tls: addressOnly })
      const http = yield* HttpProxy.make()
      const socks = yield* SocksProxy.make()
      // The certificate is for 127.0.0.1 only.
      const trusted = { ca: addressOnly.authority }
      for (const proxy of [`http://127.0.0.1:${http.port}`, `socks5h://127.0.0.1:${socks.port}`]) {
        assert.strictEqual(yield* first(yield* proxied(proxy, `wss://127.0.0.1:${port}/`, trusted)), "hello")
        for (const host of ["127.0.0.2", "localhost", "peer.test"]) {
          const error = yield* Effect.flip(proxied(proxy, `wss://${host}:${port}/`, trusted))
          assert.isTrue(isDialFailed("ERR_TLS_CERT_ALTNAME_INVALID")(error), `${host}: ${shown(error)}`)
        }
      }
    }))

  it.scopedLive("is not blamed for the server", () =>
    Effect.gen(function*() {
      const { port } = yield* peer(secure)
      const proxy = yield* HttpProxy.make()
      const error = yield* Effect.flip(proxied(`http://127.0.0.1:${proxy.port}`, `wss://peer.test:${port}/`))
      assert.isTrue(isDialFailed("UNABLE_TO_VERIFY_LEAF_SIGNATURE")(error), shown(error))
      assert.notInclude(shown(error), "proxy")
    }))

  for (const tls of [undefined, authority.server]) {
    it.scopedLive(`that is silent ${tls === undefined ? "" : "over TLS "}keeps no connection of a dial that is given up`, () =>
      Effect.gen(function*() {
        const proxy = yield* HttpProxy.make({ answer: "silent", tls })
        const scheme = tls === undefined ? "http" : "https"
        const dialling = yield* Effect.fork(Effect.scoped(proxied(`${scheme}://127.0.0.1:${proxy.port}`, "ws://peer.test/", trusting)))
        yield* Effect.repeat(Effect.yieldNow(), { until: () => proxy.asked.length === 1 })
        yield* Fiber.interrupt(dialling)
        yield* Effect.repeat(Effect.yieldNow(), { until: () => proxy.open() === 0 })
      }))
  }
})

describe("a SOCKS proxy", () => {
  for (const [scheme, host] of [["socks5h", "peer.test"], ["socks", "peer.test"], ["socks5", "localhost"]] as const) {
    it.scopedLive(`tunnels with ${scheme}`, () =>
      Effect.gen(function*() {
        const plain = yield* peer()
        const tls = yield* peer(secure)
        const proxy = yield* SocksProxy.make({ password: "pass:word" })
        const url = `${scheme}://us%20er:pass%3Aword@127.0.0.1:${proxy.port}`
        assert.strictEqual(yield* first(yield* proxied(url, `ws://${host}:${plain.port}/`, { family: 4 })), "hello")
        assert.strictEqual(yield* first(yield* proxied(url, `wss://${host}:${tls.port}/`, { ...trusting, family: 4 })), "hello")
        assert.strictEqual(proxy.asked[0]?.split(":")[0], scheme === "socks5" ? "127.0.0.1" : host)
        assert.deepStrictEqual(proxy.credentials, ["us er:pass:word", "us er:pass:word"])
      }))
  }

  for (
    const [name, options, sentence] of [
      ["refuses the password", { password: "other" }, /ERR_PROXY_AUTHENTICATION: the proxy refused the user and the password/],
      ["forbids it", { reply: 2 }, /ERR_PROXY_REFUSED: the proxy refused to connect to the server: NotAllowed\./],
      ["finds no server", { reply: 4 }, /ERR_PROXY_GATEWAY: the proxy could not connect to the server: HostUnreachable\./]
    ] as const
  ) {
    it.scopedLive(`that ${name} is told from the server`, () =>
      Effect.gen(function*() {
        const { port } = yield* SocksProxy.make(options)
        const error = yield* Effect.flip(proxied(`socks5h://user:hidden@127.0.0.1:${port}`, "ws://peer.test/"))
        assert.match("message" in error ? error.message : "", sentence)
        assert.notInclude(inspect(error, { depth: 9, showHidden: true }), "hidden")
      }))
  }

  it.scopedLive("that is not there is told from the server, and the server from it", () =>
    Effect.gen(function*() {
      const closed = yield* closedPort
      assert.include(yield* messageOf(proxied(`socks5h://127.0.0.1:${closed}`, "ws://peer.test/")), "the connection to the proxy failed")
      const proxy = yield* SocksProxy.make()
      const { port } = yield* peer(secure)
      const error = yield* messageOf(proxied(`socks5h://127.0.0.1:${proxy.port}`, `wss://peer.test:${port}/`))
      assert.include(error, "UNABLE_TO_VERIFY_LEAF_SIGNATURE")
      assert.notInclude(error, "proxy")
      assert.include(yield* messageOf(proxied(`socks5://127.0.0.1:${proxy.port}`, "ws://nowhere.invalid/")), "getaddrinfo")
      assert.notInclude(yield* messageOf(proxied(`socks5://127.0.0.1:${proxy.port}`, "ws://nowhere.invalid/")), "proxy")
    }))
})

// Runs a program where a package is not installed.
const without = (name: string, program: string) =>
  Effect.async<string>((resume) => {
    const hooks = `export const resolve = (specifier, context, next) => {
      if (specifier !== "${name}") return next(specifier, context)
      throw Object.assign(new Error("Cannot find package '${name}'"), { code: "ERR_MODULE_NOT_FOUND" })
    }`
    const url = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`
    const register = url(`import { register } from "node:module"; register(${JSON.stringify(url(hooks))})`)
    execFile(process.execPath, ["--import", "tsx", "--import", register, "--input-type=module", "--eval", program], (error, stdout, stderr) => {
      resume(Effect.succeed(stdout + stderr + (error?.message ?? "")))
    })
  })

describe("a package that is missing", () => {
  for (const [name, proxy] of [["https-proxy-agent", "http://127.0.0.1:1"], ["socks-proxy-agent", "socks5h://127.0.0.1:1"]] as const) {
    it.live(`fails the layer, and ${name} is named`, () =>
      Effect.gen(function*() {
        const out = yield* without(
          name,
          `import * as Effect from "effect/Effect"
          import * as Layer from "effect/Layer"
          import * as NodeTransport from "${new URL("../../src/NodeTransport.ts", import.meta.url).href}"
          const tell = (options) => Layer.build(NodeTransport.layerWith(options)).pipe(
            Effect.scoped,
            Effect.match({ onFailure: ({ _tag, message }) => _tag + ": " + message, onSuccess: () => "made" })
          )
          console.log((await Effect.runPromise(Effect.all([tell({}), tell({ proxy: "${proxy}" })]))).join("; "))`
        )
        assert.match(
          out,
          new RegExp(`^made; PeerMissing: A connection through such a proxy needs ${name}, which is not installed\\. Run: npm install ${name}@\\^\\d`)
        )
      }))
  }
})

describe("a bundle", () => {
  it.scopedLive("has the packages in it", () =>
    Effect.gen(function*() {
      const out = yield* folder
      const source = new URL("../../src/NodeTransport.ts", import.meta.url)
      yield* Effect.promise(() =>
        build({
          stdin: {
            contents: `import * as Effect from "effect/Effect"
              import * as Layer from "effect/Layer"
              import * as Redacted from "effect/Redacted"
              import * as NodeTransport from "./NodeTransport.ts"
              import { Transport } from "./Transport.ts"
              const tell = (proxy) => Effect.flatMap(Transport, ({ dial }) => dial({
                url: Redacted.make("ws://127.0.0.1:1"), protocols: [], headers: {}, maxMessageBytes: 1000, closeTimeout: "1 second"
              })).pipe(Effect.scoped, Effect.provide(NodeTransport.layerWith({ proxy })), Effect.flip, Effect.map(({ message }) => message))
              console.log((await Effect.runPromise(Effect.all([tell("http://127.0.0.1:1"), tell("socks5h://127.0.0.1:1")]))).join("; "))`,
            resolveDir: fileURLToPath(new URL("./", source))
          },
          outdir: out,
          bundle: true,
          splitting: true,
          format: "esm",
          platform: "node",
          outExtension: { ".js": ".mjs" },
          banner: { js: `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);` }
        })
      )
      const told = yield* Effect.async<string>((resume) => {
        execFile(process.execPath, [join(out, "stdin.mjs")], (_, stdout, stderr) => {
          resume(Effect.succeed(stdout + stderr))
        })
      })
      const refused = "The dial failed with ECONNREFUSED: the connection to the proxy failed: connect ECONNREFUSED 127.0.0.1:1."
      assert.strictEqual(told.trim(), `${refused}; ${refused}`)
    }))
})

const environment = (variables: Record<string, string>) => Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

describe("the environment", () => {
  it.scopedLive("names a proxy for each scheme, and the hosts without one", () =>
    Effect.gen(function*() {
      const plain = yield* peer()
      const tls = yield* peer(secure)
      const http = yield* HttpProxy.make()
      const socks = yield* SocksProxy.make()
      const through = (url: string, variables: Record<string, string>) =>
        Effect.scoped(Effect.flatMap(dial(url, { ...trusting, proxy: "environment" }), first)).pipe(
          Effect.provide(environment(variables)),
          Effect.map(() => [http.asked.length, socks.asked.length])
        )
      const ws = `ws://127.0.0.1:${plain.port}/`
      const wss = `wss://127.0.0.1:${tls.port}/`
      const HTTP = `127.0.0.1:${http.port}`
      const SOCKS = `socks5h://127.0.0.1:${socks.port}`
      assert.deepStrictEqual(yield* through(ws, {}), [0, 0])
      assert.deepStrictEqual(yield* through(ws, { HTTP_PROXY: HTTP, HTTPS_PROXY: SOCKS }), [1, 0])
      assert.deepStrictEqual(yield* through(wss, { HTTP_PROXY: HTTP, HTTPS_PROXY: SOCKS }), [1, 1])
      assert.deepStrictEqual(yield* through(wss, { HTTP_PROXY: HTTP }), [1, 1])
      assert.deepStrictEqual(yield* through(wss, { ALL_PROXY: SOCKS }), [1, 2])
      assert.deepStrictEqual(yield* through(ws, { http_proxy: HTTP, HTTP_PROXY: SOCKS }), [2, 2])
      assert.deepStrictEqual(yield* through(ws, { http_proxy: "", HTTP_PROXY: HTTP }), [2, 2])
      assert.deepStrictEqual(yield* through(ws, { HTTP_PROXY: HTTP, NO_PROXY: "other, 127.0.0.0/8" }), [2, 2])
      assert.deepStrictEqual(yield* through(ws, { HTTP_PROXY: HTTP, no_proxy: `127.0.0.1:${tls.port}` }), [3, 2])
    }))

  it.scopedLive("is read by config, with the file of the authorities", () =>
    Effect.gen(function*() {
      const { port } = yield* peer(secure)
      const proxy = yield* HttpProxy.make()
      const file = join(yield* folder, "authority.pem")
      writeFileSync(file, authority.authority)
      const connected = (variables: Record<string, string>) =>
        Effect.gen(function*() {
          const { dial } = yield* Transport.Transport
          return yield* first(yield* dial(request(`wss://127.0.0.1:${port}/`)))
        }).pipe(
          Effect.provide(Layer.provide(NodeTransport.layerConfig(NodeTransport.config), environment(variables))),
          Effect.scoped
        )
      const WEBSOCKET_CA_FILE = file
      assert.strictEqual(yield* connected({ WEBSOCKET_CA_FILE, WEBSOCKET_PROXY: " " }), "hello")
      assert.lengthOf(proxy.asked, 0)
      assert.strictEqual(yield* connected({ WEBSOCKET_CA_FILE, WEBSOCKET_PROXY: `http://127.0.0.1:${proxy.port}` }), "hello")
      assert.lengthOf(proxy.asked, 1)
      const HTTPS_PROXY = `http://127.0.0.1:${proxy.port}`
      assert.strictEqual(yield* connected({ WEBSOCKET_CA_FILE, WEBSOCKET_PROXY: "environment", HTTPS_PROXY }), "hello")
      assert.lengthOf(proxy.asked, 2)
      const error = yield* Effect.flip(connected({ WEBSOCKET_CA_FILE: "/nowhere.pem" }))
      assert.include(shown(error), "/nowhere.pem")
      const wrong = yield* Effect.flip(connected({ WEBSOCKET_PROXY: `gopher://user:${token}@127.0.0.1` }))
      assert.match(shown(wrong), /WEBSOCKET_PROXY: "Expected environment, or the URL of a proxy/)
      assert.notInclude(inspect(wrong, { depth: 9, showHidden: true }), token)
    }))

  it.scopedLive("shows no secret of a proxy's URL, of one that is wrong either", () =>
    Effect.gen(function*() {
      const outcome = yield* Effect.either(
        Effect.scoped(dial("ws://127.0.0.1:1/", { proxy: "environment" })).pipe(
          Effect.provide(environment({ HTTP_PROXY: `gopher://user:${token}@127.0.0.1` }))
        )
      )
      const error = Either.isLeft(outcome) ? outcome.left : assert.fail("dialled")
      assert.include(shown(error), "HTTP_PROXY")
      assert.notInclude(inspect(error, { depth: 9, showHidden: true }), token)
    }))
})

describe("a connection", () => {
  it.scopedLive("hides the user and the password of its proxy from what a peer says", () =>
    Effect.gen(function*() {
      const { port } = yield* peer({
        onClient: (client) => {
          client.close(4001, `${token} and ${Buffer.from(`user:${token}`).toString("base64")}`)
        }
      })
      const proxy = yield* HttpProxy.make()
      const connection = yield* Effect.provide(
        Connection.make({ url: `ws://127.0.0.1:${port}/`, reconnect: { enabled: false } }),
        NodeTransport.layerWith({ proxy: `http://user:${token}@127.0.0.1:${proxy.port}` })
      )
      const error = yield* Effect.flip(Stream.runDrain(connection.messages))
      assert.strictEqual(error.message.replace(/after .*/, ""), `The connection closed with code 4001: "… and …", `)
    }))

  it.scopedLive("may have options of its own", () =>
    Effect.gen(function*() {
      const { port } = yield* peer(secure)
      const options = { url: `wss://127.0.0.1:${port}/`, reconnect: { enabled: false } }
      const trusted = yield* Effect.provide(Connection.make(options), NodeTransport.layerWith(trusting))
      const other = yield* Effect.provide(Connection.make(options), NodeTransport.layer)
      yield* trusted.awaitOpen
      assert.strictEqual((yield* Effect.flip(other.awaitOpen))._tag, "DialFailed")
    }))
})

describe("ws:// to a port that expects TLS", () => {
  const asks = (answer: Buffer | string | undefined) =>
    Effect.gen(function*() {
      const server = net.createServer((socket) => {
        socket.on("error", () => undefined)
        socket.once("data", () => {
          if (answer === undefined) socket.destroy()
          else socket.end(answer)
        })
      })
      yield* Effect.acquireRelease(
        Effect.async<void>((resume) => {
          server.listen(0, "127.0.0.1", () => {
            resume(Effect.void)
          })
        }),
        () => Effect.sync(() => server.close())
      )
      const address = server.address()
      return yield* messageOf(dial(`ws://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}/`))
    })

  it.scopedLive("asks for wss:// when the server answers with an alert of TLS", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* asks(Buffer.from([21, 3, 1, 0, 2, 2, 70])),
        "The dial failed with ERR_TLS_REQUIRED: the server speaks TLS. Should the URL begin with wss:// instead of ws://?"
      )
    }))

  it.scopedLive("says so when the server hangs up", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* asks(undefined),
        "The dial failed with ECONNRESET: the server hung up without an answer, as one does that expects wss:// and gets ws://."
      )
      const { port } = yield* peer(secure)
      assert.include(yield* messageOf(dial(`ws://127.0.0.1:${port}/`)), "wss://")
    }))

  for (
    const body of [
      "Client sent an HTTP request to an HTTPS server.",
      "<center>The plain HTTP request was sent to HTTPS port</center>",
      "Reason: You're speaking plain HTTP to an SSL-enabled server port."
    ]
  ) {
    it.scopedLive(`asks for wss:// when the server says "${body}"`, () =>
      Effect.gen(function*() {
        assert.include(
          yield* asks(`HTTP/1.1 400 Bad Request\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
          "Should the URL begin with wss:// instead of ws://?"
        )
      }))
  }
})
