// A healed connection as a socket of @effect/platform.
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as PlatformSocket from "@effect/platform/Socket"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Rpc from "@effect/rpc/Rpc"
import * as RpcClient from "@effect/rpc/RpcClient"
import * as RpcGroup from "@effect/rpc/RpcGroup"
import * as RpcSerialization from "@effect/rpc/RpcSerialization"
import * as RpcServer from "@effect/rpc/RpcServer"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { Connection } from "holdfast"
import * as NodeTransport from "holdfast/NodeTransport"
import * as HealedSocket from "holdfast/PlatformSocket"
import { TestTransport } from "holdfast/testing"
import { createServer } from "node:http"
import type { Duplex } from "node:stream"

const { close, open, send, wait } = TestTransport

const options = {
  url: "ws://peer.test",
  messageTimeout: Duration.infinity,
  reconnect: { jitterFactor: 0, initialDelay: "1 second", stableAfter: 0 }
} as const

const sent = Effect.flatMap(TestTransport.TestTransport, (transport) => transport.sent)

describe("a socket of a connection", () => {
  it.scoped("runs once for each open connection, and begins with its first message", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.make(options)
      const socket = HealedSocket.fromConnection(connection)
      const seen: Array<string> = []
      const run = Effect.flip(socket.runRaw((message) => {
        seen.push(String(message))
      }, { onOpen: Effect.sync(() => seen.push("open")) }))
      const first = yield* Effect.fork(run)
      yield* TestClock.adjust("1500 millis")
      const error = yield* Fiber.join(first)
      assert(PlatformSocket.SocketCloseError.is(error))
      assert.deepStrictEqual([error.code, error.closeReason], [4001, "later"])
      // Nobody runs while "lost" comes.
      yield* TestClock.adjust("3 seconds")
      yield* Effect.fork(run)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(seen, ["open", "a", "b", "open", "d", "e"])
    }).pipe(Effect.provide(TestTransport.layer([
      open(send("a"), wait("1 second"), send("b"), close(4001, "later")),
      open(send("lost"), wait("500 millis"), close(1012)),
      open(send("d"), wait("5 seconds"), send("e"))
    ]))))

  it.scoped("completes its run when the connection is disconnected, and fails it when that is given up", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.make({ ...options, reconnect: { enabled: false } })
      const socket = HealedSocket.fromConnection(connection)
      const run = Effect.either(socket.run(() => undefined))
      const first = yield* Effect.fork(run)
      yield* TestClock.adjust("1 second")
      yield* connection.disconnect
      assert.isTrue(Either.isRight(yield* Fiber.join(first)))
      yield* connection.connect
      const second = yield* Effect.fork(run)
      yield* TestClock.adjust("5 seconds")
      const ended = yield* Fiber.join(second)
      assert(Either.isLeft(ended))
      const third = yield* Effect.flip(socket.run(() => undefined))
      assert.strictEqual(third.reason, "Open")
    }).pipe(Effect.provide(TestTransport.layer([open(), open(wait("1 second"), close(1011))]))))

  it.scoped("writes once a connection is open, and leaves by a close event", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.make(options)
      const write = yield* HealedSocket.fromConnection(connection).writer
      yield* write("early")
      yield* TestClock.adjust("2 seconds")
      const late = yield* Effect.fork(write("late"))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(late)
      assert.deepStrictEqual(yield* sent, ["early", "late"])
      yield* write(new PlatformSocket.CloseEvent(4000, "enough"))
      assert.strictEqual((yield* connection.state)._tag, "Disconnected")
      const error = yield* Effect.flip(write("after"))
      assert.strictEqual(error.reason, "Write")
    }).pipe(Effect.provide(TestTransport.layer([open(wait("1 second"), close(1012)), open()]))))
})

// ---------------------------------------------------------------------------------------------------------------------
// Effect RPC

class Calls extends RpcGroup.make(
  Rpc.make("double", { payload: { n: Schema.Number }, success: Schema.Number }),
  Rpc.make("hang", { success: Schema.Void })
) {}

const handlers = Calls.toLayer({
  double: ({ n }) => Effect.succeed(2 * n),
  hang: () => Effect.never
})

// A server on this port. Closing the scope cuts its sockets.
const serve = (port: number) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const server = createServer()
    const sockets = new Set<Duplex>()
    server.on("connection", (socket) => {
      sockets.add(socket)
      socket.on("close", () => sockets.delete(socket))
    })
    yield* Scope.addFinalizer(scope, Effect.sync(() => {
      for (const socket of sockets) socket.destroy()
    }))
    const app = HttpRouter.Default.serve().pipe(
      Layer.provide(RpcServer.layer(Calls).pipe(
        Layer.provide(handlers),
        Layer.provide(RpcServer.layerProtocolWebsocket({ path: "/rpc" }))
      )),
      Layer.provideMerge(NodeHttpServer.layer(() => server, { port, host: "127.0.0.1" })),
      Layer.provide(RpcSerialization.layerNdjson)
    )
    const context = yield* Layer.buildWithScope(app, scope)
    const { address } = Effect.runSync(Effect.provide(HttpServer.HttpServer, context))
    return { port: address._tag === "TcpAddress" ? address.port : 0, stop: Scope.close(scope, Exit.void) }
  })

describe("a client of Effect RPC over a healed connection", () => {
  it.scopedLive("fails the requests in flight when its server restarts under load, and goes on by itself", () =>
    Effect.gen(function*() {
      const first = yield* serve(0)
      const connection = yield* Connection.make({
        url: `ws://127.0.0.1:${first.port}/rpc`,
        reconnect: { initialDelay: "50 millis", maxDelay: "50 millis", maxRetries: "unlimited" }
      })
      const protocol = RpcClient.layerProtocolSocket().pipe(
        Layer.provide(Layer.succeed(PlatformSocket.Socket, HealedSocket.fromConnection(connection))),
        Layer.provide(RpcSerialization.layerNdjson)
      )
      const client = yield* Effect.provide(RpcClient.make(Calls), yield* Layer.build(protocol))
      assert.strictEqual(yield* client.double({ n: 21 }), 42)
      // Load, and requests that the server never answers.
      const load = yield* Effect.fork(Effect.repeat(Effect.either(client.double({ n: 1 })), Schedule.spaced("2 millis")))
      const flying = yield* Effect.forEach([1, 2, 3], () => Effect.fork(Effect.exit(client.hang())))
      assert.strictEqual(yield* client.double({ n: 4 }), 8)
      yield* first.stop
      for (const fiber of flying) {
        const exit = yield* Fiber.join(fiber)
        assert(Exit.isFailure(exit))
        const error = yield* Effect.flip(Effect.failCause(exit.cause))
        assert.strictEqual(error._tag, "RpcClientError")
      }
      yield* serve(first.port)
      const healed = yield* Effect.retry(client.double({ n: 50 }), Schedule.spaced("10 millis"))
      assert.strictEqual(healed, 100)
      assert.isNull(load.unsafePoll())
      yield* Fiber.interrupt(load)
    }).pipe(Effect.provide(NodeTransport.layer)))
})
