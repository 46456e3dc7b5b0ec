import * as PlatformSocket from "@effect/platform/Socket"
import { assert, describe, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { createHash } from "node:crypto"
import { createServer as createHttpsServer } from "node:https"
import type { AddressInfo, Server, Socket as TcpSocket } from "node:net"
import { createServer } from "node:net"
import { inspect } from "node:util"
import { WebSocket, WebSocketServer } from "ws"
import { Connection, Transport } from "holdfast"
import * as NodeTransport from "holdfast/NodeTransport"
import * as selfSigned from "./utils/selfSigned.ts"

// The bytes that a socket has moved.
const progressOf = ({ progress }: Transport.Socket): Transport.Progress => {
  if (progress === undefined) throw new Error("the transport does not count bytes")
  return progress()
}

const portOf = (server: { readonly address: () => AddressInfo | string | null }) => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

const listening = <S extends Server | WebSocketServer>(server: S) =>
  Effect.acquireRelease(
    Effect.async<S>((resume) => {
      server.once("listening", () => {
        resume(Effect.succeed(server))
      })
    }),
    (server) =>
      Effect.async<void>((resume) => {
        if ("clients" in server) { for (const client of server.clients) client.terminate() }
        server.close(() => {
          resume(Effect.void)
        })
      })
  )

// A WebSocket server that calls `onClient` with every client.
const peer = (onClient: (client: WebSocket) => void, options: { readonly autoPong?: boolean } = {}) =>
  Effect.map(
    Effect.suspend(() => {
      const server = new WebSocketServer({ host: "127.0.0.1", port: 0, ...options })
      server.on("connection", (client) => {
        client.on("error", () => undefined)
        onClient(client)
      })
      return listening(server)
    }),
    (server) => `ws://127.0.0.1:${portOf(server)}`
  )

// A TCP server that calls `onSocket` with every connection. `closed` completes when one has ended.
const raw = (onSocket: (socket: TcpSocket) => void) =>
  Effect.gen(function*() {
    let ended: () => void = () => undefined
    const closed = new Promise<void>((resolve) => {
      ended = resolve
    })
    const server = createServer((socket) => {
      socket.on("error", () => undefined)
      socket.on("close", ended)
      onSocket(socket)
      // A socket that is not read never reports its end.
      socket.resume()
    })
    server.listen(0, "127.0.0.1")
    yield* listening(server)
    return { url: `ws://127.0.0.1:${portOf(server)}`, closed: Effect.promise(() => closed) }
  })

// RFC 6455 §4.2.2: the server's proof that it has understood the key.
const accept = (key: string) =>
  createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")

const request = (url: string): Transport.DialRequest => ({
  url: Redacted.make(url),
  protocols: [],
  headers: {},
  maxMessageBytes: 1_000_000,
  closeTimeout: Duration.millis(200)
})

const dial = (url: string, overrides: Partial<Transport.DialRequest> = {}) =>
  Effect.flatMap(Transport.Transport, (transport) => transport.dial({ ...request(url), ...overrides }))

const echo = peer((client) => {
  client.on("message", (data, isBinary) => {
    client.send(data, { binary: isBinary })
  })
})

// A hundred round trips to another peer: enough time for all other messages on the way to arrive.
const roundTrips = Effect.gen(function*() {
  const other = yield* dial(yield* echo)
  for (let i = 0; i < 100; i++) {
    yield* other.send("turn")
    yield* collect(other, 1)
  }
})

class Enough extends Data.TaggedError("Enough") {}

// Receives until there are at least `count` messages.
const collect = (socket: Transport.Socket, count: number) =>
  Effect.suspend(() => {
    const all: Array<Transport.Message> = []
    return socket.receive((batch) => {
      all.push(...batch)
      return all.length < count ? undefined : new Enough()
    }).pipe(Effect.catchTag("Enough", () => Effect.succeed(all)))
  })

// The end of a socket that receives no message before it.
const ending = (socket: Transport.Socket) =>
  Effect.flip(socket.receive((batch) => Effect.dieMessage(`received ${String(batch)}`)))

const transports = {
  NodeTransport: NodeTransport.layer,
  layerWebSocketConstructor: Transport.layerWebSocketConstructor.pipe(
    // `ws` also implements the WHATWG interface.
    Layer.provide(Layer.succeed(PlatformSocket.WebSocketConstructor, (url, protocols) => {
      const ws = new WebSocket(url, protocols)
      const whatwg: unknown = ws
      if (!isWhatwg(whatwg)) throw new Error("ws does not look like a WebSocket")
      return whatwg
    }))
  )
}

const isWhatwg = (value: unknown): value is globalThis.WebSocket => value instanceof WebSocket

for (const [name, layer] of Object.entries(transports)) {
  describe(name, () => {
    it.scopedLive("receives text as strings and binary as bytes, in order", () =>
      Effect.gen(function*() {
        const url = yield* peer((client) => {
          for (let i = 0; i < 100; i++) client.send(i % 2 === 0 ? `päckchen ${i}` : Buffer.of(i))
        })
        const socket = yield* dial(url)
        const all = yield* collect(socket, 100)
        all.forEach((message, i) => {
          if (i % 2 === 0) assert.strictEqual(message, `päckchen ${i}`)
          else assert.deepStrictEqual(typeof message === "string" ? [] : [...message], [i])
        })
      }).pipe(Effect.provide(layer)))

    it.scopedLive("receives the messages before the end, then always the same end", () =>
      Effect.gen(function*() {
        const url = yield* peer((client) => {
          client.send("last words")
          client.close(4321, "that is all")
        })
        const socket = yield* dial(url)
        assert.deepStrictEqual(yield* collect(socket, 1), ["last words"])
        for (let i = 0; i < 2; i++) {
          const error = yield* ending(socket)
          assert(error._tag === "ConnectionClosed")
          assert.deepStrictEqual([error.code, error.reason], [4321, "that is all"])
        }
        const unsent = yield* Effect.flip(socket.send("too late"))
        assert.strictEqual(unsent.message, "The message could not be sent: the socket has ended.")
      }).pipe(Effect.provide(layer)))

    it.scopedLive("calls the handler with each batch, goes on after an interruption, and repeats the end", () =>
      Effect.gen(function*() {
        const texts = ["one", "two", "three", "four"]
        const url = yield* peer((client) => {
          // The peer sends each text when the client has seen the one before it.
          client.on("message", () => {
            const text = texts.shift()
            if (text === undefined) client.close(4321, "that is all")
            else client.send(text)
          })
        })
        const socket = yield* dial(url)
        const seen: Array<Transport.Message> = []
        const receiveUntil = (last: string) => {
          const all = Effect.runSync(Deferred.make<void>())
          const run = socket.receive((batch) => {
            seen.push(...batch)
            if (batch.includes(last)) Deferred.unsafeDone(all, Effect.void)
            else Effect.runFork(socket.send("next"))
          })
          return { all: Deferred.await(all), run }
        }

        const first = receiveUntil("two")
        const receiving = yield* Effect.fork(first.run)
        yield* socket.send("next")
        yield* first.all
        yield* Fiber.interrupt(receiving)
        yield* socket.send("next")
        // It arrives while no `receive` runs.
        yield* roundTrips
        assert.deepStrictEqual(yield* collect(socket, 1), ["three"])
        assert.deepStrictEqual(seen, ["one", "two"])

        const second = yield* Effect.fork(receiveUntil("").run)
        yield* socket.send("next")
        const error = yield* Effect.flip(Fiber.join(second))
        assert(error._tag === "ConnectionClosed")
        assert.strictEqual(error.code, 4321)
        assert.deepStrictEqual(seen, ["one", "two", "four"])
        assert.deepStrictEqual(yield* ending(socket), error)
      }).pipe(Effect.provide(layer)))

    it.scopedLive("does not call the handler while its effect runs, and fails when that effect fails", () =>
      Effect.gen(function*() {
        const socket = yield* dial(yield* echo)
        const seen: Array<string> = []
        const held = yield* Effect.makeLatch()
        const receiving = yield* Effect.fork(Effect.flip(socket.receive((batch) => {
          seen.push(String(batch))
          return batch.includes("one")
            ? Effect.zipRight(Effect.orDie(socket.send("two")), held.await)
            : Effect.fail(new Enough())
        })))
        yield* socket.send("one")
        // By now "two" has come back.
        yield* roundTrips
        seen.push("the effect is done")
        yield* held.open
        assert.strictEqual((yield* receiving)._tag, "Enough")
        assert.deepStrictEqual(seen, ["one", "the effect is done", "two"])
        yield* socket.send("three")
        assert.deepStrictEqual(yield* collect(socket, 1), ["three"])
      }).pipe(Effect.provide(layer)))

    it.scopedLive("calls the handler with messages that arrived during its effect, before the end", () =>
      Effect.gen(function*() {
        const url = yield* peer((client) => {
          client.on("message", () => {
            client.send("last words")
            client.close(4321)
          })
          client.send("one")
        })
        const socket = yield* dial(url)
        const seen: Array<string> = []
        const held = yield* Effect.makeLatch()
        const receiving = yield* Effect.fork(Effect.flip(socket.receive((batch) => {
          seen.push(String(batch))
          return batch.includes("one") ? Effect.zipRight(Effect.orDie(socket.send("go on")), held.await) : undefined
        })))
        yield* roundTrips
        yield* held.open
        const error = yield* receiving
        assert(error._tag === "ConnectionClosed")
        assert.strictEqual(error.code, 4321)
        assert.deepStrictEqual(seen, ["one", "last words"])
      }).pipe(Effect.provide(layer)))

    it.scopedLive("ends with a defect when the handler throws, on a held message and on a new one", () =>
      Effect.gen(function*() {
        const socket = yield* dial(yield* echo)
        const broken = Effect.exit(socket.receive(() => {
          throw new Error("broken")
        }))
        yield* socket.send("held")
        yield* roundTrips
        assert.deepStrictEqual(yield* broken, Exit.die(new Error("broken")))

        const receiving = yield* Effect.fork(broken)
        yield* roundTrips
        yield* socket.send("new")
        assert.deepStrictEqual(yield* Fiber.join(receiving), Exit.die(new Error("broken")))
      }).pipe(Effect.provide(layer)))

    it.scopedLive("sends text and bytes, and has the subprotocol that the server chose", () =>
      Effect.gen(function*() {
        const socket = yield* dial(yield* echo, { protocols: ["two", "one"] })
        yield* socket.send("text")
        yield* socket.send(Uint8Array.of(1, 2))
        const [text, bytes] = yield* collect(socket, 2)
        assert.strictEqual(text, "text")
        assert.deepStrictEqual(Buffer.from(bytes ?? ""), Buffer.of(1, 2))
        assert.strictEqual(socket.protocol, "two")
      }).pipe(Effect.provide(layer)))

    it.scopedLive("fails on a message that is too large", () =>
      Effect.gen(function*() {
        const url = yield* peer((client) => {
          client.send("x".repeat(101))
        })
        const socket = yield* dial(url, { maxMessageBytes: 100 })
        const error = yield* ending(socket)
        assert.strictEqual(error.message, "The peer sent a message of more than 100 bytes. Raise maxMessageBytes to accept it.")
      }).pipe(Effect.provide(layer)))

    it.scopedLive("does not show a URL that cannot be dialled", () =>
      Effect.gen(function*() {
        for (const url of ["secret", "http://secret/", "ws://host/#secret", "ws://secret:port/"]) {
          const error = yield* Effect.flip(dial(url))
          assert.strictEqual(error._tag, "InvalidUrl")
          assert.notInclude(error.message + JSON.stringify(error), "secret")
        }
      }).pipe(Effect.provide(layer)))

    it.scopedLive("fails a dial to a port without a server", () =>
      Effect.gen(function*() {
        const url = yield* Effect.scoped(Effect.map(raw(() => undefined), (server) => server.url))
        const error = yield* Effect.flip(dial(url))
        assert.strictEqual(error._tag, "DialFailed")
      }).pipe(Effect.provide(layer)))

    it.scopedLive("closes the TCP connection of a dial that is interrupted", () =>
      Effect.gen(function*() {
        let connected: () => void = () => undefined
        const connection = new Promise<void>((resolve) => {
          connected = resolve
        })
        const { closed, url } = yield* raw((socket) => {
          socket.resume()
          connected()
        })
        const dialling = yield* Effect.fork(Effect.scoped(dial(url)))
        yield* Effect.promise(() => connection)
        yield* Fiber.interrupt(dialling)
        yield* closed
      }).pipe(Effect.provide(layer)))

    it.scopedLive("sends a close frame when its scope closes", () =>
      Effect.gen(function*() {
        let onClose: (code: number) => void = () => undefined
        const code = new Promise<number>((resolve) => {
          onClose = resolve
        })
        const url = yield* peer((client) => {
          client.on("close", onClose)
        })
        yield* Effect.scoped(dial(url))
        assert.strictEqual(yield* Effect.promise(() => code), 1000)
      }).pipe(Effect.provide(layer)))
  })
}

describe("NodeTransport", () => {
  const provide = Effect.provide(NodeTransport.layer)

  // The size of the largest batch when a server writes this many messages at once.
  const burst = (count: number) =>
    Effect.gen(function*() {
      const sent = Array.from({ length: count }, (_, i) => String(10_000 + i))
      // Text frames of five characters, unmasked as a server's are (RFC 6455 §5.2).
      const frames = Buffer.concat(sent.map((text) => Buffer.from([0x81, 5, ...Buffer.from(text)])))
      const { url } = yield* raw((socket) => {
        socket.once("data", (data) => {
          const key = /sec-websocket-key: (.*)\r/i.exec(data.toString())?.[1] ?? ""
          socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
            `Sec-WebSocket-Accept: ${accept(key)}\r\n\r\n`)
          socket.once("data", () => socket.write(frames))
        })
      })
      const socket = yield* dial(url)
      const batches: Array<ReadonlyArray<Transport.Message>> = []
      const all = yield* Deferred.make<void>()
      const receiving = yield* Effect.fork(socket.receive((batch) => {
        batches.push(batch)
        if (batch.at(-1) === sent.at(-1)) Deferred.unsafeDone(all, Effect.void)
      }))
      yield* socket.send("go")
      yield* Deferred.await(all)
      yield* Fiber.interrupt(receiving)
      assert.deepStrictEqual(batches.flat(), sent)
      return Math.max(...batches.map(({ length }) => length))
    })

  it.scopedLive("splits a burst into small batches, in order", () =>
    Effect.gen(function*() {
      assert.isAtMost(yield* burst(200), 32)
    }).pipe(provide))

  it.scopedLive("makes one batch of a full read, because more data waits behind it", () =>
    Effect.gen(function*() {
      assert.isAbove(yield* burst(30_000), 5_000)
    }).pipe(provide))

  it.scopedLive("terminates the socket if the peer does not answer the close frame", () =>
    Effect.gen(function*() {
      const { closed, url } = yield* raw((socket) => {
        socket.once("data", (data) => {
          const key = /sec-websocket-key: (.*)\r/i.exec(data.toString())?.[1] ?? ""
          socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
            `Sec-WebSocket-Accept: ${accept(key)}\r\n\r\n`)
          // It reads no frame after this.
        })
      })
      yield* Effect.scoped(dial(url))
      yield* closed
    }).pipe(provide))

  // A server frame (RFC 6455 §5.2) with a short payload.
  const frame = (opcode: number, payload: Uint8Array | string, isFinal = true) => {
    const bytes = Buffer.from(payload)
    return Buffer.concat([Buffer.from([(isFinal ? 0x80 : 0) | opcode, bytes.length]), bytes])
  }

  const closeFrame = (code: number, reason: string) => {
    const payload = Buffer.alloc(2)
    payload.writeUInt16BE(code)
    return frame(8, Buffer.concat([payload, Buffer.from(reason)]))
  }

  // A server that opens a WebSocket on every TCP connection, and never closes it by itself.
  const halfOpen = (onOpen: (socket: TcpSocket) => void) =>
    Effect.gen(function*() {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        socket.on("error", () => undefined)
        socket.once("data", (data) => {
          const key = /sec-websocket-key: (.*)\r/i.exec(data.toString())?.[1] ?? ""
          socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
            `Sec-WebSocket-Accept: ${accept(key)}\r\n\r\n`)
          onOpen(socket)
        })
      })
      const sockets = new Set<TcpSocket>()
      server.on("connection", (socket) => sockets.add(socket))
      server.listen(0, "127.0.0.1")
      yield* listening(server)
      yield* Effect.addFinalizer(() => Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
      }))
      return `ws://127.0.0.1:${portOf(server)}`
    })

  for (const code of [1009, 1013, 4001]) {
    it.scopedLive(`ends with the close frame ${code}, while the TCP connection stays open`, () =>
      Effect.gen(function*() {
        const url = yield* halfOpen((socket) => {
          socket.resume()
          socket.write(Buffer.concat([frame(1, "last"), closeFrame(code, "go away")]))
        })
        const socket = yield* dial(url, { closeTimeout: Duration.hours(1) })
        const received: Array<Transport.Message> = []
        const error = yield* Effect.flip(socket.receive((batch) => {
          received.push(...batch)
        }))
        assert(error._tag === "ConnectionClosed")
        assert.deepStrictEqual([error.code, error.reason, received], [code, "go away", ["last"]])
        assert.strictEqual((yield* Effect.flip(socket.send("late")))._tag, "SendFailed")
      }).pipe(provide))
  }

  it.scopedLive("ends with a FIN, while the peer does not read what is still to be sent", () =>
    Effect.gen(function*() {
      const url = yield* halfOpen((socket) => {
        socket.pause()
        socket.end(frame(1, "last"))
      })
      const socket = yield* dial(url)
      const sending = yield* Effect.fork(Effect.flip(socket.send(Buffer.alloc(20_000_000))))
      const error = yield* Effect.flip(socket.receive(() => undefined))
      assert(error._tag === "ConnectionClosed")
      assert.strictEqual(error.code, 1006)
      yield* socket.terminate
      assert.strictEqual((yield* sending)._tag, "SendFailed")
    }).pipe(provide))

  const endings: ReadonlyArray<readonly [string, (socket: Transport.Socket) => Effect.Effect<void>]> = [
    ["terminated", ({ terminate }) => terminate],
    ["closed", ({ close }) => close()]
  ]
  for (const [name, end] of endings) {
    it.scopedLive(`fails a send that was cut when the socket was ${name}, and those queued behind it`, () =>
      Effect.gen(function*() {
        let received = 0
        const firstBytes = Effect.unsafeMakeLatch(false)
        const url = yield* halfOpen((socket) => {
          socket.on("data", ({ length }) => {
            received += length
            socket.pause()
            firstBytes.unsafeOpen()
          })
        })
        const socket = yield* dial(url)
        const sends = yield* Effect.forEach([20_000_000, 100, 100], (size) =>
          Effect.fork(Effect.flip(socket.send(Buffer.alloc(size)))))
        yield* firstBytes.await
        yield* end(socket)
        const errors = yield* Fiber.joinAll(sends)
        const cut = "The message could not be sent: the socket ended before it was sent whole."
        assert.deepStrictEqual(errors.map(({ message }) => message), [cut, cut, cut])
        assert.isBelow(received, 20_000_000)
      }).pipe(provide))
  }

  it.scopedLive("takes any number of pings in one read, and answers the latest", () =>
    Effect.gen(function*() {
      const answered = Effect.unsafeMakeLatch(false)
      const url = yield* halfOpen((socket) => {
        const pings = Array.from({ length: 500 }, (_, i) => frame(9, String(i)))
        let all = ""
        socket.on("data", (data) => {
          // The mask of a client's frame (RFC 6455 §5.3) is undone.
          for (let at = 0; at + 6 <= data.length;) {
            const length = (data[at + 1] ?? 0) & 0x7f
            const mask = data.subarray(at + 2, at + 6)
            const payload = data.subarray(at + 6, at + 6 + length).map((byte, i) => byte ^ (mask[i % 4] ?? 0))
            all += `${Buffer.from(payload).toString()} `
            at += 6 + length
          }
          if (all.endsWith("499 ")) answered.unsafeOpen()
        })
        socket.write(Buffer.concat([...pings, frame(1, "after")]))
      })
      const socket = yield* dial(url)
      assert.deepStrictEqual(yield* collect(socket, 1), ["after"])
      yield* answered.await
    }).pipe(provide))

  it.scopedLive("takes a message in 20,000 fragments", () =>
    Effect.gen(function*() {
      const url = yield* halfOpen((socket) => {
        const fragments = Array.from({ length: 20_000 }, (_, i) => frame(i === 0 ? 1 : 0, "x", i === 19_999))
        socket.resume()
        socket.write(Buffer.concat(fragments))
      })
      const socket = yield* dial(url)
      const [message] = yield* collect(socket, 1)
      assert.strictEqual(message, "x".repeat(20_000))
    }).pipe(provide))

  it.scopedLive("ends with code 1008 on a message in more fragments than fit into memory", () =>
    Effect.gen(function*() {
      const url = yield* halfOpen((socket) => {
        socket.resume()
        const some = Buffer.concat(Array.from({ length: 1_000 }, () => frame(0, "x", false)))
        socket.write(Buffer.concat([frame(1, "x", false), ...Array.from({ length: 263 }, () => some)]))
      })
      const error = yield* ending(yield* dial(url))
      assert(error._tag === "ConnectionClosed")
      assert.deepStrictEqual([error.code, error.reason], [1008, "Too many message fragments"])
    }).pipe(provide))

  it.scopedLive("counts the bytes of an unfinished message, and those that the peer has taken", () =>
    Effect.gen(function*() {
      const read = Effect.unsafeMakeLatch(false)
      const url = yield* halfOpen((socket) => {
        socket.pause()
        // The beginning of a message of 100 bytes.
        socket.write(Buffer.from([0x81, 100, 0x78, 0x78]))
        Effect.runFork(Effect.map(read.await, () => socket.resume()))
      })
      const socket = yield* dial(url)
      const before = progressOf(socket)
      const sending = yield* Effect.fork(socket.send(Buffer.alloc(20_000_000)))
      const until = (holds: () => boolean): Effect.Effect<void> =>
        Effect.suspend(() => holds() ? Effect.void : Effect.zipRight(Effect.sleep("1 millis"), until(holds)))
      yield* until(() => progressOf(socket).received >= before.received && progressOf(socket).unsent > 0)
      const stuck = progressOf(socket)
      assert.isAbove(stuck.unsent, 0)
      yield* read.open
      yield* until(() => progressOf(socket).sent > stuck.sent)
      yield* sending
      assert.strictEqual(progressOf(socket).unsent, 0)
    }).pipe(provide))

  it.scopedLive("says why each address of a host refused", () =>
    Effect.gen(function*() {
      const free = yield* Effect.scoped(peer(() => undefined))
      const port = Number(new URL(free).port)
      const error = yield* Effect.flip(dial(`ws://127.0.0.1:${port}`))
      assert(error._tag === "DialFailed")
      assert.match(error.message, /^The dial failed with ECONNREFUSED: .*127\.0\.0\.1:\d+\.$/)
    }).pipe(provide))

  it.scopedLive("asks whether the URL should be ws:// when the server does not speak TLS", () =>
    Effect.gen(function*() {
      const url = yield* peer(() => undefined)
      const error = yield* Effect.flip(dial(url.replace("ws://", "wss://")))
      assert(error._tag === "DialFailed")
      assert.match(
        error.message,
        /^The dial failed with \w+: the server does not speak TLS\. Should the URL begin with ws:\/\/ instead of wss:\/\/\?$/
      )
    }).pipe(provide))

  it.scopedLive("fails a dial to a server that does not speak HTTP", () =>
    Effect.gen(function*() {
      const { url } = yield* raw((socket) => {
        socket.end("I am no web server.\r\n\r\n")
      })
      const error = yield* Effect.flip(dial(url))
      assert.strictEqual(error._tag, "DialFailed")
    }).pipe(provide))

  it.scopedLive("fails a dial if the server's Sec-WebSocket-Accept is wrong", () =>
    Effect.gen(function*() {
      const { url } = yield* raw((socket) => {
        socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Accept: nonsense\r\n\r\n`)
      })
      const error = yield* Effect.flip(dial(url))
      assert(error._tag === "DialFailed")
      assert.include(error.reason, "Sec-WebSocket-Accept")
    }).pipe(provide))

  for (const [answer, protocols, code] of [
    ["", ["chat"], "ERR_SUBPROTOCOL"],
    ["Sec-WebSocket-Protocol: mail\r\n", ["chat"], "ERR_SUBPROTOCOL"],
    ["Sec-WebSocket-Protocol: mail\r\n", [], "ERR_SUBPROTOCOL"],
    ["Sec-WebSocket-Extensions: permessage-deflate\r\n", [], "ERR_EXTENSION"]
  ] as const) {
    it.scopedLive(`fails a dial with ${code} when ${protocols.join() || "no subprotocol"} is offered and the answer is "${answer.trim()}"`, () =>
      Effect.gen(function*() {
        const { url } = yield* raw((socket) => {
          socket.once("data", (data) => {
            const key = /sec-websocket-key: (.*)\r/i.exec(data.toString())?.[1] ?? ""
            socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
              `Sec-WebSocket-Accept: ${accept(key)}\r\n${answer}\r\n`)
          })
        })
        const error = yield* Effect.flip(dial(url, { protocols }))
        assert(error._tag === "DialFailed")
        assert.strictEqual(error.code, code)
      }).pipe(provide))
  }

  it.scopedLive("does not wait for the whole body of a refusal", () =>
    Effect.gen(function*() {
      const { url } = yield* raw((socket) => {
        socket.write(`HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n`)
      })
      const error = yield* Effect.flip(dial(url))
      assert(error._tag === "HandshakeRejected")
      assert.deepStrictEqual([error.status, error.body], [503, "busy"])
    }).pipe(provide))

  it.scopedLive("refuses a self-signed certificate", () =>
    Effect.gen(function*() {
      const https = createHttpsServer({ key: selfSigned.key, cert: selfSigned.cert })
      https.listen(0, "127.0.0.1")
      yield* listening(https)
      const error = yield* Effect.flip(dial(`wss://127.0.0.1:${portOf(https)}`))
      assert(error._tag === "DialFailed")
      assert.strictEqual(error.code, "DEPTH_ZERO_SELF_SIGNED_CERT")
    }).pipe(provide))

  it.scopedLive("refuses invalid headers and subprotocols without showing them", () =>
    Effect.gen(function*() {
      const url = yield* peer(() => undefined)
      for (
        const overrides of [
          { headers: { authorization: Redacted.make("secret\n") } },
          { protocols: ["not a token"] }
        ]
      ) {
        const error = yield* Effect.flip(dial(url, overrides))
        assert(error._tag === "DialFailed")
        assert.strictEqual(error.code, "ERR_INVALID_REQUEST")
        assert.notInclude(error.message, "secret")
      }
    }).pipe(provide))

  it.scopedLive("sends headers", () =>
    Effect.gen(function*() {
      const server = yield* Effect.suspend(() => listening(new WebSocketServer({ host: "127.0.0.1", port: 0 })))
      const seen = new Promise((resolve) => {
        server.on("connection", (_, { headers }) => {
          resolve(headers["x-key"])
        })
      })
      yield* dial(`ws://127.0.0.1:${portOf(server)}`, { headers: { "X-Key": Redacted.make("value") } })
      assert.strictEqual(yield* Effect.promise(() => seen), "value")
    }).pipe(provide))

  it.scopedLive("ends with code 1007 on text that is not UTF-8", () =>
    Effect.gen(function*() {
      const url = yield* peer((client) => {
        client.send(Buffer.of(0xff, 0xfe), { binary: false })
      })
      const socket = yield* dial(url)
      const error = yield* ending(socket)
      assert(error._tag === "ConnectionClosed")
      assert.deepStrictEqual([error.code, error.reason], [1007, "invalid UTF-8 sequence"])
    }).pipe(provide))

  it.scopedLive("completes a ping with its own pong only", () =>
    Effect.gen(function*() {
      const url = yield* peer((client) => {
        client.on("ping", () => {
          client.pong("to another ping")
          client.send("ponged")
        })
      }, { autoPong: false })
      const socket = yield* dial(url)
      const unanswered = yield* Effect.fork(socket.ping)
      yield* collect(socket, 1)
      yield* socket.terminate
      const error = yield* Effect.flip(Fiber.join(unanswered))
      assert.strictEqual(error._tag, "ConnectionClosed")

      const answering = yield* dial(yield* peer(() => undefined))
      yield* answering.ping
      yield* answering.ping
    }).pipe(provide))

  it.scopedLive("finishes the closing handshake behind many unread messages", () =>
    Effect.gen(function*() {
      const text = "x".repeat(2_000)
      const url = yield* peer((client) => {
        for (let i = 0; i < 20_000; i++) client.send(text)
      })
      // Without the peer's close frame, the test would time out.
      const withoutDeadline = { closeTimeout: Duration.hours(1) }
      yield* Effect.scoped(Effect.zipRight(dial(url, withoutDeadline), roundTrips))
    }).pipe(provide))

  // A peer that sends more than all buffers hold. `unsent` is the number of bytes that it still holds.
  const flood = Effect.gen(function*() {
    const total = 20_000
    const text = "x".repeat(2_000)
    let client: WebSocket | undefined
    const url = yield* peer((connected) => {
      client = connected
      for (let i = 0; i < total; i++) connected.send(`${i} ${text}`)
    })
    return { url, total, unsent: () => client?.bufferedAmount ?? 0 }
  })

  const numbers = (messages: ReadonlyArray<Transport.Message>) => messages.map((message) => parseInt(String(message)))

  it.scopedLive("slows the peer down while no receive runs, and loses no message", () =>
    Effect.gen(function*() {
      const { total, unsent, url } = yield* flood
      const socket = yield* dial(url)
      yield* roundTrips
      assert.isAbove(unsent(), 10_000_000)
      const all = yield* collect(socket, total)
      assert.deepStrictEqual(numbers(all), Array.from({ length: total }, (_, i) => i))
    }).pipe(provide))

  it.scopedLive("slows the peer down while the handler's effect runs, and loses no message", () =>
    Effect.gen(function*() {
      const { total, unsent, url } = yield* flood
      const socket = yield* dial(url)
      const all: Array<Transport.Message> = []
      const held = yield* Effect.makeLatch()
      const receiving = yield* Effect.fork(Effect.flip(socket.receive((batch) => {
        all.push(...batch)
        return all.length < total ? held.await : Effect.fail(new Enough())
      })))
      yield* roundTrips
      assert.isAbove(unsent(), 10_000_000)
      yield* held.open
      assert.strictEqual((yield* receiving)._tag, "Enough")
      assert.deepStrictEqual(numbers(all), Array.from({ length: total }, (_, i) => i))
    }).pipe(provide))
})

describe("layerWebSocketConstructor", () => {
  it.scopedLive("has no optional capability, and refuses headers", () =>
    Effect.gen(function*() {
      const { capabilities } = yield* Transport.Transport
      assert.deepStrictEqual(Object.values(capabilities), [false, false, false, false, false])
      const error = yield* Effect.flip(dial("ws://127.0.0.1:1", { headers: { "x-key": Redacted.make("value") } }))
      assert(error._tag === "DialFailed")
      assert.strictEqual(error.code, "UNSUPPORTED_HEADERS")
    }).pipe(Effect.provide(transports.layerWebSocketConstructor)))

  // Deno gives 0 for a socket that was cut.
  it.scopedLive("ends with code 1006 if the platform gives no close code", () => {
    class Cut extends WebSocket {
      override emit(event: string | symbol, ...args: Array<unknown>): boolean {
        return event === "close" ? super.emit(event, 0, Buffer.alloc(0)) : super.emit(event, ...args)
      }
    }
    const layer = Transport.layerWebSocketConstructor.pipe(
      Layer.provide(Layer.succeed(PlatformSocket.WebSocketConstructor, (url, protocols) => {
        const ws: unknown = new Cut(url, protocols)
        assert(isWhatwg(ws))
        return ws
      }))
    )
    return Effect.gen(function*() {
      const url = yield* peer((client) => {
        client.terminate()
      })
      const socket = yield* dial(url)
      const error = yield* Effect.flip(socket.receive(() => undefined))
      assert(error._tag === "ConnectionClosed")
      assert.strictEqual(error.code, 1006)
    }).pipe(Effect.provide(layer))
  })
})

describe("the headers of a refusal", () => {
  it.scopedLive("are in the error; secrets are neither in its message nor in its JSON", () =>
    Effect.gen(function*() {
      const { url } = yield* raw((socket) => {
        socket.once("data", () => {
          socket.end([
            "HTTP/1.1 307 Temporary Redirect",
            "Location: wss://other.test/feed?token=sesame-123",
            "WWW-Authenticate: Bearer error=expired",
            "Set-Cookie: session=crumbs-456",
            "X-RateLimit-Reset: 5",
            "Content-Length: 0",
            "",
            ""
          ].join("\r\n"))
        })
      })
      const connection = yield* Connection.make({ url: `${url}/feed?token=sesame-123`, reconnect: { enabled: false } })
      const error = yield* Effect.flip(connection.awaitOpen)
      if (error._tag !== "HandshakeRejected") return assert.fail(error._tag)
      assert.strictEqual(error.headers["set-cookie"], "session=crumbs-456")
      const shown: unknown = JSON.parse(JSON.stringify(error.headers))
      assert.deepStrictEqual(shown, {
        location: "wss://other.test…",
        "www-authenticate": "Bearer error=expired",
        "x-ratelimit-reset": "5",
        "content-length": "0"
      })
      assert.notInclude(JSON.stringify(error) + error.message + inspect(error), "crumbs-456")
      assert.notInclude(error.message, "expired")
    }).pipe(Effect.provide(NodeTransport.layer)))
})
