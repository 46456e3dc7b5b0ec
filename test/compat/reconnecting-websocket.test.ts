// The behaviours that reconnecting-websocket 4.4 tests of itself, and those of the drop-in beyond them, against servers of `ws` on
// 127.0.0.1.
import { afterEach, assert, beforeEach, describe, it, vi } from "@effect/vitest"
import type { CloseEvent, ErrorEvent, Options } from "holdfast/compat/reconnecting-websocket"
import ReconnectingWebSocket from "holdfast/compat/reconnecting-websocket"
import { once } from "node:events"
import { createServer } from "node:net"
import { WebSocket, WebSocketServer } from "ws"
import { arrives, portOf, serve } from "../promise/server.ts"

// Nothing listens there.
const refused = "ws://127.0.0.1:1"
const quick: Options = { minReconnectionDelay: 10, maxReconnectionDelay: 20 }

const made: Array<ReconnectingWebSocket> = []

const make = (...parameters: ConstructorParameters<typeof ReconnectingWebSocket>): ReconnectingWebSocket => {
  const socket = new ReconnectingWebSocket(...parameters)
  made.push(socket)
  return socket
}

// What programs without types pass.
const untyped = (...parameters: ReadonlyArray<unknown>): ReconnectingWebSocket => {
  const socket: unknown = Reflect.construct(ReconnectingWebSocket, parameters)
  assert(socket instanceof ReconnectingWebSocket)
  made.push(socket)
  return socket
}

const isClose = (event: Event): event is CloseEvent => event.type === "close"
const isError = (event: Event): event is ErrorEvent => event.type === "error"
const isMessage = (event: Event): event is MessageEvent => event.type === "message"

const next = (socket: EventTarget, name: string): Promise<Event> =>
  new Promise((resolve) => {
    socket.addEventListener(name, resolve, { once: true })
  })

const closeOf = async (socket: ReconnectingWebSocket): Promise<CloseEvent> => {
  const event = await next(socket, "close")
  assert(isClose(event))
  return event
}

const dataOf = async (socket: ReconnectingWebSocket): Promise<unknown> => {
  const event = await next(socket, "message")
  assert(isMessage(event))
  return event.data
}

const errorsOf = (socket: ReconnectingWebSocket): ReadonlyArray<ErrorEvent> => {
  const errors: Array<ErrorEvent> = []
  socket.addEventListener("error", (event) => {
    if (isError(event)) errors.push(event)
  })
  return errors
}

// Waits until a condition holds after some event of the socket.
const until = async (socket: ReconnectingWebSocket, name: string, holds: () => boolean): Promise<void> => {
  while (!holds()) await next(socket, name)
}

beforeEach(() => {
  vi.stubGlobal("WebSocket", WebSocket)
})

afterEach(() => {
  for (const socket of made.splice(0)) socket.close()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

describe("the class that dials", () => {
  it("is refused with a sentence unless it is like a WebSocket", () => {
    vi.stubGlobal("WebSocket", undefined)
    assert.throws(() => untyped(refused, undefined, { WebSocket: 123 }), /^The option WebSocket must be a class .*, but is 123\.$/)
    assert.throws(() => untyped(refused), /^This platform has no WebSocket\. Give a class as the option WebSocket/)
    vi.stubGlobal("WebSocket", {})
    assert.throws(() => untyped(refused), /^This platform has no WebSocket/)
  })

  it("is the option, else the global one", async () => {
    await using server = await serve()
    class Own extends WebSocket {}
    const built: Array<string> = []
    const noted = (name: string) =>
      class extends Own {
        constructor(...parameters: ConstructorParameters<typeof WebSocket>) {
          super(...parameters)
          built.push(name)
        }
      }
    vi.stubGlobal("WebSocket", noted("global"))
    await next(make(server.url), "open")
    await next(make(server.url, undefined, { WebSocket: noted("option") }), "open")
    assert.deepStrictEqual(built, ["global", "option"])
  })

  it("needs `new`", () => {
    assert.throws(() => { Reflect.apply(ReconnectingWebSocket, undefined, [refused]) }, TypeError)
  })
})

describe("its attributes", () => {
  it("have their first values before a dial", () => {
    const socket = make(refused, undefined, { maxRetries: 0 })
    const { CLOSED, CLOSING, CONNECTING, OPEN, binaryType, bufferedAmount, extensions, protocol, readyState, retryCount, url } = socket
    assert.deepStrictEqual([bufferedAmount, protocol, url, extensions, binaryType, readyState, retryCount], [0, "", "", "", "blob", 0, 0])
    assert.deepStrictEqual([CONNECTING, OPEN, CLOSING, CLOSED], [0, 1, 2, 3])
    const { CLOSED: closed, CLOSING: closing, CONNECTING: connecting, OPEN: open } = ReconnectingWebSocket
    assert.deepStrictEqual([connecting, open, closing, closed], [0, 1, 2, 3])
  })

  for (const [given, protocol] of [["chat", "chat"], [["chat", "other"], "chat"], [undefined, ""], [null, ""], [[], ""]] as const) {
    it(`have what the server chose: protocols ${JSON.stringify(given)}`, async () => {
      await using server = await serve()
      const socket = make(server.url, given)
      await next(socket, "open")
      assert.deepStrictEqual([socket.url, socket.protocol, socket.extensions], [`${server.url}/`, protocol, ""])
      assert.deepStrictEqual([socket.bufferedAmount, socket.readyState], [0, socket.OPEN])
    })
  }

  it("decide how bytes arrive", async () => {
    await using server = await serve()
    const socket = make(server.url)
    await next(socket, "open")
    const peer = await server.accepted()
    const arrive = async () => {
      const data = dataOf(socket)
      peer.send(new Uint8Array([1, 2, 3]))
      return data
    }
    const blob = await arrive()
    assert(blob instanceof Blob)
    assert.deepStrictEqual([...new Uint8Array(await blob.arrayBuffer())], [1, 2, 3])
    socket.binaryType = "arraybuffer"
    const buffer = await arrive()
    assert(buffer instanceof ArrayBuffer)
    assert.deepStrictEqual([...new Uint8Array(buffer)], [1, 2, 3])
    socket.binaryType = "nodebuffer"
    assert.isTrue(Buffer.isBuffer(await arrive()))
  })
})

describe("the URL", () => {
  it("may come from a function, at once or later, before every dial", async () => {
    await using server = await serve()
    let calls = 0
    const url = () => {
      calls++
      return server.url
    }
    for (const provider of [url, async () => Promise.resolve(url())]) {
      const socket = make(provider, undefined, quick)
      await next(socket, "open")
      ;(await server.accepted()).terminate()
      await next(socket, "open")
      await server.accepted()
    }
    assert.strictEqual(calls, 4)
  })

  it("is refused with a sentence, or fails the dial, if it is none", async () => {
    assert.throws(() => untyped(123), /^The URL must be a text, or a function that gives one, but is 123\.$/)
    const error = await next(untyped(() => 123, undefined, { ...quick, maxRetries: 0 }), "error")
    assert(isError(error))
    assert.match(error.message, /What the function of the URL gives must be a text, but is 123/)
  })

  it("is asked for again when its function fails", async () => {
    await using server = await serve()
    let calls = 0
    const socket = make(async () => {
      if (++calls === 1) throw new Error("no token yet")
      return Promise.resolve(server.url)
    }, undefined, quick)
    await next(socket, "open")
    assert.strictEqual(calls, 2)
  })

  it("ends it if it can never be dialled", async () => {
    const socket = make("http://127.0.0.1", undefined, quick)
    const error = await next(socket, "error")
    assert(isError(error))
    assert.match(error.message, /^The URL cannot be dialled/)
    assert.strictEqual(socket.readyState, socket.CLOSED)
  })
})

describe("retries", () => {
  for (const maxRetries of [0, 1, 5]) {
    it(`are ${maxRetries} at most`, async () => {
      const socket = make(refused, undefined, { maxRetries, minReconnectionDelay: 1, maxReconnectionDelay: 2 })
      const errors = errorsOf(socket)
      const counts: Array<number> = []
      socket.addEventListener("error", () => counts.push(socket.retryCount))
      await until(socket, "close", () => errors.length === maxRetries + 1)
      assert.deepStrictEqual(counts, [...Array.from({ length: maxRetries }, (_, i) => i + 1), maxRetries])
      assert.isTrue(errors.every(({ message }) => message.includes("ECONNREFUSED")))
      assert.strictEqual(socket.readyState, socket.CLOSED)
      // It begins anew when it is asked to.
      socket.reconnect()
      await next(socket, "error")
      assert.strictEqual(socket.retryCount, Math.min(1, maxRetries))
    })
  }

  it("wait longer each time, up to the longest wait", async () => {
    const log = vi.spyOn(console, "log").mockReturnValue()
    const socket = make(refused, undefined, {
      minReconnectionDelay: 10,
      maxReconnectionDelay: 50,
      reconnectionDelayGrowFactor: 2,
      debug: true
    })
    const delays = () => log.mock.calls.flatMap(([, what, delay]: ReadonlyArray<unknown>) => what === "next delay" ? [delay] : [])
    await until(socket, "close", () => delays().length === 5)
    assert.deepStrictEqual(delays(), [10, 20, 40, 50, 50])
    assert.deepStrictEqual(log.mock.calls[0], ["RWS>", "connect", 0])
  })

  it("are written to the console only if asked for", async () => {
    const log = vi.spyOn(console, "log").mockReturnValue()
    await next(make(refused, undefined, { maxRetries: 0 }), "error")
    assert.strictEqual(log.mock.calls.length, 0)
  })

  it("are counted anew after a connection that was open for minUptime", async () => {
    await using server = await serve()
    const socket = make(server.url, [], { ...quick, minUptime: 1_000 })
    const counts: Array<number> = []
    socket.addEventListener("close", () => counts.push(socket.retryCount))
    for (const openFor of [0, 0, 1_200, 0]) {
      const peer = await server.accepted()
      if (socket.readyState !== socket.OPEN) await next(socket, "open")
      if (openFor > 0) await new Promise((resolve) => setTimeout(resolve, openFor))
      if (openFor > 0) assert.strictEqual(socket.retryCount, 0)
      const closed = next(socket, "close")
      peer.close()
      await closed
    }
    assert.deepStrictEqual(counts, [1, 2, 1, 2])
  })

  it("follow the deadline of a dial", async () => {
    const silent = createServer(() => undefined)
    silent.listen(0, "127.0.0.1")
    await once(silent, "listening")
    const port = portOf(silent)
    const socket = make(`ws://127.0.0.1:${port}`, undefined, { ...quick, connectionTimeout: 50, maxRetries: 1 })
    const errors = errorsOf(socket)
    await until(socket, "close", () => errors.length === 2)
    assert.deepStrictEqual(errors.map(({ message }) => message), ["TIMEOUT", "TIMEOUT"])
    assert.strictEqual(socket.retryCount, 1)
    silent.close()
  })

  it("are no time-outs if the dial fails at once", async () => {
    const socket = make(refused, undefined, { ...quick, maxRetries: 2, connectionTimeout: 5_000 })
    const errors = errorsOf(socket)
    await until(socket, "close", () => errors.length === 3)
    assert.isFalse(errors.some(({ message }) => message === "TIMEOUT"))
  })

  it("follow any close of the server, unless shouldReconnect says no", async () => {
    await using server = await serve()
    const codes = [1000, 1002, 1003, 1008, 1009, 4000, 4001]
    const socket = make(server.url, undefined, {
      ...quick,
      shouldReconnect: (error) => !(error._tag === "ConnectionClosed" && error.code === 4001)
    })
    for (const code of codes) {
      const peer = await server.accepted()
      const closed = closeOf(socket)
      peer.close(code, `because of ${code}`)
      const { code: seen, reason, wasClean } = await closed
      assert.deepStrictEqual([seen, reason, wasClean], [code, `because of ${code}`, true])
    }
    assert.deepStrictEqual([server.count(), socket.readyState], [codes.length, socket.CLOSED])
  })
})

describe("listeners", () => {
  it("are kept across retries, as attributes and as listeners", async () => {
    await using server = await serve()
    const socket = make(server.url, undefined, quick)
    const received: Array<string> = []
    socket.onopen = () => received.push("onopen")
    socket.onclose = () => received.push("onclose")
    socket.onmessage = ({ data }) => received.push(`onmessage ${String(data)}`)
    socket.addEventListener("open", () => received.push("open"))
    socket.addEventListener("open", { handleEvent: () => received.push("open, an object") })
    const removed = () => received.push("removed")
    socket.addEventListener("open", removed)
    socket.removeEventListener("open", removed)
    socket.addEventListener("unknown", removed)
    for (const text of ["a", "b"]) {
      const peer = await server.accepted()
      const arrived = next(socket, "message")
      peer.send(text)
      await arrived
      const closed = next(socket, "close")
      peer.close()
      await closed
    }
    const round = (text: string) => ["onopen", "open", "open, an object", `onmessage ${text}`, "onclose"]
    assert.deepStrictEqual(received.slice(0, 10), [...round("a"), ...round("b")])
  })
})

describe("sending", () => {
  it("echoes", async () => {
    await using server = await serve()
    const socket = make(server.url, "chat", quick)
    assert.strictEqual(socket.readyState, socket.CONNECTING)
    await next(socket, "open")
    const peer = await server.accepted()
    peer.on("message", (data, isBinary) => {
      peer.send(data, { binary: isBinary })
    })
    const echo = dataOf(socket)
    socket.send("hello")
    assert.strictEqual(await echo, "hello")
    const closed = closeOf(socket)
    socket.close(1000, "")
    assert.strictEqual(socket.readyState, socket.CLOSING)
    assert.strictEqual((await closed).code, 1000)
    assert.deepStrictEqual([socket.readyState, socket.url], [socket.CLOSED, `${server.url}/`])
  })

  it("waits in its order for an open connection, before the event open", async () => {
    await using server = await serve()
    const socket = make(server.url)
    const messages = ["1", new TextEncoder().encode("2"), new Blob(["3"]), new TextEncoder().encode("4").buffer, "5"]
    for (const message of messages) socket.send(message)
    assert.strictEqual(socket.bufferedAmount, messages.length)
    socket.addEventListener("open", () => {
      socket.send("last")
    })
    const seen: Array<string> = []
    const peer = await server.accepted()
    for await (const [data] of on(peer)) if (seen.push(data) === messages.length + 1) break
    assert.deepStrictEqual(seen, ["1", "2", "3", "4", "5", "last"])
    assert.strictEqual(socket.bufferedAmount, 0)
  })

  it("tells of a Blob that cannot be read, and goes on", async () => {
    await using server = await serve()
    class Unreadable extends Blob {
      override arrayBuffer(): Promise<ArrayBuffer> {
        return Promise.reject(new Error("its file is gone"))
      }
    }
    const socket = make(server.url)
    socket.send(new Unreadable(["1"]))
    socket.send("2")
    const peer = await server.accepted()
    const [[data], error] = await Promise.all([arrives(peer, "message"), next(socket, "error")])
    assert.strictEqual(String(data), "2")
    assert(isError(error))
    assert.strictEqual(error.message, "The message could not be sent: the Blob could not be read: its file is gone.")
  })

  it("keeps maxEnqueuedMessages at most, and tells of the others", async () => {
    const socket = make(refused, undefined, { maxRetries: 0, maxEnqueuedMessages: 2 })
    const errors = errorsOf(socket)
    for (let i = 0; i < 5; i++) socket.send("message")
    assert.strictEqual(errors.length, 3)
    assert.match(errors[0]?.message ?? "", /2 messages wait for an open connection: maxEnqueuedMessages allows no more/)
    await next(socket, "close")
    assert.strictEqual(socket.bufferedAmount, 14)
  })

  it("refuses what is no message with a sentence", () => {
    const socket = make(refused, undefined, { maxRetries: 0 })
    const send: unknown = Reflect.get(socket, "send")
    assert(typeof send === "function")
    for (const wrong of [undefined, 5, {}]) {
      assert.throws(() => { Reflect.apply(send, socket, [wrong]) }, /^The message could not be sent: a message is a text, /)
    }
  })
})

describe("closing", () => {
  it("may be asked for many times", async () => {
    await using server = await serve()
    const socket = make(server.url)
    let closes = 0
    socket.addEventListener("close", () => closes++)
    await next(socket, "open")
    const peer = await server.accepted()
    const ended = once(peer, "close")
    const closed = next(socket, "close")
    for (let i = 0; i < 3; i++) socket.close(4000, "enough")
    assert.deepStrictEqual((await ended).map(String), ["4000", "enough"])
    await closed
    socket.close()
    assert.deepStrictEqual([closes, server.count()], [1, 1])
  })

  it("stops the first dial", async () => {
    await using server = await serve()
    const socket = make(server.url, undefined, quick)
    const received: Array<string> = []
    for (const name of ["open", "error", "close"]) socket.addEventListener(name, () => received.push(name))
    const closed = closeOf(socket)
    socket.close()
    const { code, wasClean } = await closed
    assert.deepStrictEqual([code, wasClean, received], [1006, false, ["close"]])
    await server.closed()
    assert.deepStrictEqual(received, ["close"])
  })

  it("may be asked for by a listener of close", async () => {
    await using server = await serve()
    const socket = make(server.url, undefined, quick)
    const closed: Array<number> = []
    socket.addEventListener("close", (event) => {
      if (isClose(event)) closed.push(event.code)
      if (closed.length === 2) socket.close()
    })
    for (const code of [4000, 4001]) (await server.accepted()).close(code)
    await until(socket, "close", () => closed.length === 2)
    // As long as it would take to dial again.
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.deepStrictEqual([closed, server.count(), socket.readyState], [[4000, 4001], 2, socket.CLOSED])
  })

  it("refuses a code that must not be sent", () => {
    const socket = make(refused, undefined, { maxRetries: 0 })
    for (const code of [999, 1006, 2_000, 5_000]) assert.throws(() => { socket.close(code) }, /^The close frame cannot be sent/)
  })
})

describe("reconnect", () => {
  it("replaces the connection, with this close frame", async () => {
    await using server = await serve()
    const socket = make(server.url, "chat", quick)
    for (let round = 1; round <= 3; round++) {
      if (socket.readyState !== socket.OPEN) await next(socket, "open")
      const peer = await server.accepted()
      const ended = once(peer, "close")
      const closed = closeOf(socket)
      const arrived = next(socket, "message")
      peer.send("go on")
      await arrived
      if (round < 3) socket.reconnect(4000, "reconnect")
      else socket.close(4001, "close")
      assert.deepStrictEqual([socket.retryCount, socket.readyState], [0, socket.CLOSING])
      const expected = round < 3 ? [4000, "reconnect"] : [4001, "close"]
      const { code, reason } = await closed
      assert.deepStrictEqual([code, reason], expected)
      assert.deepStrictEqual((await ended).map(String), expected.map(String))
    }
    assert.deepStrictEqual([server.count(), socket.readyState], [3, socket.CLOSED])
  })

  it("does no harm while it dials", async () => {
    await using server = await serve()
    const socket = make(server.url)
    let closes = 0
    socket.addEventListener("close", () => closes++)
    const opened = next(socket, "open")
    socket.reconnect()
    socket.reconnect()
    await opened
    assert.strictEqual(closes, 0)
  })

  it("starts it after startClosed, after close, and at once while it waits", async () => {
    await using server = await serve()
    const socket = make(server.url, "chat", { minReconnectionDelay: 3_600_000, maxReconnectionDelay: 3_600_000, startClosed: true })
    assert.strictEqual(socket.readyState, socket.CLOSED)
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.deepStrictEqual([server.count(), socket.readyState], [0, socket.CLOSED])
    const reopen = async () => {
      const opened = next(socket, "open")
      socket.reconnect()
      await opened
      return server.accepted()
    }
    await reopen()
    const closed = next(socket, "close")
    socket.close()
    await closed
    const peer = await reopen()
    const lost = next(socket, "close")
    peer.terminate()
    await lost
    assert.strictEqual(socket.readyState, socket.CLOSED)
    await reopen()
    assert.strictEqual(server.count(), 3)
  })

  it("heals when the server has restarted, and sends what was kept", async () => {
    const server = await serve()
    const socket = make(server.url, undefined, quick)
    await next(socket, "open")
    const lost = next(socket, "close")
    await server[Symbol.asyncDispose]()
    await lost
    socket.send("kept")
    const later = new WebSocketServer({ port: server.port, host: "127.0.0.1" })
    const [peer] = await arrives(later, "connection")
    assert(peer instanceof WebSocket)
    const [data] = await arrives(peer, "message")
    assert.strictEqual(String(data), "kept")
    peer.terminate()
    later.close()
  })
})

describe("options", () => {
  for (const [options, message] of [
    [{ minReconectionDelay: 1 }, /^ReconnectingWebSocket has no option minReconectionDelay\. Its options are WebSocket, /],
    [{ maxRetries: -1 }, /^The option maxRetries of ReconnectingWebSocket must be a number from 0, but is -1\.$/],
    [{ reconnectionDelayGrowFactor: 0.5 }, /must be a number from 1, but is 0\.5\.$/],
    [{ debug: "yes" }, /must be true or false, but is a text\.$/]
  ] satisfies ReadonlyArray<[object, RegExp]>) {
    it(`are refused with a sentence: ${JSON.stringify(options)}`, () => {
      assert.throws(() => untyped(refused, undefined, options), message)
    })
  }
})

// The texts that a peer receives.
async function* on(peer: WebSocket): AsyncGenerator<readonly [string]> {
  const waiting: Array<string> = []
  let wake = () => {}
  peer.on("message", (data: Buffer) => {
    waiting.push(data.toString())
    wake()
  })
  for (;;) {
    for (const text of waiting.splice(0)) yield [text]
    await new Promise<void>((resolve) => {
      wake = resolve
    })
  }
}
