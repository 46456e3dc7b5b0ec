// `connect` for programs outside Effect, against a server of `ws` on 127.0.0.1.
import { afterEach, assert, describe, it, vi } from "@effect/vitest"
import type { ConnectionError, ConnectionEvent, ConnectionState } from "holdfast"
import type { ConnectionHandle, ConnectOptions } from "holdfast/promise"
import { connect, InvalidArgument } from "holdfast/promise"
import { once } from "node:events"
import { WebSocket } from "ws"
import { arrives, serve } from "./server.ts"

const quick = { reconnect: { initialDelay: 10, jitterFactor: 0 } } as const

const take = async <A>(messages: AsyncIterable<A>, count: number): Promise<ReadonlyArray<A>> => {
  const taken: Array<A> = []
  for await (const message of messages) if (taken.push(message) === count) break
  return taken
}

const drain = async (messages: AsyncIterable<unknown>) => {
  for await (const _ of messages);
}

// The error that a promise rejects with.
const rejection = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error("The promise did not reject.")
}

const thrownBy = (run: () => unknown): unknown => {
  try {
    run()
  } catch (error) {
    return error
  }
  throw new Error("Nothing was thrown.")
}

const next = (connection: ConnectionHandle, name: Parameters<ConnectionHandle["on"]>[0]): Promise<unknown> =>
  new Promise((resolve) => {
    const stop = connection.on(name, (event) => {
      stop()
      resolve(event)
    })
  })

// What programs without types pass.
const untyped = (...parameters: ReadonlyArray<unknown>): ConnectionHandle => {
  const connection: unknown = Reflect.apply(connect, undefined, parameters)
  assert(isHandle(connection))
  return connection
}

const isHandle = (value: unknown): value is ConnectionHandle => typeof value === "object" && value !== null && "awaitOpen" in value

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

describe("connect", () => {
  it("reads the messages of all connections in order, with a gap in the items", async () => {
    await using server = await serve()
    await using connection = connect(server.url, quick)
    const both = Promise.all([take(connection.messages, 4), take(connection.items, 5)])
    const first = await server.accepted()
    first.send("a")
    first.send("b")
    assert.deepStrictEqual(await next(connection, "message"), "a")
    first.terminate()
    const second = await server.accepted()
    second.send("c")
    second.send(new Uint8Array([1, 2]))
    const [messages, items] = await both
    assert.deepStrictEqual(messages.map((message) => typeof message === "string" ? message : [...message]), ["a", "b", "c", [1, 2]])
    assert.deepStrictEqual(items.map((item) => item._tag), ["Data", "Data", "Gap", "Data", "Data"])
  })

  it("holds messages for its first loop, and gives each loop all that come later", async () => {
    await using server = await serve()
    await using connection = connect(server.url)
    const peer = await server.accepted()
    peer.send("1")
    peer.send("2")
    await connection.awaitOpen()
    assert.deepStrictEqual(await take(connection.messages, 2), ["1", "2"])
    const loops = Promise.all([take(connection.messages, 2), take(connection.messages, 2)])
    // Both loops read before the next message is sent.
    await connection.send("go")
    peer.send("3")
    peer.send("4")
    assert.deepStrictEqual(await loops, [["3", "4"], ["3", "4"]])
  })

  it("slows the server down while a loop is busy, and loses nothing", async () => {
    await using server = await serve()
    await using connection = connect(server.url, { inbox: { capacity: 2 } })
    const peer = await server.accepted()
    const iterator = connection.messages[Symbol.asyncIterator]()
    const size = 256 * 1024
    const count = 200
    for (let i = 0; i < count; i++) peer.send(String(i).padEnd(size))
    assert.strictEqual(String((await iterator.next()).value).trim(), "0")
    // It would have gone out if the socket were still read.
    assert.isAbove(await server.settled(peer), 10 * size)
    for (let i = 1; i < count; i++) assert.strictEqual(String((await iterator.next()).value).trim(), String(i))
    await iterator.return?.()
  })

  it("gives the results of `next` in the order of the calls", async () => {
    await using server = await serve()
    await using connection = connect(server.url)
    const iterator = connection.messages[Symbol.asyncIterator]()
    const calls = Promise.all([iterator.next(), iterator.next(), iterator.next()])
    const peer = await server.accepted()
    peer.send("1")
    peer.send("2")
    peer.send("3")
    assert.deepStrictEqual((await calls).map(({ value }) => value), ["1", "2", "3"])
    const waiting = iterator.next()
    await iterator.return?.()
    assert.deepStrictEqual(await waiting, { done: true, value: undefined })
    assert.deepStrictEqual(await iterator.next(), { done: true, value: undefined })
  })

  for (const [how, leave] of [
    ["break", (messages: AsyncIterable<unknown>) => take(messages, 1)],
    ["throw", async (messages: AsyncIterable<unknown>) => {
      const error = await rejection((async () => {
        for await (const message of messages) throw new Error(String(message))
      })())
      assert(error instanceof Error)
    }],
    ["return", async (messages: AsyncIterable<unknown>) => {
      const iterator = messages[Symbol.asyncIterator]()
      await iterator.next()
      await iterator.return?.()
    }],
    ["throw of the iterator", async (messages: AsyncIterable<unknown>) => {
      const iterator = messages[Symbol.asyncIterator]()
      await iterator.next()
      const mine = new Error("mine")
      assert.strictEqual(await rejection(iterator.throw?.(mine) ?? Promise.resolve()), mine)
    }]
  ] as const) {
    it(`keeps nothing of a loop that is left by ${how}`, async () => {
      await using server = await serve()
      const connection = connect(server.url, { inbox: { capacity: 4, overflow: "fail" } })
      const others = take(connection.messages, 40)
      const peer = await server.accepted()
      const left = leave(connection.messages)
      peer.send("first")
      await left
      // A reader that stayed behind would fill the inbox, and fail the connection.
      for (let i = 1; i < 40; i++) {
        const arrived = next(connection, "message")
        peer.send(String(i))
        await arrived
      }
      assert.strictEqual((await others).length, 40)
      await connection.close()
      await server.closed()
    })
  }

  it("fails its loops with the error that its listeners hear, when it is given up", async () => {
    await using server = await serve()
    const connection = connect(server.url, { reconnect: false })
    const told = next(connection, "error")
    const failed = rejection(drain(connection.messages))
    ;(await server.accepted()).close(4001, "enough")
    const error = await failed
    assert(error instanceof Error && "_tag" in error)
    assert.deepStrictEqual([error._tag, await told === error], ["ConnectionClosed", true])
    assert.strictEqual(connection.state._tag, "Failed")
    assert.strictEqual(await rejection(drain(connection.messages)), error)
    assert.strictEqual(await rejection(connection.awaitOpen()), error)
    await connection.close()
  })

  it("ends its loops when it is closed, and refuses what comes later", async () => {
    await using server = await serve()
    const connection = connect(server.url)
    const loop = drain(connection.messages)
    const peer = await server.accepted()
    const ended = once(peer, "close")
    const told = next(connection, "close")
    await connection.awaitOpen()
    await Promise.all([connection.close(4002, "bye"), connection.close()])
    assert.deepStrictEqual((await ended).map(String), ["4002", "bye"])
    await Promise.all([loop, told, drain(connection.messages)])
    for (const late of [connection.send("late"), connection.reconnect(), connection.awaitOpen()]) {
      const error = await rejection(late)
      assert(error instanceof Error)
      assert.match(error.message, /^There is no open connection: .* Make a new connection\.$/)
    }
    await server.closed()
  })

  it("closes when its signal is aborted, and fails its loops with the reason", async () => {
    await using server = await serve()
    const controller = new AbortController()
    const reason = new Error("no longer wanted")
    const removed = vi.spyOn(controller.signal, "removeEventListener")
    const connection = connect(server.url, { signal: controller.signal })
    const loop = rejection(drain(connection.messages))
    await connection.awaitOpen()
    const closed = next(connection, "close")
    controller.abort(reason)
    assert.strictEqual(await loop, reason)
    await closed
    assert.strictEqual(connection.state._tag, "Closed")
    await connection.close()
    assert.strictEqual(removed.mock.calls.length, 1)
    assert.strictEqual(thrownBy(() => connect(server.url, { signal: controller.signal })), reason)
  })

  it("tells its listeners what happens, until they are removed", async () => {
    await using server = await serve()
    await using connection = connect(server.url, quick)
    const states: Array<ConnectionState.ConnectionState["_tag"]> = []
    const events: Array<ConnectionEvent.ConnectionEvent["_tag"]> = []
    const messages: Array<unknown> = []
    connection.on("state", ({ _tag }) => states.push(_tag))
    const stopEvents = connection.on("event", ({ _tag }) => events.push(_tag))
    const stopMessages = connection.on("message", (message) => messages.push(message))
    const first = await server.accepted()
    const arrived = next(connection, "message")
    first.send("one")
    await arrived
    stopMessages()
    stopMessages()
    const lost = next(connection, "lost")
    const reopened = next(connection, "open")
    first.close(1012, "restart")
    const cause = await lost
    assert(cause instanceof Error)
    assert.match(cause.message, /1012: "restart"/)
    await reopened
    stopEvents()
    const second = await server.accepted()
    second.send("two")
    // It waited for a loop, since nobody listens any more.
    assert.deepStrictEqual(await take(connection.messages, 1), ["two"])
    await connection.close()
    assert.deepStrictEqual(messages, ["one"])
    assert.deepStrictEqual(states, ["Connected", "Reconnecting", "Connecting", "Connected", "Closed"])
    assert.deepStrictEqual(events, ["Dialling", "Opened", "Lost", "Waiting", "Dialling", "Opened"])
  })

  it("goes on when a listener throws, and reports what it threw as uncaught", async () => {
    await using server = await serve()
    const uncaught: Array<unknown> = []
    const own = queueMicrotask
    vi.stubGlobal("queueMicrotask", (run: () => void) => {
      own(() => {
        try {
          run()
        } catch (error) {
          uncaught.push(error)
        }
      })
    })
    await using connection = connect(server.url)
    const fault = new Error("a bug")
    connection.on("message", () => {
      throw fault
    })
    const arrived = next(connection, "message")
    ;(await server.accepted()).send("x")
    assert.strictEqual(await arrived, "x")
    await connection.send("still open")
    assert.deepStrictEqual(uncaught, [fault])
  })

  it("sends, waits for an open connection up to a deadline, and replaces its socket", async () => {
    await using server = await serve()
    await using connection = connect(server.url, quick)
    const sending = connection.send("at once", { deadline: "5 seconds" })
    const first = await server.accepted()
    const [received] = await arrives(first, "message")
    assert.strictEqual(String(received), "at once")
    await sending
    const gone = once(first, "close")
    await connection.reconnect("rotation")
    await Promise.all([gone, server.accepted()])
  })

  it("asks functions for the URL, headers and protocols before every dial", async () => {
    await using server = await serve()
    const asked: Array<ConnectionError.AttemptError | undefined> = []
    await using connection = connect((last) => {
      asked.push(last)
      if (asked.length === 1) throw new Error("no token yet")
      return asked.length === 2 ? Promise.resolve("ws://127.0.0.1:1") : new URL(server.url)
    }, { ...quick, headers: () => ({ "x-token": "secret" }), protocols: async () => Promise.resolve(["chat"]) })
    await connection.awaitOpen()
    assert.deepStrictEqual(asked.map((last) => last?._tag), [undefined, "OptionUnavailable", "DialFailed"])
    assert.match(asked[1]?.message ?? "", /no token yet/)
    const { headers } = await server.request()
    assert.deepStrictEqual([headers["x-token"], headers["sec-websocket-protocol"]], ["secret", "chat"])
  })

  it("runs the protocol's handshake on every socket", async () => {
    await using server = await serve()
    let logins = 0
    await using connection = connect(server.url, {
      ...quick,
      onOpen: async ({ receive, send }) => {
        await send("login")
        const answer = await receive()
        if (++logins === 1) throw new Error(`refused: ${String(answer)}`)
      }
    })
    const failed = new Promise<unknown>((resolve) => {
      connection.on("event", (event) => {
        if (event._tag === "AttemptFailed") resolve(event.cause)
      })
    })
    for (const answer of ["not you", "welcome"]) {
      const peer = await server.accepted()
      await once(peer, "message")
      peer.send(answer)
    }
    const error = await failed
    assert(error instanceof Error)
    assert.strictEqual(error.message, "The handshake onOpen failed: refused: not you.")
    assert.deepStrictEqual(await take(connection.messages, 1), ["welcome"])
  })

  it("dials with the class that it is given", async () => {
    await using server = await serve()
    const urls: Array<string> = []
    class Own extends WebSocket {
      constructor(url: string, protocols?: string | Array<string>) {
        super(url, protocols)
        urls.push(url)
      }
    }
    await using connection = untyped(server.url, { WebSocket: Own })
    await connection.awaitOpen()
    assert.deepStrictEqual(urls, [`${server.url}/`])
  })

  it("writes nothing to the console, unless it is asked to", async () => {
    const log = vi.spyOn(console, "log").mockReturnValue()
    await using server = await serve()
    for (const [options, isSilent] of [[{}, true], [{ log: "info" }, false]] satisfies ReadonlyArray<[ConnectOptions, boolean]>) {
      const connection = connect(server.url, { ...quick, ...options })
      ;(await server.accepted()).terminate()
      await server.accepted()
      await connection.awaitOpen()
      await connection.close(4000)
      assert.strictEqual(log.mock.calls.length === 0, isSilent)
    }
  })
})

describe("what programs without types pass to connect", () => {
  const url = "ws://127.0.0.1:1"
  for (const [what, parameters, message] of [
    ["no URL", [], /^The URL of connect must be a text such as .*, but is undefined\.$/],
    ["a number", [5], /^The URL of connect must be .*, but is 5\.$/],
    ["an empty list", [[]], /^The URL of connect must be .*, but is an array\.$/],
    ["options that are none", [url, 5], /^The options of connect must be an object, but is 5\.$/],
    ["an unknown option", [url, { reconect: {} }], /^connect has no option reconect\. Its options are name, .*reconnect/],
    ["an unknown option of an option", [url, { reconnect: { max: 1 } }], /^The option reconnect of connect has no option max\. /],
    ["an option out of range", [url, { reconnect: { maxRetries: -1 } }], /maxRetries: Expected a whole number from 0/],
    ["a negative duration", [url, { pingInterval: -1 }], /pingInterval: Expected a duration, .* but received "-1"/],
    ["a policy that there is not", [url, { inbox: { overflow: "x" } }], /inbox\.overflow: Expected one of/],
    ["headers that are none", [url, { headers: ["a"] }], /^The option headers of connect must be an object of texts/],
    ["protocols as a text", [url, { protocols: "chat" }], /^The option protocols of connect must be an array of texts/],
    ["a handshake that is none", [url, { onOpen: {} }], /^The option onOpen of connect must be a function, but is an object\.$/],
    ["a signal that is none", [url, { signal: true }], /^The option signal of connect must be an AbortSignal, but is true\.$/],
    ["a class that is none", [url, { WebSocket: 123 }], /^The option WebSocket of connect must be a class like the WebSocket/]
  ] satisfies ReadonlyArray<[string, ReadonlyArray<unknown>, RegExp]>) {
    it(`is refused with a sentence: ${what}`, () => {
      const error = thrownBy(() => untyped(...parameters))
      assert(error instanceof InvalidArgument)
      assert.match(error.message, message)
    })
  }

  it("is refused with a sentence: arguments of its methods", async () => {
    await using server = await serve()
    await using connection = connect(server.url)
    await connection.awaitOpen()
    const call = (name: "close" | "on" | "reconnect" | "send", ...parameters: ReadonlyArray<unknown>): Promise<unknown> =>
      (async () => {
        await Reflect.apply(connection[name], connection, parameters)
      })()
    for (const [wrong, message] of [
      [call("on", "foo", () => undefined), /^There is nothing called "foo" to listen to\. The names are message, /],
      [call("on", 5, () => undefined), /^There is no such name to listen to\./],
      [call("on", "open", 5), /^The listener of "open" must be a function, but is 5\.$/],
      [call("send", {}), /but this is an object: encode it first/],
      [call("send"), /but this is undefined/],
      [call("send", "x", { deadline: "soon" }), /a deadline is a duration/],
      [call("send", "x", { timeout: 1 }), /^send has no option timeout\. Its options are deadline\.$/],
      [call("reconnect", 5), /^The reason of reconnect must be a text/],
      [call("close", 99), /^The close frame cannot be sent: its code is 99/],
      [call("close", "now"), /^The close frame cannot be sent: its code is now/],
      [call("close", 1000, 5), /^The reason of close must be a text, but is 5\.$/]
    ] satisfies ReadonlyArray<[Promise<unknown>, RegExp]>) {
      const error = await rejection(wrong)
      assert(error instanceof Error && "_tag" in error)
      assert.match(error.message, message)
    }
    assert.strictEqual(connection.state._tag, "Connected")
  })

  it("fails the connection: a URL that cannot be dialled", async () => {
    for (const bad of ["not a URL", "http://127.0.0.1"]) {
      const connection = connect(bad)
      const error = await rejection(drain(connection.messages))
      assert(error instanceof Error && "_tag" in error)
      assert.strictEqual(error._tag, "InvalidUrl")
      await connection.close()
    }
  })

  it("fails the attempt: a function that gives something else", async () => {
    for (const [parameters, message] of [
      [[() => 5, { reconnect: false }], /What the function of the URL gives must be a text/],
      [["ws://127.0.0.1:1", { headers: () => 5, reconnect: false }], /What the function of the option headers gives must be/],
      [["ws://127.0.0.1:1", { protocols: () => "x", reconnect: false }], /What the function of the option protocols gives must be/]
    ] satisfies ReadonlyArray<[ReadonlyArray<unknown>, RegExp]>) {
      const connection = untyped(...parameters)
      const error = await rejection(drain(connection.messages))
      assert(error instanceof Error)
      assert.match(error.message, message)
      await connection.close()
    }
  })
})
