import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { Connection, FailureClass } from "holdfast"
import { TestTransport } from "holdfast/testing"
import { scripted } from "./scripted.ts"

const { openWith, refuse } = TestTransport

describe("the headers of the server's answer", () => {
  it.effect("classify sees those of a refusal", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(Effect.provide(scripted([refuse(401, { headers: { "x-try-again": "yes" } }), refuse(401, { headers: { "x-try-again": "yes" } }), openWith({ headers: {} })], {
      classify: (error, standard) =>
        error._tag === "HandshakeRejected" && error.headers["x-try-again"] === "yes" ? FailureClass.Retry() : standard
    }))))

  it.effect("onOpen sees those of an upgrade", () => {
    const seen: Array<unknown> = []
    return Effect.gen(function*() {
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, [{ "x-node": "7" }])
    }).pipe(Effect.provide(scripted([openWith({ headers: { "x-node": "7" } })], {
      onOpen: ({ headers }) => Effect.sync(() => seen.push(headers))
    })))
  })
})
