// The books of a venue that sends snapshots with the updates, and a checksum in each of them.
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { MarketFeed } from "holdfast/market"
import * as Server from "../world/Server.ts"
import * as Truth from "../world/Truth.ts"
import { meridian } from "./subject.ts"

const open = (options: MarketFeed.Options = {}) =>
  Effect.gen(function*() {
    yield* TestClock.setTime(Truth.openedAt)
    const context = yield* Layer.build(Server.layer(meridian.wire))
    const client = yield* Effect.provide(
      meridian.connect({ connection: { reconnect: { initialDelay: "1 second", jitterFactor: 0, stableAfter: 0 } }, ...options }),
      context
    )
    const events: Array<MarketFeed.FeedEvent> = []
    yield* Effect.forkScoped(Stream.runForEach(client.events, (event) => Effect.sync(() => events.push(event))))
    return { client, events, server: Context.get(context, Server.Server) }
  })

const pass = TestClock.adjust

const opened = (client: Effect.Effect.Success<ReturnType<typeof open>>["client"]) =>
  Effect.gen(function*() {
    const book = yield* client.orderBook
    const seen: Array<string> = []
    yield* Effect.forkScoped(Stream.runForEach(book.changes, (change) =>
      Effect.sync(() => {
        if (change._tag === "Synced" || change._tag === "Stale") seen.push(change._tag === "Stale" ? change.reason : change._tag)
      })))
    const isRight = Effect.map(book.top(1_000), ({ asks, bids, lastUpdateId }) => {
      assert.deepStrictEqual({ asks, bids }, Truth.book(client.updateOf(lastUpdateId)))
      return client.updateOf(lastUpdateId)
    })
    return { book, seen, isRight }
  })

const first = "it waits for its first snapshot"

describe("a book of Meridian", () => {
  it.scoped("begins with the snapshot of its stream, and with the one after each loss", () =>
    Effect.gen(function*() {
      const { client, server } = yield* open()
      const { isRight, seen } = yield* opened(client)
      yield* pass("5 seconds")
      assert.strictEqual(yield* isRight, server.latest())
      yield* server.reset()
      yield* pass("5 seconds")
      assert.strictEqual(yield* isRight, server.latest())
      assert.deepStrictEqual(seen, [first, "Synced", "the connection was lost", "Synced"])
      assert.strictEqual(server.requests(), 0)
    }))

  it.scoped("is stale from an update whose checksum differs to the next snapshot, for which it subscribes again", () =>
    Effect.gen(function*() {
      const { client, events, server } = yield* open()
      const { isRight, seen } = yield* opened(client)
      yield* pass("5 seconds")
      yield* server.garble(1)
      yield* pass("1 second")
      assert.strictEqual(yield* isRight, server.latest())
      assert.deepStrictEqual(seen, [first, "Synced", "its checksum differs", "Synced"])
      const requested = events.filter((event) => event._tag === "Session" && event.event._tag === "Requested")
      assert.strictEqual(requested.length, 2)
      assert.deepStrictEqual([server.dials(), server.requests()], [1, 0])
    }))

  it.scoped("is stale while all checksums differ, and subscribes ever more rarely", () =>
    Effect.gen(function*() {
      const { client, events, server } = yield* open()
      const { book, isRight } = yield* opened(client)
      yield* pass("5 seconds")
      yield* server.garble(10_000)
      yield* pass("1 minute")
      assert.strictEqual((yield* Effect.flip(book.best)).reason, "its checksum differs")
      const requested = events.filter((event) => event._tag === "Session" && event.event._tag === "Requested")
      assert.isAbove(requested.length, 5)
      assert.isBelow(requested.length, 25)
      yield* server.garble(0)
      yield* pass("20 seconds")
      assert.strictEqual(yield* isRight, server.latest())
    }))

  it.scoped("gets a snapshot when others read its stream already", () =>
    Effect.gen(function*() {
      const { client, server } = yield* open()
      yield* Effect.forkScoped(Stream.runDrain(client.stream("updates")))
      yield* pass("5 seconds")
      const { isRight } = yield* opened(client)
      yield* pass("2 seconds")
      assert.strictEqual(yield* isRight, server.latest())
      assert.strictEqual(server.dials(), 1)
    }))

  it.scoped("stays right when another connection brings an older snapshot", () =>
    Effect.gen(function*() {
      const { client, server } = yield* open({ redundancy: 2 })
      const { isRight, seen } = yield* opened(client)
      yield* pass("3 seconds")
      yield* server.delay(3, "newest")
      yield* pass("3 seconds")
      yield* server.reset("oldest")
      yield* pass("5 seconds")
      yield* isRight
      yield* server.delay(0)
      yield* pass("5 seconds")
      assert.strictEqual(yield* isRight, server.latest())
      assert.deepStrictEqual(seen.filter((status) => status === "its checksum differs"), [])
    }))
})
