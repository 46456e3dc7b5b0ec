import * as PlatformSocket from "@effect/platform/Socket"
import { assert, describe, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { createHash } from "node:crypto"
import type { Socket as TcpSocket } from "node:net"
import { createServer } from "node:net"
import { WebSocket } from "ws"
import { Transport } from "holdfast"

// The bytes that a socket has moved.
const progressOf = ({ progress }: Transport.Socket): Transport.Progress => {
  if (progress === undefined) throw new Error("the transport does not count bytes")
  return progress()
}

const isWhatwg = (value: unknown): value is globalThis.WebSocket => typeof value === "object" && value !== null

// The transport on a constructor that resembles the WHATWG one.
const on = (construct: (url: string, protocols: string | Array<string> | undefined) => unknown) =>
  Transport.layerWebSocketConstructor.pipe(
    Layer.provide(Layer.succeed(PlatformSocket.WebSocketConstructor, (url, protocols) => {
      const ws = construct(url, protocols)
      if (!isWhatwg(ws)) throw new Error("no object")
      return ws
    }))
  )

const dial = (url = "ws://peer.test/path?token=secret", overrides: Partial<Transport.DialRequest> = {}) =>
  Effect.flatMap(Transport.Transport, (transport) =>
    transport.dial({
      url: Redacted.make(url),
      protocols: [],
      headers: {},
      maxMessageBytes: 1_000,
      closeTimeout: Duration.millis(200),
      ...overrides
    }))

class Enough extends Data.TaggedError("Enough") {}

const collect = (socket: Transport.Socket, count: number) =>
  Effect.suspend(() => {
    const all: Array<Transport.Message> = []
    return socket.receive((batch) => {
      all.push(...batch)
      return all.length < count ? undefined : new Enough()
    }).pipe(Effect.catchTag("Enough", () => Effect.succeed(all)))
  })

const ending = (socket: Transport.Socket) => Effect.flip(socket.receive(() => undefined))

// ---------------------------------------------------------------------------------------------------------------------
// `ws` over real sockets

const accept = (key: string) => createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")

// A server that accepts the upgrade and plays the rest, and keeps its side of the TCP connection open. `ended` completes when
// the client has ended its side.
const server = (play: (socket: TcpSocket) => void) =>
  Effect.gen(function*() {
    let isOver: () => void = () => undefined
    const ended = new Promise<void>((resolve) => {
      isOver = resolve
    })
    const sockets = new Set<TcpSocket>()
    const listener = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket)
      socket.on("error", isOver).on("end", isOver).on("close", isOver)
      socket.once("data", (data) => {
        const key = /sec-websocket-key: (.*)\r/i.exec(data.toString())?.[1] ?? ""
        socket.write(
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
            `Sec-WebSocket-Accept: ${accept(key)}\r\n\r\n`
        )
        play(socket)
      })
      socket.resume()
    })
    const port = yield* Effect.acquireRelease(
      Effect.async<number>((resume) => {
        listener.listen(0, "127.0.0.1", () => {
          const address = listener.address()
          resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
        })
      }),
      () =>
        Effect.sync(() => {
          for (const socket of sockets) socket.destroy()
          listener.close()
        })
    )
    return { url: `ws://127.0.0.1:${port}`, ended: Effect.promise(() => ended) }
  })

const onWs = on((url, protocols) => new WebSocket(url, protocols))

describe("layerWebSocketConstructor with ws", () => {
  it.scopedLive("ends at once with the code of a protocol violation, and lets the TCP connection go", () =>
    Effect.gen(function*() {
      // Two reserved bits are set.
      const { ended, url } = yield* server((socket) => socket.write(Buffer.of(0xf3, 0x00)))
      const scope = yield* Scope.make()
      const error = yield* Effect.flatMap(Scope.extend(dial(url), scope), ending)
      assert(error._tag === "ConnectionClosed")
      assert.strictEqual(error.code, 1002)
      yield* Scope.close(scope, Exit.void)
      yield* ended
    }).pipe(Effect.provide(onWs)))

  it.scopedLive("survives a second error after the first, and a reset", () =>
    Effect.gen(function*() {
      const { ended, url } = yield* server((socket) => {
        socket.write(Buffer.of(0xf3, 0x00))
        socket.write(Buffer.of(0xf3, 0x00))
        socket.resetAndDestroy()
      })
      const error = yield* Effect.flatMap(dial(url), ending)
      assert.strictEqual(error._tag, "ConnectionClosed")
      yield* ended
    }).pipe(Effect.provide(onWs)))

  for (const [name, act] of [
    ["terminated", (socket: Transport.Socket) => socket.terminate],
    ["closed, though the peer does not answer", (socket: Transport.Socket) => socket.close()],
    ["closed with a code that may not be sent", (socket: Transport.Socket) => socket.close(1006)]
  ] as const) {
    it.scopedLive(`leaves no TCP connection open when it is ${name}`, () =>
      Effect.gen(function*() {
        const { ended, url } = yield* server(() => undefined)
        const socket = yield* dial(url)
        yield* act(socket)
        yield* ended
        const error = yield* ending(socket)
        assert(error._tag === "ConnectionClosed")
        assert.strictEqual(error.code, 1006)
      }).pipe(Effect.provide(onWs)))
  }

  it.scopedLive("says why a dial failed", () =>
    Effect.gen(function*() {
      const { url } = yield* server(() => undefined)
      const error = yield* Effect.flip(dial(url, { protocols: ["chat"] }))
      assert(error._tag === "DialFailed")
      assert.strictEqual(
        error.message,
        "The dial failed with ERR_SUBPROTOCOL: Server sent no subprotocol. Check the option protocols: the server must choose " +
          "one of them, and none if there are none."
      )
      const refused = yield* Effect.flip(dial("ws://127.0.0.1:1/path"))
      assert(refused._tag === "DialFailed")
      assert.strictEqual(refused.code, "ECONNREFUSED")
    }).pipe(Effect.provide(onWs)))
})

// ---------------------------------------------------------------------------------------------------------------------
// Made-up sockets

class MadeUp extends EventTarget {
  readyState = 0
  readonly protocol = ""
  readonly sent: Array<unknown> = []
  readonly closes: Array<ReadonlyArray<unknown>> = []

  open() {
    this.readyState = 1
    this.dispatchEvent(new Event("open"))
  }

  message(data: unknown) {
    this.dispatchEvent(Object.assign(new Event("message"), { data }))
  }

  send(message: unknown) {
    this.sent.push(message)
  }

  close(...args: ReadonlyArray<unknown>) {
    this.closes.push(args)
    this.readyState = 3
    this.end(1000)
  }

  end(code: number) {
    this.readyState = 3
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason: "" }))
  }
}

const opened = (ws: MadeUp) =>
  Effect.gen(function*() {
    const dialling = yield* Effect.fork(dial())
    yield* Effect.yieldNow()
    yield* TestClock.adjust(0)
    ws.open()
    return yield* Fiber.join(dialling)
  }).pipe(Effect.provide(on(() => ws)))

describe("layerWebSocketConstructor", () => {
  it.scoped("sees an `open` that comes before the dial waits for it", () =>
    Effect.gen(function*() {
      const ws = new MadeUp()
      const add = ws.addEventListener.bind(ws)
      ws.addEventListener = (...args) => {
        add(...args)
        if (args[0] === "close" && ws.readyState === 0) ws.open()
      }
      yield* dial().pipe(Effect.provide(on(() => ws)))
    }))

  for (const [name, construct] of [
    ["throws", () => {
      throw new SyntaxError("the URL ws://peer.test/path?token=secret is wrong")
    }],
    ["returns no WebSocket", () => ({})]
  ] as const) {
    it.scoped(`fails typed if the constructor ${name}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(dial())
        assert(error._tag === "DialFailed")
        assert.strictEqual(error.code, "ERR_INVALID_REQUEST")
        assert.notInclude(error.message, "secret")
      }).pipe(Effect.provide(on(construct))))
  }

  it.scoped("does not show an error's text that quotes the URL", () =>
    Effect.gen(function*() {
      const ws = new MadeUp()
      const dialling = yield* Effect.fork(Effect.flip(Effect.provide(dial(), on(() => ws))))
      yield* TestClock.adjust(0)
      ws.dispatchEvent(Object.assign(new Event("error"), { message: "cannot reach /path?token=secret" }))
      assert.strictEqual(
        (yield* Fiber.join(dialling)).message,
        "The dial failed with ERR_WEBSOCKET: the platform's WebSocket does not say why."
      )
    }))

  it.scoped("ends after an `error` that no `close` follows", () =>
    Effect.gen(function*() {
      const ws = new MadeUp()
      const socket = yield* opened(ws)
      const reading = yield* Effect.fork(ending(socket))
      ws.close = () => undefined
      ws.dispatchEvent(new Event("error"))
      yield* TestClock.adjust("200 millis")
      const error = yield* Fiber.join(reading)
      assert(error._tag === "ConnectionClosed")
      assert.strictEqual(error.code, 1006)
      ws.end(1006)
    }))

  it.scoped("takes the code of the `close` that follows an `error`", () =>
    Effect.gen(function*() {
      const ws = new MadeUp()
      const socket = yield* opened(ws)
      ws.dispatchEvent(new Event("error"))
      ws.end(1011)
      const error = yield* ending(socket)
      assert(error._tag === "ConnectionClosed")
      assert.strictEqual(error.code, 1011)
    }))

  it.scoped("receives bytes in any dress, in order, and the end after them", () =>
    Effect.gen(function*() {
      const ws = new MadeUp()
      const socket = yield* opened(ws)
      const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values)
      ws.message(bytes(1).buffer)
      ws.message(Buffer.of(2))
      ws.message(new DataView(bytes(0, 3, 0).buffer, 1, 1))
      ws.message(new Blob([bytes(4)]))
      ws.message("five")
      ws.message(new Blob([bytes(6)]))
      ws.end(4000)
      const all = yield* collect(socket, 6)
      assert.deepStrictEqual(all.map((message) => typeof message === "string" ? message : [...message]), [[1], [2], [3], [4], "five", [6]])
      const error = yield* ending(socket)
      assert(error._tag === "ConnectionClosed")
      assert.strictEqual(error.code, 4000)
    }))

  it.scoped("refuses a Blob that is too large without reading it, and a message of an unknown kind", () =>
    Effect.gen(function*() {
      const large = new MadeUp()
      const socket = yield* opened(large)
      large.message(Object.assign(new Blob(["x".repeat(1_001)]), { arrayBuffer: () => Promise.reject(new Error("read")) }))
      assert.strictEqual((yield* ending(socket))._tag, "MessageTooLarge")
      const strange = new MadeUp()
      const other = yield* opened(strange)
      strange.message(42)
      const error = yield* ending(other)
      assert(error._tag === "ConnectionClosed")
      assert.strictEqual(error.code, 1003)
    }))

  it.scoped("counts without `bufferedAmount`, and fails to send when the socket throws", () =>
    Effect.gen(function*() {
      const ws = new MadeUp()
      const socket = yield* opened(ws)
      yield* socket.send("hello")
      assert.deepStrictEqual(progressOf(socket), { received: 0, control: 0, sent: 5, unsent: 0 })
      ws.send = () => {
        throw new Error("not now")
      }
      assert.strictEqual((yield* Effect.flip(socket.send("hello")))._tag, "SendFailed")
    }))

  it.scoped("closes without a code if the platform refuses the code", () =>
    Effect.gen(function*() {
      class Strict extends MadeUp {
        override close(...args: ReadonlyArray<unknown>) {
          if (args.length > 0 && args[0] !== 1000) throw new RangeError("InvalidAccessError")
          super.close(...args)
        }
      }
      const ws = new Strict()
      const socket = yield* opened(ws)
      yield* socket.close(1001, "bye")
      assert.deepStrictEqual(ws.closes, [[]])
    }))

  it.scoped("uses `terminate` where the object has it", () =>
    Effect.gen(function*() {
      let terminated = 0
      const ws = Object.assign(new MadeUp(), {
        terminate: () => {
          terminated++
        }
      })
      const socket = yield* opened(ws)
      yield* socket.terminate
      assert.deepStrictEqual([terminated, ws.closes.length], [1, 0])
      ws.end(1006)
    }))
})
