import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as net from "node:net"
import * as tls from "node:tls"
import * as FaultProxy from "./FaultProxy.ts"

const { Fault } = FaultProxy

// An echo server behind the proxy. `received` has the chunks that the server received. `hangUp` says a last word on every
// connection, and ends it.
const echo = Effect.gen(function*() {
  const received = yield* Queue.unbounded<string>()
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket))
    socket.on("error", () => undefined)
    socket.on("data", (chunk) => {
      Queue.unsafeOffer(received, chunk.toString("latin1"))
      socket.write(chunk)
    })
  })
  const port = yield* Effect.acquireRelease(
    Effect.async<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    }),
    () => Effect.sync(() => server.close())
  )
  const hangUp = (text: string) =>
    Effect.sync(() => {
      for (const socket of sockets) socket.end(text)
    })
  return { received, hangUp, proxy: yield* FaultProxy.make(port) }
})

const dial = (port: number) =>
  Effect.acquireRelease(
    Effect.gen(function*() {
      const reads = yield* Queue.unbounded<string>()
      const ended = yield* Deferred.make<string>()
      const end = (how: string) => {
        Deferred.unsafeDone(ended, Effect.succeed(how))
      }
      const socket = net.connect(port, "127.0.0.1")
      socket.on("data", (chunk) => {
        Queue.unsafeOffer(reads, chunk.toString())
      })
      socket.on("error", (error) => {
        end("code" in error && typeof error.code === "string" ? error.code : error.message)
      })
      socket.on("end", () => {
        end("FIN")
      })
      return { socket, reads, ended: Deferred.await(ended), say: (text: string) => Effect.sync(() => socket.write(text)) }
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

// A client whose first message has come back.
const open = Effect.gen(function*() {
  const { hangUp, received, proxy } = yield* echo
  const client = yield* dial(proxy.port)
  yield* client.say("hello")
  assert.strictEqual(yield* Queue.take(received), "hello")
  assert.strictEqual(yield* Queue.take(client.reads), "hello")
  return { client, hangUp, received, proxy }
})

const lasts = "100 millis"

describe("the fault proxy", () => {
  it.scopedLive("resets connections, and finishes them", () =>
    Effect.gen(function*() {
      const { client, proxy } = yield* open
      yield* proxy.inject(Fault.Reset())
      assert.strictEqual(yield* client.ended, "ECONNRESET")
      const other = yield* dial(proxy.port)
      yield* other.say("hello")
      yield* Queue.take(other.reads)
      yield* proxy.inject(Fault.Finish())
      assert.strictEqual(yield* other.ended, "FIN")
    }))

  for (const { fault, reachesServer } of [
    { fault: Fault.BlackholeUp({ lasts }), reachesServer: false },
    { fault: Fault.BlackholeDown({ lasts }), reachesServer: true },
    { fault: Fault.HalfOpen({ lasts }), reachesServer: false }
  ]) {
    it.scopedLive(`swallows bytes for good during ${fault._tag}, and lets later connections pass`, () =>
      Effect.gen(function*() {
        const { client, received, proxy } = yield* open
        const injecting = yield* Effect.fork(proxy.inject(fault))
        yield* Effect.yieldNow()
        yield* client.say("lost")
        if (reachesServer) assert.strictEqual(yield* Queue.take(received), "lost")
        yield* Fiber.join(injecting)
        yield* client.say("lost too")
        if (reachesServer) assert.strictEqual(yield* Queue.take(received), "lost too")
        const other = yield* dial(proxy.port)
        yield* other.say("again")
        assert.strictEqual(yield* Queue.take(received), "again")
        assert.strictEqual(yield* Queue.take(other.reads), "again")
        assert.strictEqual(yield* Queue.size(client.reads), 0)
        // When the client gives up, the proxy drops the connection.
        client.socket.destroy()
        yield* Effect.repeat(Effect.sync(() => proxy.open()), {
          until: (open) => open === 1,
          schedule: Schedule.spaced("5 millis")
        })
      }))
  }

  const race = <A>(first: Effect.Effect<A>, second: Effect.Effect<unknown>) =>
    Effect.raceFirst(Effect.as(first, "first"), Effect.as(second, "second"))

  it.scopedLive("holds all bytes back and loses none", () =>
    Effect.gen(function*() {
      const { client, received, proxy } = yield* open
      const injecting = yield* Effect.fork(proxy.inject(Fault.Stall({ lasts })))
      yield* Effect.yieldNow()
      yield* client.say("late")
      assert.strictEqual(yield* race(Queue.take(received), Fiber.join(injecting)), "second")
      assert.strictEqual(yield* Queue.take(client.reads), "late")
    }))

  it.scopedLive("delays all bytes", () =>
    Effect.gen(function*() {
      const { client, received, proxy } = yield* open
      const injecting = yield* Effect.fork(proxy.inject(Fault.Latency({ delay: "80 millis", lasts: "200 millis" })))
      yield* Effect.yieldNow()
      yield* client.say("late")
      assert.strictEqual(yield* race(Queue.take(received), Effect.sleep("20 millis")), "second")
      assert.strictEqual(yield* race(Queue.take(client.reads), Fiber.join(injecting)), "first")
    }))

  it.scopedLive("lets few bytes through at a time and loses none", () =>
    Effect.gen(function*() {
      const { client, received, proxy } = yield* open
      yield* Effect.fork(proxy.inject(Fault.Bandwidth({ bytesPerSecond: 100, lasts: "400 millis" })))
      yield* Effect.yieldNow()
      yield* client.say("0123456789")
      const pieces: Array<string> = []
      while (pieces.join("").length < 10) pieces.push(yield* Queue.take(received))
      assert.strictEqual(pieces.join(""), "0123456789")
      assert.isAbove(pieces.length, 1)
    }))

  it.scopedLive("splits all bytes into small pieces", () =>
    Effect.gen(function*() {
      const { client, received, proxy } = yield* open
      const injecting = yield* Effect.fork(proxy.inject(Fault.Split({ most: 2, lasts })))
      yield* Effect.yieldNow()
      const text = "币安人生"
      yield* client.say(text)
      const pieces: Array<Buffer> = []
      while (Buffer.concat(pieces).length < Buffer.byteLength(text)) {
        pieces.push(Buffer.from(yield* Queue.take(received), "latin1"))
      }
      assert.strictEqual(Buffer.concat(pieces).toString(), text)
      assert.isAtLeast(pieces.length, Buffer.byteLength(text) / 2)
      yield* Fiber.join(injecting)
    }))

  it.scopedLive("refuses dials, then listens again on the same port", () =>
    Effect.gen(function*() {
      const { client, proxy } = yield* open
      const injecting = yield* Effect.fork(proxy.inject(Fault.Refuse({ lasts })))
      assert.strictEqual(yield* client.ended, "ECONNRESET")
      assert.strictEqual(yield* (yield* dial(proxy.port)).ended, "ECONNREFUSED")
      yield* Fiber.join(injecting)
      const other = yield* dial(proxy.port)
      yield* other.say("again")
      assert.strictEqual(yield* Queue.take(other.reads), "again")
    }))

  it.scopedLive("accepts dials, then closes", () =>
    Effect.gen(function*() {
      const { client, proxy } = yield* open
      const injecting = yield* Effect.fork(proxy.inject(Fault.AcceptThenClose({ lasts })))
      assert.strictEqual(yield* client.ended, "ECONNRESET")
      assert.strictEqual(yield* (yield* dial(proxy.port)).ended, "FIN")
      yield* Fiber.join(injecting)
    }))

  it.scopedLive("swallows the server's ends, and lets its bytes pass", () =>
    Effect.gen(function*() {
      const { client, proxy, hangUp } = yield* open
      const injecting = yield* Effect.fork(proxy.inject(Fault.Linger({ lasts })))
      yield* Effect.yieldNow()
      yield* hangUp("bye")
      assert.strictEqual(yield* Queue.take(client.reads), "bye")
      yield* Fiber.join(injecting)
      const other = yield* dial(proxy.port)
      yield* other.say("again")
      assert.strictEqual(yield* Queue.take(other.reads), "again")
      yield* hangUp("good bye")
      // The end of the later connection comes through. That of the first one never does.
      assert.strictEqual(yield* race(other.ended, client.ended), "first")
      client.socket.destroy()
    }))

  it.scopedLive("ends a connection to the client while what it has sent is unread", () =>
    Effect.gen(function*() {
      const { client, proxy, received } = yield* open
      const injecting = yield* Effect.fork(proxy.inject(Fault.Unread({ after: "20 millis", lasts })))
      yield* Effect.yieldNow()
      // More than the buffers of the kernel hold.
      client.socket.write("x".repeat(16 * 1024 * 1024))
      assert.strictEqual(yield* client.ended, "FIN")
      assert.isAbove(client.socket.writableLength, 0)
      assert.strictEqual(yield* Queue.size(received), 0)
      client.socket.destroy()
      yield* Fiber.join(injecting)
      const other = yield* dial(proxy.port)
      yield* other.say("again")
      assert.strictEqual(yield* Queue.take(other.reads), "again")
    }))

  it.scopedLive("has a TLS server with an untrusted certificate", () =>
    Effect.gen(function*() {
      const { proxy } = yield* echo
      const error = yield* Effect.async<unknown>((resume) => {
        const socket = tls.connect({ port: proxy.badCertificatePort, host: "127.0.0.1" })
        socket.on("error", (error) => {
          resume(Effect.succeed(error))
        })
      })
      assert(error instanceof Error && "code" in error)
      assert.strictEqual(error.code, "DEPTH_ZERO_SELF_SIGNED_CERT")
    }))
})
