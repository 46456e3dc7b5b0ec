import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { Connection, Transport } from "holdfast"
import type { Overrides } from "./scripted.ts"
import { idle, quiet, rough } from "./scripted.ts"

// Runs a program on a connection whose sockets record how each of them is closed first.
const farewells = (
  options: Overrides,
  program: (connection: Connection.Connection) => Effect.Effect<unknown>,
  socket: Partial<Transport.Socket> = {}
) =>
  Effect.suspend(() => {
    const seen: Array<readonly [number, string] | "terminated"> = []
    const transport = rough(() => {
      let gone = false
      const record = (how: (typeof seen)[number]) =>
        Effect.sync(() => {
          if (!gone) seen.push(how)
          gone = true
        })
      const made = {
        ...idle,
        ...socket,
        close: (code = 1000, reason = "") => record([code, reason]),
        terminate: record("terminated")
      }
      return Effect.acquireRelease(Effect.succeed(made), ({ close }) => close())
    })
    return Connection.make({ url: "ws://peer.test", ...quiet, ...options }).pipe(
      Effect.flatMap((connection) => Effect.zipRight(TestClock.adjust("1 second"), program(connection))),
      Effect.zipRight(TestClock.adjust("1 minute")),
      Effect.scoped,
      Effect.provide(Layer.succeed(Transport.Transport, transport)),
      Effect.as(seen)
    )
  })

const once = { reconnect: { enabled: false } }

describe("the close frame that the server gets", () => {
  it.effect("disconnect and the end of the scope close with 1000", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* farewells({}, ({ disconnect }) => disconnect), [[1000, ""]])
      assert.deepStrictEqual(yield* farewells({}, () => Effect.void), [[1000, ""]])
    }))

  it.effect("disconnectWith sends its code and reason", () =>
    Effect.gen(function*() {
      const seen = yield* farewells({}, ({ disconnectWith, state }) =>
        Effect.gen(function*() {
          yield* Effect.orDie(disconnectWith({ code: 4000, reason: "I shall resume" }))
          assert.strictEqual((yield* state)._tag, "Disconnected")
        }))
      assert.deepStrictEqual(seen, [[4000, "I shall resume"]])
    }))

  it.effect("its code is forgotten by the next disconnect", () =>
    Effect.gen(function*() {
      const seen = yield* farewells({}, ({ connect, disconnect, disconnectWith }) =>
        Effect.gen(function*() {
          yield* disconnectWith({ code: 4000 })
          yield* connect
          yield* TestClock.adjust("1 second")
          yield* disconnect
        }).pipe(Effect.orDie))
      assert.deepStrictEqual(seen, [[4000, ""], [1000, ""]])
    }))

  it.effect("reconnect closes with 1000, or as it is told; its reason is not for the server", () =>
    Effect.gen(function*() {
      const twice = yield* farewells({}, ({ reconnect }) =>
        Effect.gen(function*() {
          yield* reconnect("token changed")
          yield* TestClock.adjust("1 second")
          yield* reconnect("token changed", { code: 4900, closeReason: "resuming" })
          yield* TestClock.adjust("1 second")
        }).pipe(Effect.orDie))
      assert.deepStrictEqual(twice, [[1000, ""], [4900, "resuming"], [1000, ""]])
    }))

  it.effect("a handshake that fails or takes too long closes with 1011", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* farewells({ ...once, onOpen: () => Effect.fail("no") }, () => Effect.void), [[1011, ""]])
      const late = { ...once, onOpen: () => Effect.never, openTimeout: "3 seconds" } as const
      assert.deepStrictEqual(yield* farewells(late, () => TestClock.adjust("5 seconds")), [[1011, ""]])
    }))

  it.effect("an inbox that overflows closes with 1011", () =>
    Effect.gen(function*() {
      const flood: Transport.Socket["receive"] = (handler) =>
        Effect.zipRight(Effect.suspend(() => handler(["1", "2", "3"]) ?? Effect.void), Effect.never)
      const inbox = { capacity: 2, overflow: "fail" } as const
      assert.deepStrictEqual(yield* farewells({ inbox }, () => Effect.void, { receive: flood }), [[1011, ""]])
    }))

  it.effect("a dead peer gets none: its socket is dropped", () =>
    Effect.gen(function*() {
      const watched = { ...once, pingInterval: "1 second", pongTimeout: "1 second", messageTimeout: Duration.infinity } as const
      const seen = yield* farewells(watched, () => TestClock.adjust("1 minute"), { ping: Effect.never })
      assert.deepStrictEqual(seen, ["terminated"])
    }))

  const tooLong = "é".repeat(62)
  for (
    const [close, message] of [
      [{ code: 1005 }, "its code is 1005, but must be 1000, 1001 or 3000 to 4999"],
      [{ code: 1006 }, "its code is 1006, but must be 1000, 1001 or 3000 to 4999"],
      [{ code: 1011 }, "its code is 1011, but must be 1000, 1001 or 3000 to 4999"],
      [{ code: 2999 }, "its code is 2999, but must be 1000, 1001 or 3000 to 4999"],
      [{ code: 5000 }, "its code is 5000, but must be 1000, 1001 or 3000 to 4999"],
      [{ code: 3000.5 }, "its code is 3000.5, but must be 1000, 1001 or 3000 to 4999"],
      [{ code: 4000, reason: tooLong }, "its reason has 124 bytes, but at most 123 are allowed"]
    ] as const
  ) {
    it.effect(`what may not be sent is refused, and closes nothing: ${message}`, () =>
      Effect.gen(function*() {
        const seen = yield* farewells({}, ({ disconnectWith, reconnect, state }) =>
          Effect.gen(function*() {
            const errors = [
              yield* Effect.flip(disconnectWith(close)),
              yield* Effect.flip(reconnect("why", { code: close.code, closeReason: "reason" in close ? close.reason : "" }))
            ]
            assert.deepStrictEqual(errors.map((error) => [error._tag, error.message]), [
              ["InvalidCloseFrame", `The close frame cannot be sent: ${message}.`],
              ["InvalidCloseFrame", `The close frame cannot be sent: ${message}.`]
            ])
            assert.strictEqual((yield* state)._tag, "Connected")
          }).pipe(Effect.orDie))
        assert.deepStrictEqual(seen, [[1000, ""]])
      }))
  }

  it.effect("the longest reason is 123 bytes", () =>
    Effect.gen(function*() {
      const reason = "r".repeat(123)
      const seen = yield* farewells({}, ({ disconnectWith }) => Effect.orDie(disconnectWith({ code: 4999, reason })))
      assert.deepStrictEqual(seen, [[4999, reason]])
    }))
})
