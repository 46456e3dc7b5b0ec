import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { Writable } from "node:stream"
import * as Output from "../../src/cli/output.ts"

// A reader that reads when it is told to.
const slow = () => {
  const waiting: Array<() => void> = []
  const read: Array<string> = []
  const stream = new Writable({
    decodeStrings: false,
    write: (chunk, _, done) => {
      waiting.push(() => {
        read.push(String(chunk))
        done()
      })
    }
  })
  const readAll = Effect.whileLoop({
    while: () => waiting.length > 0,
    body: () => Effect.zipRight(Effect.sync(() => waiting.shift()?.()), Effect.yieldNow()),
    step: () => undefined
  })
  return { stream, read, readAll }
}

const text = `${"y".repeat(9_999)}\n`

describe("what the program prints", () => {
  it.live("does not pile up when its reader is slow, and says how much is missing", () =>
    Effect.gen(function*() {
      const { read, readAll, stream } = slow()
      const output = Output.make(stream, (count) => `${count} are missing\n`)
      for (let i = 0; i < 1_000; i++) output.offer(text)
      assert.isBelow(stream.writableLength, 1_100_000)
      yield* readAll
      const kept = read.length
      assert.isAbove(kept, 50)
      output.offer("next\n")
      yield* readAll
      assert.deepStrictEqual(read.slice(kept), [`${1_000 - kept} are missing\n`, "next\n"])
    }))

  it.live("waits for its reader where nothing may be left out", () =>
    Effect.gen(function*() {
      const { read, readAll, stream } = slow()
      const output = Output.make(stream, () => "")
      const writing = yield* Effect.fork(
        Effect.forEach(Array.from({ length: 100 }, (_, i) => `${i}${text}`), (each) =>
          Effect.zipRight(Effect.sync(() => {
            output.write(each)
          }), output.drained))
      )
      yield* Effect.repeatN(Effect.yieldNow(), 100)
      assert.isTrue(Option.isNone(yield* Fiber.poll(writing)))
      assert.isBelow(stream.writableLength, stream.writableHighWaterMark + 2 * text.length)
      yield* Effect.repeat(Effect.zipRight(readAll, Effect.zipRight(Effect.yieldNow(), Fiber.poll(writing))), { until: Option.isSome })
      yield* readAll
      assert.deepStrictEqual(read.map((each) => Number.parseInt(each)), Array.from({ length: 100 }, (_, i) => i))
    }))

  it.effect("is written to the end when its reader reads, and is given up when that reads nothing for 5 seconds", () =>
    Effect.gen(function*() {
      const { read, readAll, stream } = slow()
      const { flushed, write } = Output.make(stream, () => "")
      write("one\n")
      const flushing = yield* Effect.fork(Effect.uninterruptible(flushed))
      yield* TestClock.adjust("4 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(flushing)))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(flushing)
      assert.deepStrictEqual(read, [])
      const again = yield* Effect.fork(flushed)
      yield* Effect.repeat(Effect.zipRight(readAll, Effect.zipRight(Effect.yieldNow(), Fiber.poll(again))), { until: Option.isSome })
      assert.strictEqual(read[0], "one\n")
    }))

  it.live("is dropped when its reader has gone", () =>
    Effect.gen(function*() {
      const { stream } = slow()
      const output = Output.make(stream, () => "")
      output.write(text.repeat(10))
      stream.destroy(new Error("gone"))
      yield* output.drained
      output.write(text)
      assert.isFalse(output.isFull())
    }))
})
