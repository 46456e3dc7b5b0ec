// A machine that goes offline and comes back, as a browser tells it.
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { Connection, type Transport } from "holdfast"
import { TestTransport } from "holdfast/testing"
import { browserNetwork } from "../../src/internal/transport/browserNetwork.ts"

const { close, fail, open, vanish, wait } = TestTransport

const makeNetwork = (isOnline: boolean) => {
  const listeners = new Set<() => void>()
  let online = isOnline
  const network: Transport.Network = {
    isOnline: () => online,
    onChange: (listener) => {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    }
  }
  const set = (next: boolean) =>
    Effect.sync(() => {
      online = next
      for (const listener of [...listeners]) listener()
    })
  return { network, set, listeners: () => listeners.size }
}

const dials = Effect.flatMap(TestTransport.TestTransport, (transport) => Effect.map(transport.dials, ({ length }) => length))

const options = {
  url: "ws://peer.test",
  messageTimeout: Duration.infinity,
  reconnect: { jitterFactor: 0, maxRetries: 3, initialDelay: "30 seconds", maxDelay: "30 seconds" }
} as const

describe("the network of the machine", () => {
  it.scoped("makes dials wait while it is offline, which spends no retry, and lets them through at once when it is back", () => {
    const { listeners, network, set } = makeNetwork(false)
    return Effect.gen(function*() {
      const connection = yield* Connection.make(options)
      yield* TestClock.adjust("50 seconds")
      assert.strictEqual(yield* dials, 0)
      assert.strictEqual((yield* connection.state)._tag, "Connecting")
      yield* set(true)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* dials, 1)
      yield* TestClock.adjust("1 second")
      const state = yield* connection.state
      assert(state._tag === "Connected")
      assert.strictEqual(state.epoch, 1)
      yield* connection.disconnect
      assert.strictEqual(listeners(), 0)
    }).pipe(Effect.provide(TestTransport.layer([open()], { network })))
  })

  it.scoped("ends a wait at once when it is back", () => {
    const { network, set } = makeNetwork(true)
    return Effect.gen(function*() {
      const connection = yield* Connection.make(options)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* connection.state)._tag, "Reconnecting")
      yield* set(false)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* dials, 1)
      yield* set(true)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* dials, 2)
      assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(Effect.provide(TestTransport.layer([fail(), open()], { network })))
  })

  it.scoped("delays a dial for a minute at most: it may be wrong", () => {
    const { network } = makeNetwork(false)
    return Effect.gen(function*() {
      yield* Connection.make(options)
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(yield* dials, 0)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* dials, 1)
    }).pipe(Effect.provide(TestTransport.layer([open()], { network })))
  })

  it.scoped("does not matter to a server on this machine", () => {
    const { network } = makeNetwork(false)
    return Effect.gen(function*() {
      for (const host of ["localhost:8080", "127.0.0.1", "[::1]:8080", "app.localhost"]) yield* Connection.make({ ...options, url: `ws://${host}` })
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* dials, 4)
    }).pipe(Effect.provide(TestTransport.layer([open(), open(), open(), open()], { network })))
  })

  it.scoped("makes an open connection ask at once whether its peer is still there, and closes none", () => {
    const { listeners, network, set } = makeNetwork(true)
    return Effect.gen(function*() {
      const connection = yield* Connection.make(options)
      yield* TestClock.adjust("2 seconds")
      yield* set(false)
      yield* set(true)
      assert.strictEqual((yield* connection.state)._tag, "Connected")
      // Without that, the ping after 20 seconds finds it out.
      yield* TestClock.adjust("11 seconds")
      assert.strictEqual((yield* connection.state)._tag, "Reconnecting")
      yield* connection.disconnect
      assert.strictEqual(listeners(), 0)
    }).pipe(Effect.provide(TestTransport.layer([open(wait("1 second"), vanish), open(close(1000))], { network })))
  })

  it("is known in browsers, and not on Node", () => {
    assert.isUndefined(browserNetwork(globalThis))
    const scope = Object.assign(new EventTarget(), { navigator: { onLine: true } })
    const network = browserNetwork(scope)
    assert(network !== undefined)
    let changes = 0
    const stop = network.onChange(() => {
      changes++
    })
    scope.navigator.onLine = false
    scope.dispatchEvent(new Event("offline"))
    assert.deepStrictEqual([network.isOnline(), changes], [false, 1])
    stop()
    scope.dispatchEvent(new Event("online"))
    assert.strictEqual(changes, 1)
  })
})
