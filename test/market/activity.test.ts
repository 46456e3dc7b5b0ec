// What a feed asks its venue about silent streams.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as Activity from "../../src/internal/feed/activity.ts"
import { unknown } from "../../src/market/Continuity.ts"
import type { Stream } from "../../src/market/Venue.ts"
import { decoders } from "../../src/binance/MarketEvent.ts"

const stream = (name: string): Stream => ({ name, symbol: name, group: "", kind: { type: "blockTrade", continuity: unknown, decoder: decoders.blockTrade } })

const symbols = Array.from({ length: 40 }, (_, i) => `S${i}`)

// A venue that counts all symbols when it is asked for more than ten.
const asking = () => {
  const questions: Array<number> = []
  const ask = Activity.make({ stream }, {
    keyOf: ({ symbol }) => symbol,
    counts: (keys) =>
      Effect.sync(() => {
        questions.push(keys.length)
        return new Map((keys.length > 10 ? symbols : keys).map((key) => [key, 1]))
      })
  })
  return { ask, questions }
}

describe("questions about activity", () => {
  it.effect("are few when many connections ask: an answer about all symbols serves those that nobody has asked about", () =>
    Effect.gen(function*() {
      const { ask, questions } = asking()
      for (let i = 0; i < symbols.length; i += 4) {
        const answer = yield* ask(symbols.slice(i, i + 4))
        assert.strictEqual(answer?.counts.size, 4)
      }
      assert.deepStrictEqual(questions, [4, 8, 12])
      yield* TestClock.adjust("5 seconds")
      yield* ask(["S0"])
      assert.strictEqual(questions.length, 4)
    }))
})
