import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import type { ConnectionError } from "holdfast"
import { Connection } from "holdfast"
import { TestTransport } from "holdfast/testing"
import { forever, noJitter, scripted } from "./scripted.ts"

const { close, fail, hang, open, refuse, send, wait } = TestTransport

const requests = Effect.map(Effect.flatMap(TestTransport.TestTransport, ({ dials }) => dials), (dials) =>
  dials.map(({ request }) => request))

const hosts = Effect.map(requests, (all) => all.map(({ url }) => new URL(Redacted.value(url)).hostname))

// A proven lifetime, then a loss.
const lived = open(send("data"), wait("10 seconds"), close())

const two = ["ws://a.test/", "ws://b.test/"] as const

const counted = () => {
  let count = 0
  return Effect.sync(() => ++count)
}

describe("what a dial sends", () => {
  it.effect("effects for headers and protocols run anew at every dial", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(
        (yield* requests).map(({ headers, protocols }) => [
          Object.entries(headers).map(([name, value]) => [name, Redacted.value(value)]),
          protocols
        ]),
        [1, 2, 3].map((count) => [[["authorization", `Bearer ${count}`]], ["v1", `token-${count}`]])
      )
    }).pipe(Effect.provide(scripted([fail(), open(close()), open()], {
      headers: Effect.map(counted(), (count) => ({ authorization: Redacted.make(`Bearer ${count}`) })),
      protocols: Effect.map(counted(), (count) => ["v1", `token-${count}`])
    }))))

  for (const option of ["url", "headers", "protocols"] as const) {
    it.effect(`an attempt fails when the effect for ${option} fails, and the next one asks again`, () => {
      let asked = 0
      const failing = Effect.suspend(() => ++asked === 1 ? Effect.fail<unknown>(new Error("the vault is sealed")) : Effect.die("a bug"))
      return Effect.gen(function*() {
        const connection = yield* Connection.Connection
        const ended = yield* Effect.fork(connection.awaitOpen)
        yield* TestClock.adjust("1 minute")
        const error = yield* Effect.flip(ended)
        if (error._tag !== "RetriesExhausted") return assert.fail(error._tag)
        assert.deepStrictEqual(
          error.history.map(({ error }) => error._tag === "OptionUnavailable" ? error.option : error._tag),
          [option, option]
        )
        const noun = option === "url" ? "URL" : option
        assert.deepStrictEqual(error.history.map(({ error: { message } }) => message), [
          `The option ${option} gave no ${noun}: the vault is sealed.`,
          `The option ${option} gave no ${noun}: a bug.`
        ])
        assert.deepStrictEqual(yield* requests, [])
      }).pipe(Effect.provide(scripted(forever(open()), { [option]: failing, reconnect: { maxRetries: 1 } })))
    })
  }

  it.effect("an effect for headers that does not end is bounded by openTimeout", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const ended = yield* Effect.fork(connection.awaitOpen)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* Effect.flip(ended)).message, "The connection did not open within 3s.")
    }).pipe(Effect.provide(scripted([open()], { headers: Effect.never, openTimeout: "3 seconds", reconnect: { enabled: false } }))))
})

describe("a list of URLs", () => {
  it.effect("the next URL follows a failure, and the list begins anew after its end", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* hosts, ["a.test", "b.test", "a.test", "b.test"])
    }).pipe(Effect.provide(scripted([fail(), fail(), open(close()), open()], { url: two }))))

  it.effect("the URL that works stays after a loss, and after reconnect", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* hosts, ["a.test", "b.test", "b.test"])
      yield* connection.reconnect("please")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* hosts, ["a.test", "b.test", "b.test", "b.test"])
    }).pipe(Effect.provide(scripted([fail(), lived, open(), open()], { url: two }))))

  it.effect("the URL that works stays after disconnect and connect", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("10 seconds")
      yield* connection.disconnect
      yield* connection.connect
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* hosts, ["a.test", "b.test", "b.test"])
    }).pipe(Effect.provide(scripted([fail(), open(), open()], { url: two }))))

  it.effect("a refusal that would be final is only so when every URL has failed", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const ended = yield* Effect.fork(connection.awaitOpen)
      yield* TestClock.adjust("1 minute")
      const error = yield* Effect.flip(ended)
      assert.strictEqual(error._tag === "HandshakeRejected" ? error.status : error._tag, 410)
      assert.deepStrictEqual(yield* hosts, ["a.test", "b.test"])
    }).pipe(Effect.provide(scripted([refuse(404), refuse(410), open()], { url: two }))))

  it.effect("the second URL serves when the first one refuses for good", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* connection.state)._tag, "Connected")
      assert.deepStrictEqual(yield* hosts, ["a.test", "b.test"])
    }).pipe(Effect.provide(scripted([refuse(404), open()], { url: two }))))

  it.effect("the budget of retries is that of the connection, not of each URL", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const ended = yield* Effect.fork(connection.awaitOpen)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* Effect.flip(ended))._tag, "RetriesExhausted")
      assert.lengthOf(yield* hosts, 3)
    }).pipe(Effect.provide(scripted(forever(fail()), { url: two, reconnect: { maxRetries: 2 } }))))

  it.effect("a dial that hangs is a failure of its URL", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* hosts, ["a.test", "b.test"])
    }).pipe(Effect.provide(scripted([hang, open()], { url: two }))))

  it.effect("a function gets the failure that made the dial necessary", () => {
    const seen: Array<string> = []
    const choose = (last: Option.Option<ConnectionError.AttemptError>) =>
      Effect.sync(() => {
        seen.push(Option.match(last, { onNone: () => "none", onSome: ({ _tag }) => _tag }))
        return "ws://a.test/"
      })
    return Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("30 seconds")
      yield* connection.reconnect("please")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, ["none", "HandshakeRejected", "ConnectionClosed", "none"])
    }).pipe(Effect.provide(scripted([refuse(503), lived, open(), open()], { url: choose })))
  })

  it.effect("an empty list is refused", () =>
    Effect.gen(function*() {
      const urls: Array<string> = []
      const [a, ...rest] = two
      // A program without types may pass anything.
      const exit = yield* Effect.exit(Connection.make({ url: Object.assign([a, ...rest] as const, { map: () => urls }), reconnect: noJitter }))
      assert.include(Exit.isFailure(exit) ? String(exit.cause) : "made", "at least one URL")
    }).pipe(Effect.scoped, Effect.provide(TestTransport.layer([]))))
})
